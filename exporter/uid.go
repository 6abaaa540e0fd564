package exporter

import (
	crand "crypto/rand"
	"encoding/binary"
	"math/rand/v2"
	"time"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// uidLen is the length of a UUID's text.
const uidLen = 36

// uidMaker makes UUIDs of version 7 (RFC 9562 section 5.7). Its random bytes are
// those of ChaCha8, a generator that is cryptographically strong, with a seed of
// the system's that is a new one from time to time: to ask the system for the
// bytes of each costs more than the rest of a UUID. google/uuid does, through an
// interface and with an allocation. It is not safe for concurrent use.
type uidMaker struct {
	random *rand.ChaCha8
	left   int // UUIDs until the next seed
	text   [uidLen]byte
}

// uidsPerSeed is how many UUIDs are made of one seed.
const uidsPerSeed = 4096

func newUIDMaker() *uidMaker { return &uidMaker{random: rand.NewChaCha8([32]byte{})} }

// next returns the text of a new UUID of that time, which is valid until the next
// call.
func (m *uidMaker) next(at time.Time) []byte {
	if m.left == 0 {
		var seed [32]byte
		crand.Read(seed[:]) //nolint:errcheck,gosec // it never fails: it ends the program
		m.random.Seed(seed)
		m.left = uidsPerSeed
	}
	m.left--
	const (
		version = 0x7000
		variant = 0x8000000000000000 // of RFC 9562
	)
	high := uint64(max(at.UnixMilli(), 0))<<16 | version | m.random.Uint64()&0x0fff
	low := m.random.Uint64()&(1<<62-1) | variant
	var id [16]byte
	binary.BigEndian.PutUint64(id[:8], high)
	binary.BigEndian.PutUint64(id[8:], low)
	t := &m.text
	var digits [32]byte
	jsonline.AppendHex(digits[:0], id[:])
	copy(t[0:8], digits[0:8])
	copy(t[9:13], digits[8:12])
	copy(t[14:18], digits[12:16])
	copy(t[19:23], digits[16:20])
	copy(t[24:36], digits[20:32])
	t[8], t[13], t[18], t[23] = '-', '-', '-', '-'
	return t[:]
}

package exporter

import (
	"crypto/rand"
	"encoding/binary"
	"time"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// uidLen is the length of a UUID's text.
const uidLen = 36

// uidMaker makes UUIDs of version 7 (RFC 9562 section 5.7) from a pool of
// random bytes. google/uuid makes them too, but reads its random bytes through
// an interface, one allocation and one system call for each. It is not safe
// for concurrent use.
type uidMaker struct {
	random [1024]byte
	used   int
	text   [uidLen]byte
}

func newUIDMaker() *uidMaker { return &uidMaker{used: len(uidMaker{}.random)} }

// next returns the text of a new UUID, which is valid until the next call.
func (m *uidMaker) next(now time.Time) []byte {
	const n = 10 // random bytes of a UUID
	if m.used+n > len(m.random) {
		rand.Read(m.random[:]) //nolint:errcheck,gosec // it never fails: it ends the program
		m.used = 0
	}
	var id [16]byte
	copy(id[6:], m.random[m.used:m.used+n])
	m.used += n
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(max(now.UnixMilli(), 0)))
	copy(id[:6], ms[2:])
	id[6] = id[6]&0x0f | 0x70 // version 7
	id[8] = id[8]&0x3f | 0x80 // variant of RFC 9562
	t := m.text[:0]
	t = append(jsonline.AppendHex(t, id[:4]), '-')
	t = append(jsonline.AppendHex(t, id[4:6]), '-')
	t = append(jsonline.AppendHex(t, id[6:8]), '-')
	t = append(jsonline.AppendHex(t, id[8:10]), '-')
	return jsonline.AppendHex(t, id[10:])
}

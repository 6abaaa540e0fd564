package scan

import (
	"hash/maphash"
	"math"
	"math/bits"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// HashSeed is the seed of all hashes of lines in this process.
var HashSeed = maphash.MakeSeed()

// HashString hashes the string that a raw value spells, if it is not empty. The hash of
// anything else is 0.
func HashString(lit []byte) uint64 {
	if jsonline.KindOf(lit) != jsonline.String || len(lit) <= 2 {
		return 0
	}
	var room [64]byte
	return max(maphash.Bytes(HashSeed, jsonline.Unescaped(room[:0], lit)), 1)
}

// Identity returns a hash that two lines share if they are one event, 0 for a line
// without a uid.
//
// Two lines are one event if both have the same log.record.uid, a string that is not
// empty, and equal ts, event, cost and tokens. Times are compared as instants and costs
// as numbers. A replay that was sent twice makes such lines, and a folder that was
// restored beside its origin. Lines without a uid are never one event: two equal lines
// may be two equal calls.
//
// The seed of the hash is random, so that no author of a log can make two events collide.
func Identity(f *Fields, a Amounts) uint64 {
	id := HashString(f[FieldUID])
	if id == 0 {
		return 0
	}
	if t, ok := jsonline.ParseTime(f[FieldTime]); ok {
		id = Mix(Mix(id, uint64(t.Unix())), uint64(t.Nanosecond())) //nolint:gosec // a hash
	} else {
		id = Mix(id, maphash.Bytes(HashSeed, f[FieldTime]))
	}
	if event := HashString(f[FieldEvent]); event != 0 {
		id = Mix(id, event)
	} else {
		id = Mix(id, maphash.Bytes(HashSeed, f[FieldEvent]))
	}
	id = Mix(id, math.Float64bits(a.Cost+0)) // −0 is 0
	id = Mix(id, uint64(a.Input))            //nolint:gosec // a hash
	id = Mix(id, uint64(a.Output))           //nolint:gosec // a hash
	flags := uint64(0)
	if a.Priced {
		flags |= 1
	}
	if a.Tokens {
		flags |= 2
	}
	return max(Mix(id, flags), 1)
}

// Mix adds v to the hash h.
func Mix(h, v uint64) uint64 {
	hi, lo := bits.Mul64(h^v, 0x9e3779b97f4a7c15)
	return hi ^ lo ^ bits.RotateLeft64(h, 32)
}

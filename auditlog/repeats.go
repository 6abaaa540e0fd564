package auditlog

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"math"
	"math/bits"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// A line may stand in a log more than once: a replay was sent twice, a folder
// was restored beside the one it came from. Two lines are one event if both have
// the same log.record.uid, a string that is not empty, and equal ts, event, cost
// and tokens. Times are compared as instants and costs as numbers. Lines without a
// uid are never taken for one event: two equal lines may be two equal calls.

// keyUID is otelline.KeyUID, FORMAT.md section 5.
const keyUID = "log.record.uid"

// identityOf returns a hash that two lines share if they are one event, 0 for a
// line without a uid. The seed of the hash is random, so that no author of a log
// can make two events collide.
func identityOf(f *fields, a amounts) uint64 {
	id := hashID(f[fieldUID])
	if id == 0 {
		return 0
	}
	if t, ok := jsonline.ParseTime(f[fieldTime]); ok {
		id = mix(mix(id, uint64(t.Unix())), uint64(t.Nanosecond())) //nolint:gosec // a hash
	} else {
		id = mix(id, maphash.Bytes(idSeed, f[fieldTime]))
	}
	if event := hashID(f[fieldEvent]); event != 0 {
		id = mix(id, event)
	} else {
		id = mix(id, maphash.Bytes(idSeed, f[fieldEvent]))
	}
	id = mix(id, math.Float64bits(a.cost+0)) // −0 is 0
	id = mix(id, uint64(a.input))            //nolint:gosec // a hash
	id = mix(id, uint64(a.output))           //nolint:gosec // a hash
	flags := uint64(0)
	if a.priced {
		flags |= 1
	}
	if a.tokens {
		flags |= 2
	}
	return max(mix(id, flags), 1)
}

// mix adds v to the hash h.
func mix(h, v uint64) uint64 {
	hi, lo := bits.Mul64(h^v, 0x9e3779b97f4a7c15)
	return hi ^ lo ^ bits.RotateLeft64(h, 32)
}

// uidHash returns a hash of a raw log.record.uid for a uidFilter, 0 if it is no text
// or empty. Of a usual one, a UUID, it looks at the 16 bytes that differ most.
func uidHash(lit []byte) uint64 {
	const last = 16
	if bytes.IndexByte(lit, '\\') >= 0 {
		lit = jsonline.AppendString(nil, jsonline.Unquote(lit))
	}
	if len(lit) < last+2 || lit[0] != '"' || lit[len(lit)-1] != '"' {
		return hashID(lit)
	}
	end := len(lit) - 1
	hash := mix(uidSeed, binary.LittleEndian.Uint64(lit[end-last:]))
	return max(mix(hash, binary.LittleEndian.Uint64(lit[end-last/2:])), 1)
}

var uidSeed = maphash.String(idSeed, keyUID)

// uidFilter tells cheaply whether a log.record.uid may stand twice within the
// window: never no for one that does, and yes for one in 10^8 that does not. It
// holds 32 bits of each hash, in two tables that take turns. The zero value is empty.
type uidFilter struct {
	older, newer []uint32 // hash tables, half full at most; 0 is free
	used         int      // in newer
}

// mayRepeat adds a hash.
func (u *uidFilter) mayRepeat(hash uint64) bool {
	if u.newer == nil {
		u.older, u.newer = make([]uint32, recentSlots), make([]uint32, recentSlots)
	}
	bits, home := uint32(hash)|1, slotOf(hash>>32) //nolint:gosec // part of it
	for slot := home; u.older[slot] != 0; slot = slotAfter(slot) {
		if u.older[slot] == bits {
			return true
		}
	}
	slot := home
	for ; u.newer[slot] != 0; slot = slotAfter(slot) {
		if u.newer[slot] == bits {
			return true
		}
	}
	u.newer[slot] = bits
	if u.used++; u.used == dedupWindow {
		u.older, u.newer, u.used = u.newer, u.older, 0
		clear(u.newer)
	}
	return false
}

// recentIDs holds the last dedupWindow different identities. The zero value is
// empty. Memory: 96 KiB once an identity was added.
type recentIDs struct {
	ring []uint64 // oldest at next once it is full
	next int
	// slots is a hash table of what ring holds, at most half full; 0 is free. An
	// identity whose slot is taken is in the next free one.
	slots []uint64
}

const recentSlots = 2 * dedupWindow

func slotOf(id uint64) int { return int(id & (recentSlots - 1)) } //nolint:gosec // small

func slotAfter(slot int) int { return (slot + 1) & (recentSlots - 1) }

// add adds id, which is not 0, and reports whether it was there.
func (r *recentIDs) add(id uint64) bool {
	if r.slots == nil {
		r.slots = make([]uint64, recentSlots)
	}
	slot := slotOf(id)
	for ; r.slots[slot] != 0; slot = slotAfter(slot) {
		if r.slots[slot] == id {
			return true
		}
	}
	r.slots[slot] = id
	if len(r.ring) < dedupWindow {
		r.ring = append(r.ring, id)
		return false
	}
	r.remove(r.ring[r.next])
	r.ring[r.next] = id
	r.next = (r.next + 1) % dedupWindow
	return false
}

// remove frees the slot of id and moves those that it kept from their own one.
func (r *recentIDs) remove(id uint64) {
	free := slotOf(id)
	for r.slots[free] != id {
		free = slotAfter(free)
	}
	for slot := slotAfter(free); r.slots[slot] != 0; slot = slotAfter(slot) {
		home := slotOf(r.slots[slot])
		if (slot-home)&(recentSlots-1) >= (slot-free)&(recentSlots-1) {
			r.slots[free] = r.slots[slot]
			free = slot
		}
	}
	r.slots[free] = 0
}

package spend

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"

	"github.com/otelaudit/otelaudit/internal/jsonline"
	"github.com/otelaudit/otelaudit/internal/scan"
)

// uidHash returns a hash of a raw log.record.uid for a uidFilter, 0 if it is no string or
// empty. Of a UUID it hashes the 16 bytes that differ most.
func uidHash(lit []byte) uint64 {
	const last = 16
	if bytes.IndexByte(lit, '\\') >= 0 {
		lit = jsonline.AppendString(nil, jsonline.Unquote(lit))
	}
	if len(lit) < last+2 || lit[0] != '"' || lit[len(lit)-1] != '"' {
		return scan.HashString(lit)
	}
	end := len(lit) - 1
	hash := scan.Mix(uidSeed, binary.LittleEndian.Uint64(lit[end-last:]))
	return max(scan.Mix(hash, binary.LittleEndian.Uint64(lit[end-last/2:])), 1)
}

var uidSeed = maphash.String(scan.HashSeed, scan.KeyUID)

// uidFilter reports cheaply whether a log.record.uid may be repeated within the window.
// It reports each repeated one, and one in 10^8 that is not. It holds 32 bits of each
// hash, in two tables that take turns. The zero value is empty.
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

// remove frees the slot of id and moves into it identities that it kept from their own
// slots.
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

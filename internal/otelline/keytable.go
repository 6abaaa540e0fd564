package otelline

import "hash/maphash"

// KeyID is the number of a key in a [KeyTable].
type KeyID uint16

// NoKey is the number of a key that is in no table.
const NoKey = KeyID(0xffff)

// KeyTable gives numbers to the attribute keys that mean something, so that
// one look-up per attribute finds all that depends on its key. It is built
// once and only read after that.
//
// Why not a map: the hash is needed once more, to find repeated keys, and a
// map does not tell it.
type KeyTable struct {
	seed  maphash.Seed
	keys  []string
	slots []tableSlot // a power of two, at most a quarter of them used
	paths []path      // in their order
}

type tableSlot struct {
	hash uint64
	id   KeyID
	used bool
}

// The numbers of the keys that every table begins with: the fields in their
// order, the reserved keys, and the one key that the codec itself looks for.
const (
	firstReserved = KeyID(NumFields)
	uidKey        = firstReserved + KeyID(len(reservedKeys))
)

// NewKeyTable returns a table of the keys that the codec looks for, and keys.
// Those of keys that have dots are found in maps too.
func NewKeyTable(keys ...string) *KeyTable {
	t := &KeyTable{seed: maphash.MakeSeed()}
	all := append(append([]string{}, fieldKeys[:]...), reservedKeys[:]...)
	all = append(append(all, KeyUID), keys...)
	size := 1
	for size < 4*len(all) {
		size *= 2
	}
	t.slots = make([]tableSlot, size)
	for _, key := range all {
		if t.ID(key) != NoKey {
			continue
		}
		hash := t.hash(key)
		i := t.start(hash)
		for t.slots[i].used {
			i = (i + 1) & (len(t.slots) - 1)
		}
		t.slots[i] = tableSlot{hash, KeyID(len(t.keys)), true} //nolint:gosec // a few hundred keys
		t.keys = append(t.keys, key)
	}
	t.addPaths(keys)
	return t
}

// Len returns the number of keys.
func (t *KeyTable) Len() int { return len(t.keys) }

// Key returns the key with that number.
func (t *KeyTable) Key(id KeyID) string { return t.keys[id] }

// ID returns the number of key, NoKey if the table does not have it.
func (t *KeyTable) ID(key string) KeyID { return t.find(t.hash(key), key) }

func (t *KeyTable) hash(key string) uint64 { return maphash.String(t.seed, key) }

func (t *KeyTable) start(hash uint64) int {
	return int(hash>>32) & (len(t.slots) - 1) //nolint:gosec // masked
}

func (t *KeyTable) find(hash uint64, key string) KeyID {
	for i := t.start(hash); t.slots[i].used; i = (i + 1) & (len(t.slots) - 1) {
		if s := &t.slots[i]; s.hash == hash && t.keys[s.id] == key {
			return s.id
		}
	}
	return NoKey
}

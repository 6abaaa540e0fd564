package otelline

import (
	mathbits "math/bits"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// Attributes are the attributes of one record, looked through once: which of
// them have keys of the table, which keys are repeated, which stand as fields
// of the line. It is made to be used again for the next record.
type Attributes struct {
	table    *KeyTable
	list     []keyValue        // keys as they are written, in valid UTF-8
	used     int               // of list since the last Reset
	others   []attribute.Value // those that are no scalars
	places   []place           // by place in list
	repeated []bool            // by place in list; nil as long as no key is
	first    []int32           // by KeyID: place of the first occurrence, if present; below 0: of inGroups, from -1 down
	present  []uint64          // bits by KeyID
	own      [NumFields]int32  // place of the attribute that stands as the field, or -1
	owns     uint32            // bits of the fields that an attribute stands as
	filter   keyFilter
	indexed  []string // the keys of which all these tell; since a Reset, kept has them
	kept     keptKeys
	another  bool // one was read since the Reset
	shape    uint64
	keys     *knownKeys
	groups   []group // each in front of those inside of it
	inGroups []groupValue
}

// place is what is known of the key at a place in the list.
type place struct {
	id    KeyID
	plain bool // jsonline.IsPlain
}

// knownKeys are keys of earlier records: what is to be known of a key costs
// more than to see that it is one of them. A record has a dozen, and those of the
// next record are mostly the same.
type knownKeys [128]knownKey

type knownKey struct {
	hash uint64
	text []byte // plain; of a memory of its own, which the next key uses again
	id   KeyID
}

// maxKnownKey is the length of the longest key that is remembered.
const maxKnownKey = 128

func (k *knownKeys) slot(hash uint64) *knownKey { return &k[hash>>57] }

// other is where a key goes that another one drives out of its slot.
func (k *knownKeys) other(hash uint64) *knownKey { return &k[hash>>57^1] }

// keyFilter is a Bloom filter with one hash for the keys of one record: most
// records repeat none, and that should cost next to nothing to find out.
type keyFilter [8]uint64

// add reports whether hash may have been added before.
func (f *keyFilter) add(hash uint64) bool {
	word, bit := &f[hash>>6&7], uint64(1)<<(hash&63)
	seen := *word&bit != 0
	*word |= bit
	return seen
}

// fieldBits are the bits of all fields.
const fieldBits = 1<<NumFields - 1

var noOwn = func() (own [NumFields]int32) {
	for f := range own {
		own[f] = -1
	}
	return own
}()

// manyAttributes is the number of attributes from which repeated keys are
// looked for with a map: comparing all with all would be quadratic.
const manyAttributes = 64

// NewAttributes returns empty Attributes that know the keys of table.
func NewAttributes(table *KeyTable) *Attributes {
	return &Attributes{
		table:   table,
		first:   make([]int32, table.Len()),
		present: make([]uint64, (table.Len()+63)/64),
		keys:    new(knownKeys),
	}
}

// Read looks through the attributes of r, as replace gives them back; nil
// replaces none. Those that come back without a key are left out.
func (a *Attributes) Read(r *sdklog.Record, replace func(attribute.KeyValue) attribute.KeyValue) {
	a.Begin()
	r.WalkAttributes(func(kv attribute.KeyValue) bool {
		a.AddAny(kv)
		return true
	})
	a.Finish(replace)
}

// ReadList is Read for attributes that no record of the SDK holds.
func (a *Attributes) ReadList(list []attribute.KeyValue, replace func(attribute.KeyValue) attribute.KeyValue) {
	a.Begin()
	for _, kv := range list {
		a.AddAny(kv)
	}
	a.Finish(replace)
}

// Finish looks through the attributes that were added since Begin, as Read
// says.
func (a *Attributes) Finish(replace func(attribute.KeyValue) attribute.KeyValue) {
	if replace != nil {
		all := a.list
		a.used = max(a.used, len(all))
		a.list = all[:0] // none comes back as two, so this stays behind what is read
		for i := range all {
			kv := replace(attribute.KeyValue{Key: attribute.Key(all[i].key), Value: a.Any(all[i].value)})
			if kv.Valid() {
				a.AddAny(kv)
			}
		}
	}
	a.index()
}

// Reset lets go of everything that was read.
func (a *Attributes) Reset() {
	a.Begin()
	clear(a.list[:a.used])
	if len(a.indexed) > 0 {
		a.kept.keep(a.indexed)
	}
	clear(a.indexed[:min(a.used, cap(a.indexed))]) // also those of a longer record before the last one
	a.used, a.indexed, a.another = 0, a.indexed[:0], false
	if cap(a.list) > maxKeptAttributes {
		// Who keeps a for the next record is not to hold the memory of this one.
		a.list, a.others, a.places, a.repeated, a.indexed = nil, nil, nil, nil, nil
		a.kept.forget()
	}
}

// maxKeptAttributes is how many attributes there is memory for after a Reset.
const maxKeptAttributes = 4096

// Begin makes a ready for the next record. What the last one holds is not let go
// of: to clear it for each record, with the garbage collector looking, takes
// longer than to find repeated keys.
func (a *Attributes) Begin() {
	a.used = max(a.used, len(a.list))
	a.list = a.list[:0]
	if len(a.others) > 0 {
		clear(a.others)
		a.others = a.others[:0]
		a.leaveGroups()
	}
}

func (a *Attributes) index() {
	if len(a.groups) > 0 {
		a.leaveGroups()
	}
	if !a.hasKeysOfLast() {
		a.indexKeys()
	}
	a.own, a.owns = noOwn, 0
	for bits := uint32(a.present[0]) & fieldBits; bits != 0; bits &= bits - 1 { //nolint:gosec // the fields have the first numbers
		f := Field(mathbits.TrailingZeros32(bits)) //nolint:gosec // few
		if a.Has(KeyID(f)) && !a.isRepeated(int(a.first[f])) && a.fits(f, a.list[a.first[f]].value) {
			a.own[f] = a.first[f]
			a.owns |= 1 << f
		}
	}
	if len(a.others) > 0 {
		a.readGroups()
	}
}

// hasKeysOfLast reports whether the keys are those of the record before, in the
// same order: then all that is known of them holds for these.
func (a *Attributes) hasKeysOfLast() bool {
	switch {
	case len(a.list) == 0:
		return false
	case len(a.indexed) == 0:
		same := a.kept.are(a.list)
		if same && a.another {
			// To compare with strings that are the same ones is faster still.
			for i := range a.list {
				a.indexed = append(a.indexed, a.list[i].key)
			}
		}
		a.another = true
		return same
	case len(a.list) != len(a.indexed):
		return false
	}
	for i := range a.list {
		if a.list[i].key != a.indexed[i] {
			return false
		}
	}
	return true
}

// Shape returns a number that is the same as long as records have the same keys
// in the same order, and 0 for a record some of whose keys are in maps.
func (a *Attributes) Shape() uint64 {
	if len(a.inGroups) > 0 {
		return 0
	}
	return a.shape
}

func (a *Attributes) indexKeys() {
	a.shape++
	a.places = a.places[:0]
	a.repeated = a.repeated[:0]
	a.indexed = a.indexed[:0]
	a.kept.forget()
	clear(a.present)
	a.filter = keyFilter{}
	var places map[string]int32
	if len(a.list) > manyAttributes {
		places = make(map[string]int32, len(a.list))
	}
	for i := range a.list {
		key := a.list[i].key
		hash := a.table.hash(key)
		var at place
		if known := a.keys.slot(hash); known.hash == hash && string(known.text) == key {
			at = place{known.id, true}
		} else {
			key, hash, at = a.learn(&a.list[i], hash)
		}
		if places != nil {
			if j, ok := places[key]; ok {
				a.repeat(int(j), i)
			} else {
				places[key] = int32(i) //nolint:gosec // a record holds fewer
			}
		} else if a.filter.add(hash) {
			for j := range a.list[:i] {
				if a.list[j].key == key {
					a.repeat(j, i)
					break
				}
			}
		}
		a.places = append(a.places, at)
		if id := at.id; id != NoKey && a.present[id>>6]&(1<<(id&63)) == 0 {
			a.present[id>>6] |= 1 << (id & 63)
			a.first[id] = int32(i) //nolint:gosec // a record holds fewer
		}
		a.indexed = append(a.indexed, key)
	}
}

// learn finds out what is to be known of the key of kv, which it puts into valid
// UTF-8.
func (a *Attributes) learn(kv *keyValue, hash uint64) (string, uint64, place) {
	key := kv.key
	if other := a.keys.other(hash); other.hash == hash && string(other.text) == key {
		return key, hash, place{other.id, true}
	}
	if !utf8.ValidString(key) {
		key = repair(key)
		kv.key = key
		hash = a.table.hash(key)
	}
	at := place{a.table.find(hash, key), jsonline.IsPlain(key)}
	if at.plain && len(key) <= maxKnownKey {
		known := a.keys.slot(hash)
		if len(known.text) > 0 {
			other := a.keys.other(hash)
			*known, *other = *other, *known
		}
		known.hash, known.text, known.id = hash, append(known.text[:0], key...), at.id
	}
	return key, hash, at
}

func (a *Attributes) repeat(i, j int) {
	for len(a.repeated) < len(a.list) {
		a.repeated = append(a.repeated, false)
	}
	a.repeated[i], a.repeated[j] = true, true
}

func (a *Attributes) isRepeated(i int) bool { return len(a.repeated) > 0 && a.repeated[i] }

// Has reports whether the key with that number is there, or in a map.
func (a *Attributes) Has(id KeyID) bool { return a.present[id>>6]&(1<<(id&63)) != 0 }

// Get returns the value of the key with that number, of its first occurrence:
// among the attributes, or else in a map.
func (a *Attributes) Get(id KeyID) (v Value, ok bool) {
	if !a.Has(id) {
		return Value{}, false
	}
	if i := a.first[id]; i < 0 {
		return a.inGroups[-i-1].value, true
	}
	return a.list[a.first[id]].value, true
}

// HasAny reports whether one of the keys whose bits are set in mask is there.
func (a *Attributes) HasAny(mask []uint64) bool {
	for i, m := range mask {
		if a.present[i]&m != 0 {
			return true
		}
	}
	return false
}

// HasUID reports whether the record has a log.record.uid, whatever its type.
func (a *Attributes) HasUID() bool {
	return a.Has(uidKey)
}

// UID returns the log.record.uid of the record if it is a text, else "".
func (a *Attributes) UID() string {
	v, ok := a.Get(uidKey)
	if !ok || v.Type() != attribute.STRING {
		return ""
	}
	return v.AsString()
}

// HasOwnKey reports whether there is an attribute with the key of f, whatever its
// type.
func (a *Attributes) HasOwnKey(f Field) bool { return a.Has(KeyID(f)) }

// Owns reports whether an attribute stands as f itself.
func (a *Attributes) Owns(f Field) bool { return a.owns&(1<<f) != 0 }

// Own returns the attribute that stands as f itself.
func (a *Attributes) Own(f Field) (v Value, ok bool) {
	if a.own[f] < 0 {
		return Value{}, false
	}
	return a.list[a.own[f]].value, true
}

// Disown sets an attribute that stands as f aside, into the envelope.
func (a *Attributes) Disown(f Field) {
	a.own[f] = -1
	a.owns &^= 1 << f
}

// stands reports whether the attribute at place i is written at the top level
// of the line, as a field or under its own key.
func (a *Attributes) stands(i int) bool {
	switch id := a.places[i].id; {
	case a.isRepeated(i):
		return false
	case id < firstReserved:
		return a.own[id] == int32(i) //nolint:gosec // a record holds fewer
	default:
		return id >= uidKey // NoKey is the largest
	}
}

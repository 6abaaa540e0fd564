package jsonline

import (
	"encoding/binary"
	"math/bits"
)

// Keys is a set of keys to find among the members of objects. It is safe for
// concurrent use.
type Keys struct {
	keys []string
	// slots is a hash table, at most a quarter full: by hash, one more than the
	// index of the key. A key whose slot is taken is in the next free one.
	slots [256]uint8
	seed  uint32
}

// manySeeds is how many seeds are tried for a table in which every key has its
// own slot. Keys of one length that begin and end alike never have.
const manySeeds = 1000

// NewKeys makes a set of at most 64 keys, none of which needs an escape.
func NewKeys(keys ...string) *Keys {
	k := &Keys{keys: keys}
	for k.seed = range uint32(manySeeds) {
		if k.place() {
			break
		}
	}
	return k
}

// place fills the table and reports whether every key has its own slot.
func (k *Keys) place() bool {
	clear(k.slots[:])
	alone := true
	for i, key := range k.keys {
		slot := k.hash([]byte(key))
		for ; k.slots[slot] != 0; slot++ {
			alone = false
		}
		k.slots[slot] = uint8(i + 1) //nolint:gosec // at most 64
	}
	return alone
}

// hash looks at the length and at two bytes: enough for the few keys of a set,
// and the same work for every key of a line.
func (k *Keys) hash(key []byte) uint8 {
	if len(key) == 0 {
		return 0
	}
	h := uint32(len(key)) | uint32(key[0])<<8 | uint32(key[len(key)-1])<<16 //nolint:gosec // a hash
	return uint8((h * (k.seed*2 + 0x9e3779b1)) >> 24)                       //nolint:gosec // a hash
}

// Find returns the index of key, -1 if it is not in the set.
func (k *Keys) Find(key []byte) int {
	for slot := k.hash(key); ; slot++ {
		i := int(k.slots[slot]) - 1
		if i < 0 || k.keys[i] == string(key) {
			return i
		}
	}
}

// Scan checks that text is a JSON object, white space around it allowed, and
// sets values[i] to the raw value of the i-th key, nil where the object does
// not have it. Of a key that occurs more than once the last value counts, and a
// key written with escapes is the same key. values must have a place for each
// key. It does not allocate unless a key is written with escapes.
//
// It is EachMember for the hot path of reading: one pass without calls for
// each member over what writers usually produce, and EachMember for all else
// and for the reason of an error.
func (k *Keys) Scan(text []byte, values [][]byte) error {
	clear(values)
	if k.scanFast(text, values) {
		return nil
	}
	clear(values)
	return EachMember(text, func(key, value []byte) bool {
		if i := k.Find(Unescaped(nil, key)); i >= 0 {
			values[i] = value
		}
		return true
	})
}

// maxUsualDepth is the nesting that fits the bit stack of scanUsual.
const maxUsualDepth = 63

// scanUsual does what Scan does, but reports false without a reason for what
// is not a JSON object, and also for objects that are rare: nested deeper than
// maxUsualDepth, or with an escape in a key.
func (k *Keys) scanFast(text []byte, values [][]byte) bool {
	var (
		i     = skipSpaceFast(text, 0)
		open  uint64 // bit stack of what is open around i: 1 an object, 0 an array
		depth int
		// Of the member of the object itself that i is in: the index of its
		// key, -1 if nobody asked for it, and where its value starts.
		wanted   = -1
		start    int
		keyStart int
	)
	if i >= len(text) || text[i] != '{' {
		return false
	}
	goto value

key: // A key starts at i, behind white space.
	if i >= len(text) || text[i] != '"' {
		return false
	}
	keyStart = i + 1
	if i = plainEnd(text, keyStart); i >= len(text) || text[i] != '"' {
		return false
	}
	if depth == 1 {
		wanted = k.Find(text[keyStart:i])
	}
	if i++; i < len(text) && text[i] != ':' {
		i = skipSpaceFast(text, i)
	}
	if i >= len(text) || text[i] != ':' {
		return false
	}
	if i++; i < len(text) && text[i] <= ' ' {
		i = skipSpaceFast(text, i)
	}
	if depth == 1 {
		start = i
	}

value: // A value starts at i, behind white space.
	if i >= len(text) {
		return false
	}
	switch c := text[i]; {
	case c == '"':
		if i = stringEnd(text, i+1); i < 0 {
			return false
		}
	case c == '-' || c-'0' < 10:
		if i = numberEnd(text, i); i < 0 {
			return false
		}
	case c == '{':
		if i++; i < len(text) && text[i] <= ' ' {
			i = skipSpaceFast(text, i)
		}
		if i < len(text) && text[i] == '}' {
			i++
			break
		}
		if depth == maxUsualDepth {
			return false
		}
		open = open<<1 | 1
		depth++
		goto key
	case c == '[':
		if i++; i < len(text) && text[i] <= ' ' {
			i = skipSpaceFast(text, i)
		}
		if i < len(text) && text[i] == ']' {
			i++
			break
		}
		if depth == maxUsualDepth {
			return false
		}
		open <<= 1
		depth++
		goto value
	default:
		if i = literalEnd(text, i); i < 0 {
			return false
		}
	}

	// A value ends before i.
	for {
		if depth == 1 && wanted >= 0 {
			values[wanted] = text[start:i]
			wanted = -1
		}
		if depth == 0 {
			return skipSpaceFast(text, i) == len(text)
		}
		if i < len(text) && text[i] <= ' ' {
			i = skipSpaceFast(text, i)
		}
		if i >= len(text) {
			return false
		}
		switch c := text[i]; {
		case c == ',':
			if i++; i < len(text) && text[i] <= ' ' {
				i = skipSpaceFast(text, i)
			}
			if open&1 != 0 {
				goto key
			}
			goto value
		case c == '}' && open&1 != 0, c == ']' && open&1 == 0:
			open >>= 1
			depth--
			i++
		default:
			return false
		}
	}
}

// skipUsualSpace is skipSpace in another shape, which the compiler inlines.
func skipSpaceFast(text []byte, i int) int {
	for i < len(text) && text[i] <= ' ' && spaces>>text[i]&1 != 0 {
		i++
	}
	return i
}

// spaces has a bit for each character that is white space in JSON.
const spaces = 1<<' ' | 1<<'\t' | 1<<'\n' | 1<<'\r'

const (
	eachByte = 0x0101010101010101
	highBits = 0x8080808080808080
)

// plainEnd returns the index of the first quote, backslash or control from i
// on, len(text) if there is none. It looks at eight bytes at a time.
func plainEnd(text []byte, i int) int {
	for i+8 <= len(text) {
		w := binary.LittleEndian.Uint64(text[i:])
		// The lowest high bit that is set in one of these terms belongs to a
		// byte that is what the term looks for. Only above it may a borrow have
		// set one too many.
		quote := w ^ '"'*eachByte
		slash := w ^ '\\'*eachByte
		stop := ((quote-eachByte)&^quote | (slash-eachByte)&^slash | (w-' '*eachByte)&^w) & highBits
		if stop != 0 {
			return i + bits.TrailingZeros64(stop)/8
		}
		i += 8
	}
	for i < len(text) && text[i] != '"' && text[i] != '\\' && text[i] >= ' ' {
		i++
	}
	return i
}

// stringEnd returns the index after the closing quote of the string whose
// content starts at i. If there is none it returns ^j, of the index j where the string
// breaks the rules.
func stringEnd(text []byte, i int) int {
	for {
		i = plainEnd(text, i)
		switch {
		case i >= len(text) || text[i] < ' ':
			return ^i
		case text[i] == '"':
			return i + 1
		}
		if i = escapeEnd(text, i); i < 0 {
			return i
		}
	}
}

// escapeEnd returns the index after the escape at i, ^i if it is none.
func escapeEnd(text []byte, i int) int {
	if i+1 >= len(text) {
		return ^i
	}
	switch text[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
		if i+6 > len(text) || hexValue(text[i+2])|hexValue(text[i+3])|hexValue(text[i+4])|hexValue(text[i+5]) == 0xff {
			return ^i
		}
		return i + 6
	}
	return ^i
}

// numberEnd returns the index after the number that starts at i. If there is none it
// returns ^j, of the index j where a digit is missing.
func numberEnd(text []byte, i int) int {
	if text[i] == '-' {
		i++
	}
	if i >= len(text) || text[i]-'0' >= 10 {
		return ^i
	}
	if text[i] == '0' {
		i++
	} else {
		i = skipDigits(text, i)
	}
	if i < len(text) && text[i] == '.' {
		first := i + 1
		if i = skipDigits(text, first); i == first {
			return ^i
		}
	}
	if i < len(text) && text[i]|' ' == 'e' {
		if i++; i < len(text) && (text[i] == '+' || text[i] == '-') {
			i++
		}
		first := i
		if i = skipDigits(text, first); i == first {
			return ^i
		}
	}
	return i
}

// literalEnd returns the index behind true, false or null at i, -1 if it is
// none of them.
func literalEnd(text []byte, i int) int {
	rest := text[i:]
	switch {
	case len(rest) >= 4 && (string(rest[:4]) == "true" || string(rest[:4]) == "null"):
		return i + 4
	case len(rest) >= 5 && string(rest[:5]) == "false":
		return i + 5
	}
	return -1
}

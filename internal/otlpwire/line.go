package otlpwire

import (
	"encoding/binary"
	"unicode/utf8"

	"github.com/otelaudit/otelaudit/internal/jsonline"
	"github.com/otelaudit/otelaudit/internal/otelline"
)

// line is the line that is being added.
type line struct {
	raw     []byte
	members []member
	filter  keyFilter
	known   [numKeys]int32 // by keyID: one more than the place in members, 0 if it is not there
	env     envelope
	stack   []uint32 // tokens of the arrays and objects that are being written
}

// member is a member of a line. Its value is the token behind the key.
type member struct {
	key uint32 // token
	id  keyID
}

// keyID says which of the keys that mean something a key is.
type keyID int8

// The fields come first, under their own numbers.
const (
	keyTime = keyID(otelline.NumFields) + iota
	keyEvent
	keyTraceID
	keySpanID
	keyTraceFlags
	keyOtel
	keyUID
	keyForeignModel
	keyForeignInputTokens
	keyForeignOutputTokens
	keySessionID
	numKeys
	otherKey = keyID(-1)
)

var knownKeys = func() *jsonline.Keys {
	var names []string
	for f := range otelline.NumFields {
		names = append(names, f.Key())
	}
	return jsonline.NewKeys(append(names,
		otelline.KeyTime, otelline.KeyEvent, otelline.KeyTraceID, otelline.KeySpanID, otelline.KeyTraceFlags,
		otelline.KeyOtel, otelline.KeyUID,
		otelline.Model.ForeignKey(), otelline.InputTokens.ForeignKey(), otelline.OutputTokens.ForeignKey(),
		otelline.KeySessionID)...)
}()

func keyIDOf(key []byte) keyID {
	return keyID(knownKeys.Find(key)) //nolint:gosec // a few keys
}

// foreignKeys are the keys that fields get in records of foreign lines, by
// Field, where they are not the field's own.
var foreignKeys = [otelline.NumFields]keyID{
	otelline.Session:      keySessionID,
	otelline.Model:        keyForeignModel,
	otelline.InputTokens:  keyForeignInputTokens,
	otelline.OutputTokens: keyForeignOutputTokens,
}

// reset lets go of what was a big line.
func (l *line) reset() {
	l.raw = nil
	if cap(l.members)*8+cap(l.stack)*4 > maxKept {
		*l = line{}
	}
}

// manyMembers is the number of members from which repeated keys are left to the
// Decoder: comparing all with all would be quadratic.
const manyMembers = 256

// read takes the members of the object on the tape. It reports false for what is
// rare: keys that are written with escapes or not in UTF-8, repeated keys, and
// a great many of them.
func (l *line) read(raw []byte, tape *jsonline.Tape) bool {
	l.raw = raw
	l.members, l.stack = l.members[:0], l.stack[:0]
	l.filter = keyFilter{}
	l.known = [numKeys]int32{}
	for i := uint32(1); int(i) < len(tape.Tokens); {
		token := &tape.Tokens[i]
		key := raw[token.Start+1 : token.End-1]
		if len(l.members) == manyMembers || token.Marks&jsonline.Escaped != 0 || token.Marks == jsonline.Beyond && !utf8.Valid(key) {
			return false
		}
		if l.filter.add(raw, token) && l.has(key, tape) {
			return false
		}
		id := keyIDOf(key)
		l.members = append(l.members, member{i, id})
		if id != otherKey {
			l.known[id] = int32(len(l.members)) //nolint:gosec // fewer than tokens
		}
		i = tape.Tokens[i+1].Next
	}
	return true
}

// value returns the index of the token of a known key's value, 0 if the line
// does not have it.
func (l *line) value(id keyID) uint32 {
	if at := l.known[id]; at > 0 {
		return l.members[at-1].key + 1
	}
	return 0
}

// has reports whether key is among the members.
func (l *line) has(key []byte, tape *jsonline.Tape) bool {
	for _, m := range l.members {
		t := &tape.Tokens[m.key]
		if string(l.raw[t.Start+1:t.End-1]) == string(key) {
			return true
		}
	}
	return false
}

// keyFilter is a Bloom filter with one hash: few lines repeat a key, and that
// should cost next to nothing to find out.
type keyFilter [8]uint64

// add reports whether the key may have been added before. It looks at the key's
// length and its last eight bytes.
func (f *keyFilter) add(raw []byte, key *jsonline.Token) bool {
	var tail uint64
	end, n := int(key.End)-1, int(key.End-key.Start)-2
	switch {
	case n >= 8:
		tail = binary.LittleEndian.Uint64(raw[end-8:])
	case n > 0 && end >= 8:
		tail = binary.LittleEndian.Uint64(raw[end-8:]) >> (64 - 8*n)
	default: // at the very beginning of the line
		for i := range n {
			tail |= uint64(raw[end-n+i]) << (8 * i)
		}
	}
	hash := (tail + uint64(n)) * 0x9e3779b97f4a7c15 //nolint:gosec // a hash
	word, bit := &f[hash>>61], uint64(1)<<(hash>>55&63)
	seen := *word&bit != 0
	*word |= bit
	return seen
}

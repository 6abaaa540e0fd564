package jsonline

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// Tape is a JSON object, or another value, taken apart in one pass: a token for each key and each
// value, in the order of the text. Who needs all of a line walks the tokens
// and scans nothing a second time.
//
// The zero value is ready to use, and keeps its memory from text to text. It is
// not safe for concurrent use.
type Tape struct {
	// Tokens are those of the last text. The first one is the value itself.
	// Behind the token of an object come its members, a key and a value each,
	// behind that of an array its elements.
	Tokens []Token
	// Known are objects that were scanned before. Where one of them is in the
	// text again, byte for byte, it is not scanned but becomes one Opaque token:
	// an object ends where its braces end, so what begins with it holds it whole.
	// What is the same on many lines then costs a comparison.
	Known [][]byte
}

// Token is a key or a value.
type Token struct {
	Start, End uint32 // of the raw text, the quotes of a string included
	Next       uint32 // index of the first token behind this one and what it holds
	Kind       Kind
	Marks      Marks
}

// Marks says what is special in a string. Without any it stands for itself
// between its quotes.
type Marks uint8

const (
	// Escaped marks a string with escapes.
	Escaped Marks = 1 << iota
	// Beyond marks one with bytes above ASCII, which need not be valid UTF-8.
	Beyond
)

// Opaque is the kind of a token that is one of [Tape.Known].
const Opaque = Object + 1

// Scan takes text apart, white space around it allowed, and reports whether it
// is a JSON object. What is wrong with one that is not, EachMember tells.
// Nesting is limited by memory only.
func (t *Tape) Scan(text []byte) bool {
	i := skipSpaceFast(text, 0)
	return i < len(text) && text[i] == '{' && t.ScanValue(text)
}

// ScanValue is Scan for any JSON value.
func (t *Tape) ScanValue(text []byte) bool {
	t.Tokens = t.Tokens[:0]
	if len(text) > math.MaxUint32-1 {
		return false
	}
	const none = math.MaxUint32
	var (
		i        = skipSpaceFast(text, 0)
		tokens   = t.Tokens
		open     = uint32(none) // the token of what is open around i; its Next is that of what is open around it
		inObject bool
		marks    Marks
		token    *Token // filled in its place: it is faster than to copy it there
	)
	goto value

key: // A key starts at i, behind white space.
	if i >= len(text) || text[i] != '"' {
		return false
	}
	tokens = append(tokens, Token{})
	token = &tokens[len(tokens)-1]
	token.Start, token.Kind = at32(i), String
	if i, marks = stringMarks(text, i+1); i < 0 {
		return false
	}
	token.End, token.Next, token.Marks = at32(i), at32(len(tokens)), marks
	if i < len(text) && text[i] != ':' {
		i = skipSpaceFast(text, i)
	}
	if i >= len(text) || text[i] != ':' {
		return false
	}
	if i++; i < len(text) && text[i] <= ' ' {
		i = skipSpaceFast(text, i)
	}

value: // A value starts at i, behind white space.
	if i >= len(text) {
		return false
	}
	tokens = append(tokens, Token{})
	token = &tokens[len(tokens)-1]
	token.Start = at32(i)
	switch c := text[i]; {
	case c == '"':
		if i, marks = stringMarks(text, i+1); i < 0 {
			return false
		}
		token.Kind, token.Marks = String, marks
	case c == '-' || c-'0' < 10:
		if i = numberEnd(text, i); i < 0 {
			return false
		}
		token.Kind = NumberValue
	case c == '{' || c == '[':
		token.Kind = Array
		if c == '{' {
			if n := t.knownAt(text[i:]); n > 0 {
				i += n
				token.Kind = Opaque
				break
			}
			token.Kind = Object
		}
		if i++; i < len(text) && text[i] <= ' ' {
			i = skipSpaceFast(text, i)
		}
		if i < len(text) && text[i] == c+2 { // '}' is two behind '{', and ']' behind '['
			i++
			break
		}
		token.Next = open
		open, inObject = at32(len(tokens)-1), c == '{'
		if inObject {
			goto key
		}
		goto value
	default:
		if i = literalEnd(text, i); i < 0 {
			return false
		}
		token.Kind = Bool
		if c == 'n' {
			token.Kind = Null
		}
	}
	token.End, token.Next = at32(i), at32(len(tokens))

	// A value ends before i.
	for open != none {
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
			if inObject {
				goto key
			}
			goto value
		case c == '}' && inObject, c == ']' && !inObject:
			i++
			closed := &tokens[open]
			open = closed.Next
			closed.End, closed.Next = at32(i), at32(len(tokens))
			inObject = open != none && tokens[open].Kind == Object
		default:
			return false
		}
	}
	t.Tokens = tokens
	return skipSpaceFast(text, i) == len(text)
}

// at32 narrows an index of a text that Scan takes, or of its tokens, of which
// there are fewer than bytes.
func at32(i int) uint32 { return uint32(i) } //nolint:gosec // checked by Scan

// knownAt returns the length of the known object that text begins with, 0 if
// it begins with none.
func (t *Tape) knownAt(text []byte) int {
	for _, k := range t.Known {
		if len(k) <= len(text) && string(text[:len(k)]) == string(k) {
			return len(k)
		}
	}
	return 0
}

// stringMarks returns the index behind the closing quote of the string whose
// content starts at i, −1 if there is none, and what is special in it.
func stringMarks(text []byte, i int) (end int, marks Marks) {
	var beyond uint64
	for {
		// As plainEnd, which does not look for bytes above ASCII.
		for i+8 <= len(text) {
			w := binary.LittleEndian.Uint64(text[i:])
			quote := w ^ '"'*eachByte
			slash := w ^ '\\'*eachByte
			stop := ((quote-eachByte)&^quote | (slash-eachByte)&^slash | (w-' '*eachByte)&^w) & highBits
			if stop != 0 {
				n := bits.TrailingZeros64(stop) &^ 7
				beyond |= w & (1<<n - 1)
				i += n / 8
				goto special
			}
			beyond |= w
			i += 8
		}
		for i < len(text) && text[i] != '"' && text[i] != '\\' && text[i] >= ' ' {
			beyond |= uint64(text[i])
			i++
		}
		if i >= len(text) {
			return -1, 0
		}
	special:
		switch {
		case text[i] == '"':
			if beyond&highBits != 0 {
				marks |= Beyond
			}
			return i + 1, marks
		case text[i] < ' ':
			return -1, 0
		}
		if i = escapeEnd(text, i); i < 0 {
			return -1, 0
		}
		marks |= Escaped
	}
}

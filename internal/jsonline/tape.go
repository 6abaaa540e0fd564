package jsonline

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// Tape is a JSON object taken apart in one pass: a token for each key and each
// value, in the order of the text. Who needs all of a line walks the tokens
// and scans nothing a second time.
//
// The zero value is ready to use, and keeps its memory from text to text. It is
// not safe for concurrent use.
type Tape struct {
	// Tokens are those of the last text. The first one is the object itself.
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
	// Of a string: whether it has escapes, and whether it has bytes above ASCII,
	// which need not be valid UTF-8. With neither it stands for itself.
	Escaped, Beyond bool
}

// Opaque is the kind of a token that is one of [Tape.Known].
const Opaque = Object + 1

// Plain reports whether a string stands for itself between its quotes.
func (t *Token) Plain() bool { return !t.Escaped && !t.Beyond }

// Scan takes text apart, white space around it allowed, and reports whether it
// is a JSON object. What is wrong with one that is not, EachMember tells.
// Nesting is limited by memory only.
func (t *Tape) Scan(text []byte) bool {
	t.Tokens = t.Tokens[:0]
	if len(text) > math.MaxUint32-1 {
		return false
	}
	const none = math.MaxUint32
	var (
		i        = skipUsualSpace(text, 0)
		tokens   = t.Tokens
		open     = uint32(none) // the token of what is open around i; its Next is that of what is open around it
		inObject bool
		start    int
		token    Token
	)
	if i >= len(text) || text[i] != '{' {
		return false
	}
	goto value

key: // A key starts at i, behind white space.
	if i >= len(text) || text[i] != '"' {
		return false
	}
	start = i
	if token, i = stringToken(text, i); i < 0 {
		return false
	}
	token.Next = uint32(len(tokens)) + 1
	tokens = append(tokens, token)
	if i < len(text) && text[i] != ':' {
		i = skipUsualSpace(text, i)
	}
	if i >= len(text) || text[i] != ':' {
		return false
	}
	if i++; i < len(text) && text[i] <= ' ' {
		i = skipUsualSpace(text, i)
	}

value: // A value starts at i, behind white space.
	if i >= len(text) {
		return false
	}
	start = i
	switch c := text[i]; {
	case c == '"':
		if token, i = stringToken(text, i); i < 0 {
			return false
		}
	case c == '-' || c-'0' < 10:
		if i = numberEnd(text, i); i < 0 {
			return false
		}
		token = Token{Start: uint32(start), End: uint32(i), Kind: NumberValue}
	case c == '{' || c == '[':
		token = Token{Start: uint32(start), Kind: Array}
		if c == '{' {
			if n := t.knownAt(text[i:]); n > 0 {
				i += n
				token = Token{Start: uint32(start), End: uint32(i), Kind: Opaque}
				break
			}
			token.Kind = Object
		}
		if i++; i < len(text) && text[i] <= ' ' {
			i = skipUsualSpace(text, i)
		}
		if i < len(text) && text[i] == c+2 { // '}' is two behind '{', and ']' behind '['
			i++
			token.End = uint32(i)
			break
		}
		token.Next = open
		open, inObject = uint32(len(tokens)), token.Kind == Object
		tokens = append(tokens, token)
		if inObject {
			goto key
		}
		goto value
	default:
		if i = literalEnd(text, i); i < 0 {
			return false
		}
		token = Token{Start: uint32(start), End: uint32(i), Kind: Bool}
		if c == 'n' {
			token.Kind = Null
		}
	}
	token.Next = uint32(len(tokens)) + 1
	tokens = append(tokens, token)

	// A value ends before i.
	for open != none {
		if i < len(text) && text[i] <= ' ' {
			i = skipUsualSpace(text, i)
		}
		if i >= len(text) {
			return false
		}
		switch c := text[i]; {
		case c == ',':
			if i++; i < len(text) && text[i] <= ' ' {
				i = skipUsualSpace(text, i)
			}
			if inObject {
				goto key
			}
			goto value
		case c == '}' && inObject, c == ']' && !inObject:
			i++
			closed := &tokens[open]
			open = closed.Next
			closed.End, closed.Next = uint32(i), uint32(len(tokens))
			inObject = open != none && tokens[open].Kind == Object
		default:
			return false
		}
	}
	t.Tokens = tokens
	return skipUsualSpace(text, i) == len(text)
}

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

// stringToken returns the token of the string that starts at i, and the index
// behind it, −1 if it is none.
func stringToken(text []byte, i int) (t Token, end int) {
	t = Token{Start: uint32(i), Kind: String}
	var beyond uint64
	for i++; ; {
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
			return t, -1
		}
	special:
		switch {
		case text[i] == '"':
			t.End = uint32(i) + 1
			t.Beyond = beyond&highBits != 0
			return t, i + 1
		case text[i] < ' ':
			return t, -1
		}
		if i = escapeEnd(text, i); i < 0 {
			return t, -1
		}
		t.Escaped = true
	}
}

package jsonline

import "fmt"

// SyntaxError says where a text stops being what the scanner was asked for.
type SyntaxError struct {
	Offset int // byte offset in the scanned text
	Msg    string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%s at byte %d", e.Msg, e.Offset)
}

// Kind is the kind of a JSON value.
type Kind uint8

// The kinds of JSON values. Invalid is what does not start one.
const (
	Invalid Kind = iota
	Null
	Bool
	NumberValue
	String
	Array
	Object
)

// KindOf tells the kind of a raw value by its first byte.
func KindOf(value []byte) Kind {
	if len(value) == 0 {
		return Invalid
	}
	switch c := value[0]; {
	case c == '"':
		return String
	case c == '{':
		return Object
	case c == '[':
		return Array
	case c == 't' || c == 'f':
		return Bool
	case c == 'n':
		return Null
	case c == '-' || c >= '0' && c <= '9':
		return NumberValue
	}
	return Invalid
}

// EachMember visits the members of the JSON object that text is, white space
// around it allowed, in their order. key is the raw string literal with its
// quotes, value the raw value without the white space around it; both are
// parts of text. All of text is checked against RFC 8259 unless f returns
// false, which stops the scan where it is and returns nil. Members visited
// before a syntax error was met have been visited all the same. It does not
// allocate, and nesting is limited by memory only.
func EachMember(text []byte, f func(key, value []byte) bool) error {
	i := skipSpace(text, 0)
	if i == len(text) || text[i] != '{' {
		return &SyntaxError{i, "not a JSON object"}
	}
	i = skipSpace(text, i+1)
	if i < len(text) && text[i] == '}' {
		return end(text, i+1)
	}
	for {
		keyEnd, err := skipString(text, i)
		if err != nil {
			return err
		}
		key := text[i:keyEnd]
		if i = skipSpace(text, keyEnd); i == len(text) || text[i] != ':' {
			return unexpected(text, i, "':' after a key")
		}
		start := skipSpace(text, i+1)
		next, err := skipValue(text, start)
		if err != nil {
			return err
		}
		if !f(key, text[start:next]) {
			return nil
		}
		if i = skipSpace(text, next); i < len(text) && text[i] == '}' {
			return end(text, i+1)
		}
		if i == len(text) || text[i] != ',' {
			return unexpected(text, i, "',' or '}' after a member")
		}
		i = skipSpace(text, i+1)
	}
}

// EachElement visits the elements of the JSON array that text is, under the
// rules of EachMember.
func EachElement(text []byte, f func(value []byte) bool) error {
	i := skipSpace(text, 0)
	if i == len(text) || text[i] != '[' {
		return &SyntaxError{i, "not a JSON array"}
	}
	i = skipSpace(text, i+1)
	if i < len(text) && text[i] == ']' {
		return end(text, i+1)
	}
	for {
		start := i
		next, err := skipValue(text, start)
		if err != nil {
			return err
		}
		if !f(text[start:next]) {
			return nil
		}
		if i = skipSpace(text, next); i < len(text) && text[i] == ']' {
			return end(text, i+1)
		}
		if i == len(text) || text[i] != ',' {
			return unexpected(text, i, "',' or ']' after an element")
		}
		i = skipSpace(text, i+1)
	}
}

// Check returns nil if text is exactly one JSON value, white space around it
// allowed.
func Check(text []byte) error {
	i, err := skipValue(text, skipSpace(text, 0))
	if err != nil {
		return err
	}
	return end(text, i)
}

func end(text []byte, i int) error {
	if i = skipSpace(text, i); i != len(text) {
		return &SyntaxError{i, "more bytes after the JSON value"}
	}
	return nil
}

func unexpected(text []byte, i int, want string) error {
	if i >= len(text) {
		return &SyntaxError{len(text), "the JSON ends too early, expected " + want}
	}
	return &SyntaxError{i, fmt.Sprintf("expected %s, found %q", want, text[i])}
}

func skipSpace(text []byte, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\t' || text[i] == '\n' || text[i] == '\r') {
		i++
	}
	return i
}

// skipString returns the index after the string literal that starts at i.
func skipString(text []byte, i int) (int, error) {
	if i >= len(text) || text[i] != '"' {
		return i, unexpected(text, i, "a string")
	}
	next := stringEnd(text, i+1)
	if next >= 0 {
		return next, nil
	}
	at := ^next
	switch {
	case at >= len(text) || at+1 >= len(text) && text[at] == '\\', text[at] == '\\' && text[at+1] == 'u' && at+6 > len(text):
		return len(text), &SyntaxError{len(text), "the JSON ends inside a string"}
	case text[at] != '\\':
		return at, &SyntaxError{at, fmt.Sprintf("control character %#02x inside a string", text[at])}
	case text[at+1] == 'u':
		return at, &SyntaxError{at, "\\u escape without four hexadecimal digits"}
	}
	return at, &SyntaxError{at, fmt.Sprintf("unknown escape \\%c", text[at+1])}
}

// skipValue returns the index behind the value that starts at i. It keeps the
// open arrays and objects in a bit stack instead of recursing, so that no
// input exhausts the goroutine's stack.
func skipValue(text []byte, i int) (int, error) {
	var open nesting
	for {
		// A value starts at i.
		if i >= len(text) {
			return i, unexpected(text, i, "a value")
		}
		var err error
		switch c := text[i]; c {
		case '{':
			i = skipSpace(text, i+1)
			if i < len(text) && text[i] == '}' {
				i++
				break
			}
			open.push(true)
			if i, err = skipKey(text, i); err != nil {
				return i, err
			}
			continue
		case '[':
			i = skipSpace(text, i+1)
			if i < len(text) && text[i] == ']' {
				i++
				break
			}
			open.push(false)
			continue
		case '"':
			i, err = skipString(text, i)
		case 't':
			i, err = skipLiteral(text, i, "true")
		case 'f':
			i, err = skipLiteral(text, i, "false")
		case 'n':
			i, err = skipLiteral(text, i, "null")
		default:
			i, err = skipNumber(text, i)
		}
		if err != nil {
			return i, err
		}
		// A value ends at i: close what ends with it, or go to the next one.
		for {
			if open.depth == 0 {
				return i, nil
			}
			i = skipSpace(text, i)
			object := open.top()
			if i < len(text) && (object && text[i] == '}' || !object && text[i] == ']') {
				open.depth--
				i++
				continue
			}
			if i >= len(text) || text[i] != ',' {
				if object {
					return i, unexpected(text, i, "',' or '}' after a member")
				}
				return i, unexpected(text, i, "',' or ']' after an element")
			}
			i = skipSpace(text, i+1)
			if object {
				if i, err = skipKey(text, i); err != nil {
					return i, err
				}
			}
			break
		}
	}
}

// skipKey passes a key, its colon and the white space around it.
func skipKey(text []byte, i int) (int, error) {
	i, err := skipString(text, i)
	if err != nil {
		return i, err
	}
	if i = skipSpace(text, i); i >= len(text) || text[i] != ':' {
		return i, unexpected(text, i, "':' after a key")
	}
	return skipSpace(text, i+1), nil
}

func skipLiteral(text []byte, i int, literal string) (int, error) {
	if len(text)-i < len(literal) || string(text[i:i+len(literal)]) != literal {
		return i, unexpected(text, i, literal)
	}
	return i + len(literal), nil
}

func skipNumber(text []byte, i int) (int, error) {
	if i >= len(text) {
		return i, unexpected(text, i, "a value")
	}
	next := numberEnd(text, i)
	switch {
	case next >= 0:
		return next, nil
	case ^next == i:
		return i, unexpected(text, i, "a value")
	}
	return ^next, unexpected(text, ^next, "a digit")
}

func skipDigits(text []byte, i int) int {
	for i < len(text) && text[i] >= '0' && text[i] <= '9' {
		i++
	}
	return i
}

// nesting is a stack of bits: true for an object, false for an array. The
// first 64 levels need no memory of their own.
type nesting struct {
	depth int
	first uint64
	more  []uint64
}

func (n *nesting) push(object bool) {
	word, bit := n.depth/64-1, uint(n.depth%64) //nolint:gosec // never negative
	n.depth++
	w := &n.first
	if word >= 0 {
		if word == len(n.more) {
			n.more = append(n.more, 0)
		}
		w = &n.more[word]
	}
	if object {
		*w |= 1 << bit
	} else {
		*w &^= 1 << bit
	}
}

func (n *nesting) top() bool {
	at := n.depth - 1
	w := n.first
	if at >= 64 {
		w = n.more[at/64-1]
	}
	return w>>(uint(at)%64)&1 == 1 //nolint:gosec // never negative
}

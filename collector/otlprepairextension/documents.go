package otlprepairextension

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

var errOddUTF16 = errors.New("the body is UTF-16 with half a character at its end; send UTF-8")

// oneDocument returns a body as one JSON object, and of how many it was made: a
// body may hold several objects (JSON Lines, for example), or arrays of them. Their
// members follow each other in the one object, where the receiver takes each list
// that occurs more than once. Each has to be a request that is received at path.
func oneDocument(body []byte, path string) (document []byte, count int, err error) {
	several := make([]byte, 0, len(body))
	several = append(several, '{')
	add := func(object []byte) error {
		count++
		object = bytes.TrimSpace(object[1 : len(object)-1])
		if len(object) == 0 {
			return nil
		}
		if !holdsRequest(object, path) {
			return fmt.Errorf("JSON document %d of the body is no OTLP request of %.50q; send one request in a body", count, path)
		}
		if len(several) > 1 {
			several = append(several, ',')
		}
		several = append(several, object...)
		return nil
	}
	offset := 0
	for {
		rest := trimSpace(body[offset:])
		offset = len(body) - len(rest)
		if len(rest) == 0 {
			break
		}
		value := rest[:measure(rest).end]
		if err := jsonline.Check(value); err != nil {
			return nil, 0, notJSON(err, offset)
		}
		switch jsonline.KindOf(value) {
		case jsonline.Object:
			if len(trimSpace(rest[len(value):])) == 0 && count == 0 {
				return value, 1, nil
			}
			err = add(value)
		case jsonline.Array:
			eachErr := jsonline.EachElement(value, func(element []byte) bool {
				if jsonline.KindOf(element) != jsonline.Object {
					err = errNoRequest
				} else {
					err = add(element)
				}
				return err == nil
			})
			err = errors.Join(err, eachErr)
		default:
			err = errNoRequest
		}
		if err != nil {
			return nil, 0, err
		}
		offset += len(value)
	}
	if count == 0 {
		return nil, 0, errNoRequest
	}
	return append(several, '}'), count, nil
}

var errNoRequest = errors.New("the body is no OTLP request: it has to be a JSON object")

func notJSON(err error, offset int) error {
	if syntax, ok := errors.AsType[*jsonline.SyntaxError](err); ok {
		return fmt.Errorf("the body is not JSON at byte %d: %s", offset+syntax.Offset, syntax.Msg)
	}
	return fmt.Errorf("the body is not JSON: %w", err)
}

// holdsRequest reports whether members have a list of a request among them.
// Without one that is received at path, the receiver would take the document and
// keep nothing of it.
func holdsRequest(members []byte, path string) bool {
	for i := range signals {
		if !signals[i].takes(path) {
			continue
		}
		root := signals[i].request.Fields().Get(0)
		for _, name := range []string{root.JSONName(), string(root.Name())} {
			if bytes.Contains(members, []byte(`"`+name+`"`)) {
				return true
			}
		}
	}
	return false
}

const bom = "\uFEFF"

// trimSpace leaves out what may be before, between and behind documents: white
// space, byte order marks and the record separators of JSON text sequences.
func trimSpace(text []byte) []byte {
	for {
		rest := bytes.TrimPrefix(bytes.TrimLeft(text, " \t\r\n\x1e"), []byte(bom))
		if len(rest) == len(text) {
			return rest
		}
		text = rest
	}
}

// toUTF8 returns a body of UTF-16 in UTF-8. It is known by its byte order mark,
// or by the NUL beside the character it begins with, which no JSON has in UTF-8.
func toUTF8(body []byte) ([]byte, error) {
	var high int // index of a unit's higher byte
	switch {
	case bytes.HasPrefix(body, []byte{0xFF, 0xFE}):
		high = 1
	case bytes.HasPrefix(body, []byte{0xFE, 0xFF}):
		high = 0
	case len(body) >= 2 && body[0] != 0 && body[1] == 0:
		high = 1
	case len(body) >= 2 && body[0] == 0 && body[1] != 0:
		high = 0
	default:
		return body, nil
	}
	if len(body)%2 != 0 {
		return nil, errOddUTF16
	}
	text := make([]byte, 0, len(body))
	for i := 0; i < len(body); i += 2 {
		r := rune(body[i+high])<<8 | rune(body[i+1-high])
		if utf16.IsSurrogate(r) && i+2 < len(body) {
			if pair := utf16.DecodeRune(r, rune(body[i+2+high])<<8|rune(body[i+3-high])); pair != utf8.RuneError {
				r = pair
				i += 2
			}
		}
		if utf16.IsSurrogate(r) {
			text = fmt.Appendf(text, `\u%04x`, r) // half a pair, which only an escape can say
			continue
		}
		text = utf8.AppendRune(text, r)
	}
	return text, nil
}

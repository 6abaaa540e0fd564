package otlprepairextension

import (
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// meaning returns the value that raw means although it is not written as OTLP
// has it, with each of its digits; nil if that cannot be told.
func meaning(raw []byte) []byte {
	switch jsonline.KindOf(raw) {
	case jsonline.Bool:
		return member("boolValue", raw) // "value": true
	case jsonline.NumberValue:
		return number(string(raw))
	case jsonline.Object:
	default:
		return nil
	}
	var name string
	var value []byte
	members := 0
	if err := jsonline.EachMember(raw, func(key, v []byte) bool {
		members++
		name, value = jsonline.Unquote(key), v
		return members == 1
	}); err != nil || members != 1 {
		return nil
	}
	switch name {
	case "intValue", "int_value", "doubleValue", "double_value":
		if jsonline.KindOf(value) == jsonline.Null {
			// What JavaScript makes of NaN, and of infinities.
			return member("doubleValue", quote("NaN"))
		}
		return number(textOf(value))
	case "boolValue", "bool_value":
		if b := boolean(value); b != nil {
			return member("boolValue", b)
		}
	case "bytesValue", "bytes_value":
		if b := binary(value); b != nil {
			return member("bytesValue", b)
		}
	case "stringValue", "string_value":
		return textValue(value)
	}
	return nil
}

// number returns a whole number as an integer and any other as a double, if that
// holds each of its digits; nil if not.
func number(text string) []byte {
	text = strings.TrimSpace(text)
	switch text {
	case "NaN", "Infinity", "-Infinity":
		return member("doubleValue", quote(text))
	}
	d, ok := parseDecimal(text)
	if !ok {
		return nil
	}
	if whole, ok := d.integer(); ok {
		if _, err := strconv.ParseInt(whole, 10, 64); err == nil {
			return member("intValue", quote(whole))
		}
	}
	if double, ok := d.double(text); ok {
		return member("doubleValue", quote(double))
	}
	return nil
}

// whole returns the whole number that raw means, as a string; nil if none.
func whole(raw []byte) []byte {
	d, ok := parseDecimal(strings.TrimSpace(textOf(raw)))
	if !ok {
		return nil
	}
	text, ok := d.integer()
	if !ok {
		return nil
	}
	return quote(text)
}

// boolean returns true or false if raw is that as a text or as 1 or 0.
func boolean(raw []byte) []byte {
	switch strings.ToLower(textOf(raw)) {
	case "true", "1":
		return []byte("true")
	case "false", "0":
		return []byte("false")
	}
	return nil
}

// binary returns bytes in the alphabet and with the padding that the receiver
// takes. JSON of protobuf allows the other alphabet and no padding too.
func binary(raw []byte) []byte {
	text := textOf(raw)
	for _, spelling := range []*base64.Encoding{base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		if b, err := spelling.Strict().DecodeString(text); err == nil && spelling.EncodeToString(b) == text {
			return quote(base64.StdEncoding.EncodeToString(b))
		}
	}
	return nil
}

// textValue is the value whose text is raw: what it says, if it is a string.
func textValue(raw []byte) []byte { return member("stringValue", quote(textOf(raw))) }

// textOf returns what a string says, and of any other JSON each of its bytes. A
// string that says something no text can hold, half a surrogate pair, stays as it
// is written.
func textOf(raw []byte) string {
	if jsonline.KindOf(raw) != jsonline.String {
		return string(raw)
	}
	text := raw[1 : len(raw)-1]
	if strings.IndexByte(string(text), '\\') < 0 {
		return string(text)
	}
	said := jsonline.Unquote(raw)
	if strings.Contains(said, "\uFFFD") {
		return string(text)
	}
	return said
}

// quote returns a JSON string. Bytes that are not UTF-8 stay as they are, as the
// receiver leaves them.
func quote(text string) []byte {
	const digits = "0123456789abcdef"
	quoted := make([]byte, 0, len(text)+2)
	quoted = append(quoted, '"')
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"' || c == '\\':
			quoted = append(quoted, '\\', c)
		case c < ' ':
			quoted = append(quoted, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		default:
			quoted = append(quoted, c)
		}
	}
	return append(quoted, '"')
}

// member returns an object with one member.
func member(key string, value []byte) []byte {
	object := append([]byte{'{'}, quote(key)...)
	object = append(append(object, ':'), value...)
	return append(object, '}')
}

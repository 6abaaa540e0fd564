package otelline

import (
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// Keys of the wrappers of FORMAT.md section 3.
const (
	WrapInt    = "intValue"
	WrapDouble = "doubleValue"
	WrapBytes  = "bytesValue"
	WrapMap    = "kvlistValue"
)

// wrappedDepth is how much deeper than their map the values in a kvlistValue
// are.
const wrappedDepth = 4

func isWrapper(key string) bool {
	switch key {
	case WrapInt, WrapDouble, WrapBytes, WrapMap:
		return true
	}
	return false
}

// tooDeep stands for what is nested deeper than a reader would decode.
const tooDeep = "(left out: nested deeper than 10000 levels)"

const (
	// placeDepth is 1 plus the nesting around a value at the deepest place of a line:
	// in otel.scope.attributes, as a wrapper.
	placeDepth = 3 + wrappedDepth
	// MaxNesting is how many lists and maps in each other a value may have that is
	// written whole, wherever it is on the line.
	MaxNesting = jsonline.MaxDepth - placeDepth
)

// Fits reports whether a value is written whole, and not a text in place of a part
// that nests too deep. nesting is how many lists and maps it has in each other.
func Fits(v attribute.Value, nesting int) bool {
	// A map in its wrapper nests as deep as wrappedDepth lists.
	return nesting <= MaxNesting/wrappedDepth || nesting <= MaxNesting && fits(&v, placeDepth)
}

func fits(v *attribute.Value, depth int) bool {
	switch v.Type() {
	case attribute.SLICE:
		for _, e := range v.AsSlice() {
			if !fits(&e, depth+1) {
				return false
			}
		}
	case attribute.MAP:
		members, inside := v.AsMap(), depth+1
		if needsWrapper(members) {
			inside = depth + wrappedDepth
		}
		for i := range members {
			if !fits(&members[i].Value, inside) {
				return false
			}
		}
	case attribute.BOOLSLICE, attribute.INT64SLICE, attribute.FLOAT64SLICE, attribute.STRINGSLICE:
	default:
		return true
	}
	return depth < jsonline.MaxDepth
}

// appendValue appends the value of an attribute of a.
func (a *Attributes) appendValue(dst []byte, v Value) []byte {
	switch v.kind {
	case attribute.STRING:
		return jsonline.AppendString(dst, v.text)
	case attribute.INT64:
		return jsonline.AppendInt(dst, v.AsInt64())
	case attribute.FLOAT64:
		return jsonline.AppendFloat(dst, v.AsFloat64())
	case attribute.BOOL:
		return appendBool(dst, v.AsBool())
	case attribute.EMPTY:
		return append(dst, "null"...)
	}
	if groups := a.groupsOf(v); len(groups) > 0 {
		return appendGroup(dst, groups, 1)
	}
	return appendValue(dst, &a.others[v.place()], 1)
}

// appendValue appends v in the spelling of FORMAT.md section 3. depth is the
// number of arrays and maps around it.
func appendValue(dst []byte, v *attribute.Value, depth int) []byte {
	switch v.Type() {
	case attribute.STRING:
		return jsonline.AppendString(dst, v.AsString())
	case attribute.INT64:
		return jsonline.AppendInt(dst, v.AsInt64())
	case attribute.FLOAT64:
		return jsonline.AppendFloat(dst, v.AsFloat64())
	case attribute.BOOL:
		return appendBool(dst, v.AsBool())
	case attribute.EMPTY:
		return append(dst, "null"...)
	case attribute.BYTESLICE:
		return jsonline.AppendBytes(dst, v.AsByteSlice())
	}
	if depth >= jsonline.MaxDepth {
		return jsonline.AppendString(dst, tooDeep)
	}
	switch v.Type() {
	case attribute.BOOLSLICE:
		return appendSlice(dst, v.AsBoolSlice(), appendBool)
	case attribute.INT64SLICE:
		return appendSlice(dst, v.AsInt64Slice(), jsonline.AppendInt)
	case attribute.FLOAT64SLICE:
		return appendSlice(dst, v.AsFloat64Slice(), jsonline.AppendFloat)
	case attribute.STRINGSLICE:
		return appendSlice(dst, v.AsStringSlice(), jsonline.AppendString)
	case attribute.SLICE:
		return appendSlice(dst, v.AsSlice(), func(dst []byte, e attribute.Value) []byte {
			return appendValue(dst, &e, depth+1)
		})
	case attribute.MAP:
		return appendMap(dst, v.AsMap(), depth)
	}
	// A type that this version of the API does not have. otlploghttp sends
	// the string INVALID for it; its text is more.
	return jsonline.AppendString(dst, v.String())
}

func appendBool(dst []byte, b bool) []byte {
	if b {
		return append(dst, "true"...)
	}
	return append(dst, "false"...)
}

func appendSlice[E any](dst []byte, list []E, appendElement func([]byte, E) []byte) []byte {
	dst = append(dst, '[')
	for i, e := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendElement(dst, e)
	}
	return append(dst, ']')
}

// appendMap appends a map: an object, or its wrapper if an object would be
// misread.
func appendMap(dst []byte, members []attribute.KeyValue, depth int) []byte {
	return appendMembers(dst, members, nil, depth)
}

// appendGroup appends the map that groups begin with.
func appendGroup(dst []byte, groups []group, depth int) []byte {
	return appendMembers(dst, groups[0].members, groups[1:], depth)
}

// appendMembers is appendMap if groups are what some members were read as.
func appendMembers(dst []byte, members []attribute.KeyValue, groups []group, depth int) []byte {
	if needsWrapper(members) {
		dst = append(dst, `{"kvlistValue":{"values":[`...)
		for i, m := range members {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = jsonline.AppendString(append(dst, `{"key":`...), string(m.Key))
			dst, groups = appendMember(append(dst, `,"value":`...), &m.Value, i, groups, depth+wrappedDepth)
			dst = append(dst, '}')
		}
		return append(dst, "]}}"...)
	}
	dst = append(dst, '{')
	for i, m := range members {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsonline.AppendString(dst, string(m.Key))
		dst, groups = appendMember(append(dst, ':'), &m.Value, i, groups, depth+1)
	}
	return append(dst, '}')
}

// appendMember appends the value of the member at place i, and returns the groups
// behind it.
func appendMember(dst []byte, v *attribute.Value, i int, groups []group, depth int) ([]byte, []group) {
	if len(groups) == 0 || groups[0].place != i {
		return appendValue(dst, v, depth), groups
	}
	behind := 1 + groups[0].inside
	return appendGroup(dst, groups[:behind], depth), groups[behind:]
}

func needsWrapper(members []attribute.KeyValue) bool {
	if len(members) == 1 {
		return isWrapper(string(members[0].Key))
	}
	// The members of a map value are sorted, so equal keys are neighbours,
	// unless the repair of invalid UTF-8 makes them equal. Those of
	// otel.attributes are in their own order.
	if len(members) <= 8 {
		for i, m := range members {
			if !utf8.ValidString(string(m.Key)) {
				return hasRepeatedKey(members)
			}
			for _, other := range members[:i] {
				if m.Key == other.Key {
					return true
				}
			}
		}
		return false
	}
	return hasRepeatedKey(members)
}

func hasRepeatedKey(members []attribute.KeyValue) bool {
	seen := make(map[string]struct{}, len(members))
	for _, m := range members {
		key := repair(string(m.Key))
		if _, ok := seen[key]; ok {
			return true
		}
		seen[key] = struct{}{}
	}
	return false
}

// repair replaces each byte of s outside valid UTF-8 by one U+FFFD, as
// jsonline.AppendString writes it.
func repair(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}

package otlpwire

import (
	"bytes"
	"encoding/base64"
	"slices"
	"unicode/utf8"

	"github.com/otelaudit/otelaudit/internal/jsonline"
	"github.com/otelaudit/otelaudit/internal/otelline"
)

// maxUsualDepth bounds the nesting of values that are written here, and so the
// depth of recursion.
const maxUsualDepth = 64

// keyText returns the text of a key that needs nothing done to it.
func (e *Encoder) keyText(i uint32) []byte {
	t := &e.tape.Tokens[i]
	return e.line.raw[t.Start+1 : t.End-1]
}

// textOf returns what the string that is token i stands for, nil if it is no
// string. It is valid until the next call.
func (e *Encoder) textOf(i uint32) []byte {
	t := &e.tape.Tokens[i]
	if t.Kind != jsonline.String {
		return nil
	}
	lit := e.line.raw[t.Start:t.End]
	if text := lit[1 : len(lit)-1]; t.Marks == 0 || t.Marks == jsonline.Beyond && utf8.Valid(text) {
		return text
	}
	e.scratch = jsonline.AppendUnquoted(e.scratch[:0], lit)
	return e.scratch
}

// attribute writes the KeyValue of the member whose key is token i, under the
// key key.
func (e *Encoder) attribute(tag byte, i uint32, key []byte, wrappers bool, depth int) bool {
	begun := e.w.size()
	if !e.value(i+1, wrappers, depth) {
		return false
	}
	e.w.message(keyValueValue, begun)
	e.w.nonEmpty(keyValueKey, key)
	e.w.message(tag, begun)
	return true
}

// value writes the AnyValue of token i, which has depth arrays and objects
// around it. With wrappers, those of FORMAT.md section 3 are interpreted.
func (e *Encoder) value(i uint32, wrappers bool, depth int) bool {
	t := &e.tape.Tokens[i]
	switch t.Kind {
	case jsonline.Null:
		return true
	case jsonline.Bool:
		e.w.bool(anyBool, e.line.raw[t.Start] == 't')
		return true
	case jsonline.String:
		e.w.text(anyString, e.textOf(i))
		return true
	case jsonline.NumberValue:
		lit := e.line.raw[t.Start:t.End]
		switch n := jsonline.ParseNumber(lit); n.Kind {
		case jsonline.Int:
			e.w.number(anyInt, uint64(n.Int)) //nolint:gosec // the same bits
		case jsonline.Float:
			e.w.double(anyDouble, n.Float)
		default:
			e.w.text(anyString, lit)
		}
		return true
	case jsonline.Array:
		return depth < maxUsualDepth && e.array(i, wrappers, depth)
	case jsonline.Object:
		return depth < maxUsualDepth && e.object(i, wrappers, depth)
	default: // Opaque
		return false
	}
}

func (e *Encoder) array(i uint32, wrappers bool, depth int) bool {
	begun := e.w.size()
	base := len(e.line.stack)
	for j := i + 1; j < e.tape.Tokens[i].Next; j = e.tape.Tokens[j].Next {
		e.line.stack = append(e.line.stack, j)
	}
	for j := len(e.line.stack) - 1; j >= base; j-- {
		element := e.w.size()
		if !e.value(e.line.stack[j], wrappers, depth+1) {
			return false
		}
		e.w.message(listValues, element)
	}
	e.line.stack = e.line.stack[:base]
	e.w.message(anyArray, begun)
	return true
}

// push puts the keys of the object that is token i onto the stack and returns
// where they begin there. It reports false for keys that are rare. Token 0 has
// none.
func (e *Encoder) push(i uint32) (base int, ok bool) {
	base = len(e.line.stack)
	if i == 0 {
		return base, true
	}
	for j := i + 1; j < e.tape.Tokens[i].Next; j = e.tape.Tokens[j+1].Next {
		if t := &e.tape.Tokens[j]; t.Marks&jsonline.Escaped != 0 || t.Marks == jsonline.Beyond && !utf8.Valid(e.keyText(j)) {
			return base, false
		}
		e.line.stack = append(e.line.stack, j)
	}
	return base, true
}

// object writes a map, or what a wrapper is.
func (e *Encoder) object(i uint32, wrappers bool, depth int) bool {
	begun := e.w.size()
	base, ok := e.push(i)
	if !ok {
		return false
	}
	keys := e.line.stack[base:]
	if wrappers && len(keys) == 1 {
		if done, ok := e.wrapper(keys[0]); done || !ok {
			e.line.stack = e.line.stack[:base]
			return ok
		}
	}
	e.sortKeys(keys)
	for j := len(keys) - 1; j >= 0; j-- {
		key := e.keyText(e.line.stack[base+j])
		if !e.attribute(listValues, e.line.stack[base+j], key, wrappers, depth+1) {
			return false
		}
		// Of a repeated key the last one counts.
		for j > 0 && string(e.keyText(e.line.stack[base+j-1])) == string(key) {
			j--
		}
	}
	e.line.stack = e.line.stack[:base]
	e.w.message(anyMap, begun)
	return true
}

// sortKeys brings the members of a map into the order that they have in an
// attribute.Value. What exporter writes is in it.
func (e *Encoder) sortKeys(keys []uint32) {
	for j := 1; j < len(keys); j++ {
		if string(e.keyText(keys[j-1])) > string(e.keyText(keys[j])) {
			slices.SortStableFunc(keys, func(a, b uint32) int { return bytes.Compare(e.keyText(a), e.keyText(b)) })
			return
		}
	}
}

var strictBase64 = base64.StdEncoding.Strict()

// wrapper writes the value of an object whose only key is token key, if it is a
// wrapper, and reports whether it is done. It is not ok if the Decoder is to
// decide.
func (e *Encoder) wrapper(key uint32) (done, ok bool) {
	name := string(e.keyText(key))
	switch name {
	case otelline.WrapInt, otelline.WrapDouble, otelline.WrapBytes:
	case otelline.WrapMap:
		return false, false
	default:
		return false, true
	}
	inner := &e.tape.Tokens[key+1]
	if inner.Kind != jsonline.String {
		return false, true
	}
	if inner.Marks != 0 {
		return false, false
	}
	text := e.keyText(key + 1)
	switch name {
	case otelline.WrapInt:
		n, ok := otelline.ParseIntWrapper(string(text))
		if ok {
			e.w.number(anyInt, uint64(n)) //nolint:gosec // the same bits
		}
		return ok, true
	case otelline.WrapDouble:
		f, ok := otelline.ParseDoubleWrapper(string(text))
		if ok {
			e.w.double(anyDouble, f)
		}
		return ok, true
	default:
		var err error
		if e.scratch, err = strictBase64.AppendDecode(e.scratch[:0], text); err == nil {
			e.w.text(anyBytes, e.scratch)
		}
		return err == nil, true
	}
}

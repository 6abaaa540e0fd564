package auditlog

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// valueEncoder writes Go values as FORMAT.md section 3 says. The zero value is
// ready to use, for one event.
type valueEncoder struct {
	// open are the maps, slices and pointers around the value being written:
	// one that is met inside itself would never end.
	open []reference
	// depth is the nesting of JSON around that value, the line not counted.
	depth int
	// most is the length that what is written to may get, 0 for any. full says that
	// something was left out because of it.
	most int
	full bool
}

// fits reports whether there is room for n more bytes behind dst.
func (enc *valueEncoder) fits(dst []byte, n int) bool {
	if enc.most > 0 && len(dst)+n > enc.most {
		enc.full = true
	}
	return !enc.full
}

// reference tells maps, slices and pointers apart. A slice is not the same as
// a longer one that starts at the same element.
type reference struct {
	address uintptr
	length  int
	typ     reflect.Type
}

const (
	// cyclic stands where a value would be written inside itself.
	cyclic = "(cyclic)"
	// wrapperDepth is how much deeper than an object its wrapper nests.
	wrapperDepth = 3
	// maxValueDepth leaves room for the line itself and for one wrapper.
	maxValueDepth = jsonline.MaxDepth - 1 - wrapperDepth
)

// enter notes that v is being written. If that cannot be done it writes what
// stands for v and reports false.
func (enc *valueEncoder) enter(dst []byte, v reflect.Value) ([]byte, bool) {
	ref := reference{typ: v.Type()}
	switch v.Kind() {
	case reflect.Slice:
		ref.address, ref.length = v.Pointer(), v.Len()
	case reflect.Map, reflect.Pointer:
		ref.address = v.Pointer()
	}
	if ref.address != 0 && slices.Contains(enc.open, ref) {
		return jsonline.AppendString(dst, cyclic), false
	}
	if enc.depth >= maxValueDepth {
		return append(dst, "null"...), false
	}
	enc.open = append(enc.open, ref)
	enc.depth++
	return dst, true
}

func (enc *valueEncoder) leave() {
	enc.open = enc.open[:len(enc.open)-1]
	enc.depth--
}

// appendValue appends v. The types of OpenTelemetry attributes come first:
// they are what programs log.
func (enc *valueEncoder) appendValue(dst []byte, v any) []byte {
	if !enc.fits(dst, 0) {
		return dst
	}
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...)
	case bool:
		return strconv.AppendBool(dst, v)
	case string:
		return enc.appendString(dst, v)
	case int:
		return jsonline.AppendInt(dst, int64(v))
	case int64:
		return jsonline.AppendInt(dst, v)
	case float64:
		return jsonline.AppendFloat(dst, v)
	case []byte:
		if v == nil {
			return append(dst, "null"...)
		}
		return enc.appendBytes(dst, v)
	case []string:
		if v == nil {
			return append(dst, "null"...)
		}
		return enc.appendStrings(dst, v)
	case map[string]any:
		if v == nil {
			return append(dst, "null"...)
		}
		return enc.appendMap(dst, v)
	case time.Time:
		return jsonline.AppendString(dst, v.Format(time.RFC3339Nano))
	case json.Number:
		return appendNumber(dst, v)
	}
	return enc.appendReflect(dst, reflect.ValueOf(v))
}

// appendString appends s if there is room for it: a line has all bytes of it.
func (enc *valueEncoder) appendString(dst []byte, s string) []byte {
	if !enc.fits(dst, len(s)) {
		return dst
	}
	return jsonline.AppendString(dst, s)
}

func (enc *valueEncoder) appendBytes(dst, b []byte) []byte {
	if !enc.fits(dst, len(b)) {
		return dst
	}
	return jsonline.AppendBytes(dst, b)
}

func (enc *valueEncoder) appendStrings(dst []byte, list []string) []byte {
	dst = append(dst, '[')
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst = enc.appendString(dst, s); enc.full {
			break
		}
	}
	return append(dst, ']')
}

// appendReflect appends a value of any other type. A type that says itself
// what it is as text is believed before its memory layout is looked at, as fmt
// does: time.Duration is 1.5s, url.URL its address.
func (enc *valueEncoder) appendReflect(dst []byte, v reflect.Value) []byte {
	if isNilValue(v) {
		return append(dst, "null"...)
	}
	// v.Interface cannot fail here: structs, whose unexported fields it would
	// fail for, are not looked into.
	switch x := v.Interface().(type) {
	case json.Marshaler:
		return enc.appendMarshaled(dst, x)
	case encoding.TextMarshaler:
		if text, ok := textOf(x); ok {
			return jsonline.AppendString(dst, text)
		}
		return jsonline.AppendString(dst, stringForm(x))
	case error, fmt.Stringer:
		return jsonline.AppendString(dst, stringForm(x))
	}
	switch v.Kind() {
	case reflect.Bool:
		return strconv.AppendBool(dst, v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return jsonline.AppendInt(dst, v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		if n := v.Uint(); n <= math.MaxInt64 {
			return jsonline.AppendInt(dst, int64(n)) //nolint:gosec // checked
		}
		// A reader would make a float64 of the number and lose digits.
		return jsonline.AppendString(dst, strconv.FormatUint(v.Uint(), 10))
	case reflect.Float32:
		// 0.1 stays 0.1, not the nearest float64 of the float32 0.1.
		text := strconv.FormatFloat(v.Float(), 'g', -1, 32)
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			f = v.Float()
		}
		return jsonline.AppendFloat(dst, f)
	case reflect.Float64:
		return jsonline.AppendFloat(dst, v.Float())
	case reflect.String:
		return enc.appendString(dst, v.String())
	case reflect.Pointer:
		dst, ok := enc.enter(dst, v)
		if !ok {
			return dst
		}
		defer enc.leave()
		return enc.appendElement(dst, v.Elem())
	case reflect.Slice, reflect.Array:
		return enc.appendList(dst, v)
	case reflect.Map:
		return enc.appendReflectMap(dst, v)
	case reflect.Struct:
		return enc.appendMarshaled(dst, v.Interface())
	}
	return jsonline.AppendString(dst, stringForm(v.Interface()))
}

func (enc *valueEncoder) appendList(dst []byte, v reflect.Value) []byte {
	if v.Type().Elem().Kind() == reflect.Uint8 && v.Kind() == reflect.Slice {
		return enc.appendBytes(dst, v.Bytes())
	}
	dst, ok := enc.enter(dst, v)
	if !ok {
		return dst
	}
	defer enc.leave()
	dst = append(dst, '[')
	for i := range v.Len() {
		if enc.full {
			break
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = enc.appendElement(dst, v.Index(i))
	}
	return append(dst, ']')
}

// appendElement appends what a list, map or pointer holds.
func (enc *valueEncoder) appendElement(dst []byte, v reflect.Value) []byte {
	return enc.appendValue(dst, v.Interface())
}

func (enc *valueEncoder) appendReflectMap(dst []byte, v reflect.Value) []byte {
	dst, ok := enc.enter(dst, v)
	if !ok {
		return dst
	}
	defer enc.leave()
	members := make([]member[reflect.Value], 0, v.Len())
	for it := v.MapRange(); it.Next(); {
		key := it.Key().Interface()
		members = append(members, member[reflect.Value]{
			key:     fmt.Sprintf("%T %#v", key, key), // tells apart what is written alike
			written: replaceInvalid(keyText(it.Key())),
			value:   it.Value(),
		})
	}
	return appendMembers(enc, dst, members, sortMembers(members), enc.appendElement)
}

func (enc *valueEncoder) appendMap(dst []byte, m map[string]any) []byte {
	dst, ok := enc.enter(dst, reflect.ValueOf(m))
	if !ok {
		return dst
	}
	defer enc.leave()
	var room [16]member[any]
	members, repeated := sortedMembers(room[:0], m)
	return appendMembers(enc, dst, members, repeated, enc.appendValue)
}

// appendMembers appends an object, or the wrapper of FORMAT.md section 3 when
// the object would read as one itself or would repeat a key.
func appendMembers[V any](enc *valueEncoder, dst []byte, members []member[V], repeated bool, appendValue func([]byte, V) []byte) []byte {
	if repeated || len(members) == 1 && isWrapper(members[0].written) {
		enc.depth += wrapperDepth
		defer func() { enc.depth -= wrapperDepth }()
		dst = append(dst, `{"kvlistValue":{"values":[`...)
		for i, m := range members {
			if enc.full {
				break
			}
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = enc.appendString(append(dst, `{"key":`...), m.written)
			dst = appendValue(append(dst, `,"value":`...), m.value)
			dst = append(dst, '}')
		}
		return append(dst, "]}}"...)
	}
	dst = append(dst, '{')
	for i, m := range members {
		if enc.full {
			break
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = enc.appendString(dst, m.written)
		dst = appendValue(append(dst, ':'), m.value)
	}
	return append(dst, '}')
}

// appendMarshaled appends what encoding/json makes of v, in the spelling of
// FORMAT.md.
func (enc *valueEncoder) appendMarshaled(dst []byte, v any) []byte {
	text, err := marshal(v)
	if err == nil {
		var tree any
		if tree, err = decodeTree(text); err == nil {
			return enc.appendValue(dst, tree)
		}
	}
	var unsupported *json.UnsupportedValueError
	if errors.As(err, &unsupported) && strings.HasPrefix(unsupported.Str, "encountered a cycle") {
		return jsonline.AppendString(dst, cyclic) // fmt would not come back
	}
	return jsonline.AppendString(dst, stringForm(v))
}

// marshal is json.Marshal, for types that may panic.
func marshal(v any) (text []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return json.Marshal(v)
}

// decodeTree is json.Unmarshal that keeps numbers as they are written.
func decodeTree(text []byte) (tree any, err error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	err = dec.Decode(&tree)
	return tree, err
}

func textOf(v encoding.TextMarshaler) (text string, ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	b, err := v.MarshalText()
	return string(b), err == nil
}

// appendNumber appends a JSON number in the spelling of FORMAT.md if a reader
// gets the same number back, else as a string.
func appendNumber(dst []byte, text json.Number) []byte {
	lit := []byte(text)
	if jsonline.KindOf(lit) != jsonline.NumberValue || jsonline.Check(lit) != nil {
		return jsonline.AppendString(dst, string(text))
	}
	n := jsonline.ParseNumber(lit)
	switch {
	case n.Kind == jsonline.Int:
		return jsonline.AppendInt(dst, n.Int)
	case n.Kind == jsonline.Float && (n.Float == 0 || bytes.ContainsAny(lit, ".eE")):
		return jsonline.AppendFloat(dst, n.Float)
	}
	return jsonline.AppendString(dst, string(text))
}

// stringForm is what fmt makes of v. fmt catches the panics of methods.
func stringForm(v any) string { return fmt.Sprintf("%+v", v) }

// keyText is the key of a JSON object for the key of a Go map, as
// encoding/json makes it, and for further types as fmt does.
func keyText(key reflect.Value) string {
	if key.Kind() == reflect.String {
		return key.String()
	}
	if m, ok := reflect.TypeAssert[encoding.TextMarshaler](key); ok && !isNilValue(key) {
		if text, ok := textOf(m); ok {
			return text
		}
	}
	return fmt.Sprint(key.Interface())
}

// isNil reports whether v is nil or a nil pointer, map, slice, channel or
// function.
func isNil(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case bool, string, int, int64, float64:
		return false
	default:
		return isNilValue(reflect.ValueOf(v))
	}
}

func isNilValue(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface, reflect.Chan, reflect.Func, reflect.UnsafePointer:
		return v.IsNil()
	}
	return false
}

// isWrapper reports whether an object with key as its only key has a meaning
// of its own in FORMAT.md section 3.
func isWrapper(key string) bool {
	switch key {
	case "intValue", "doubleValue", "bytesValue", "kvlistValue":
		return true
	}
	return false
}

// member is a member of a map: its key, what becomes of that on the line, and
// its value.
type member[V any] struct {
	key, written string
	value        V
}

// sortedMembers appends the members of m in the order of what is written, and
// tells whether two keys become the same.
func sortedMembers[V any](dst []member[V], m map[string]V) (members []member[V], repeated bool) {
	for key, value := range m {
		dst = append(dst, member[V]{key, replaceInvalid(key), value})
	}
	return dst, sortMembers(dst)
}

func sortMembers[V any](members []member[V]) (repeated bool) {
	slices.SortFunc(members, func(a, b member[V]) int {
		if c := strings.Compare(a.written, b.written); c != 0 {
			return c
		}
		return strings.Compare(a.key, b.key)
	})
	for i := 1; i < len(members); i++ {
		repeated = repeated || members[i-1].written == members[i].written
	}
	return repeated
}

// replaceInvalid replaces each byte of s outside valid UTF-8 by one U+FFFD.
func replaceInvalid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}

package otelline

import (
	"bytes"
	"encoding/base64"
	"errors"
	"math"
	"strconv"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

var errTooDeep = errors.New("a value is nested deeper than 10000 levels")

// parser turns the raw values of a line, which have passed the scanner, into
// attribute values. With wrappers, those of FORMAT.md section 3 are
// interpreted.
type parser struct {
	wrappers bool
}

// ParseJSON returns the value of a JSON text, without interpreting wrappers.
func ParseJSON(text []byte) (attribute.Value, error) {
	if err := jsonline.Check(text); err != nil {
		return attribute.Value{}, err
	}
	return parser{}.value(bytes.TrimSpace(text), 0)
}

func (p parser) value(lit []byte, depth int) (attribute.Value, error) {
	switch jsonline.KindOf(lit) {
	case jsonline.String:
		return attribute.StringValue(jsonline.Unquote(lit)), nil
	case jsonline.NumberValue:
		switch n := jsonline.ParseNumber(lit); n.Kind {
		case jsonline.Int:
			return attribute.Int64Value(n.Int), nil
		case jsonline.Float:
			return attribute.Float64Value(n.Float), nil
		default:
			return attribute.StringValue(string(lit)), nil
		}
	case jsonline.Bool:
		return attribute.BoolValue(lit[0] == 't'), nil
	case jsonline.Array:
		return p.array(lit, depth)
	case jsonline.Object:
		return p.object(lit, depth)
	default:
		return attribute.Value{}, nil // null
	}
}

func (p parser) array(lit []byte, depth int) (attribute.Value, error) {
	if depth >= jsonline.MaxDepth {
		return attribute.Value{}, errTooDeep
	}
	var list []attribute.Value
	var failure error
	err := jsonline.EachElement(lit, func(lit []byte) bool {
		var v attribute.Value
		v, failure = p.value(lit, depth+1)
		list = append(list, v)
		return failure == nil
	})
	return attribute.SliceValue(list...), errors.Join(err, failure)
}

func (p parser) object(lit []byte, depth int) (attribute.Value, error) {
	if p.wrappers {
		if v, ok, err := p.wrapper(lit, depth); ok || err != nil {
			return v, err
		}
	}
	members, err := p.members(lit, depth)
	return attribute.MapValue(members...), err
}

// members returns the members of an object; of a repeated key the last one.
func (p parser) members(lit []byte, depth int) ([]attribute.KeyValue, error) {
	if depth >= jsonline.MaxDepth {
		return nil, errTooDeep
	}
	var list []attribute.KeyValue
	var failure error
	err := jsonline.EachMember(lit, func(key, lit []byte) bool {
		var v attribute.Value
		v, failure = p.value(lit, depth+1)
		list = append(list, attribute.KeyValue{Key: attribute.Key(jsonline.Unquote(key)), Value: v})
		return failure == nil
	})
	if err := errors.Join(err, failure); err != nil {
		return nil, err
	}
	return lastOfEach(list), nil
}

// lastOfEach removes all but the last of the members with the same key.
func lastOfEach(list []attribute.KeyValue) []attribute.KeyValue {
	if !hasRepeatedKeyQuick(list) {
		return list
	}
	places := make(map[attribute.Key]int, len(list))
	kept := list[:0]
	for _, m := range list {
		if i, ok := places[m.Key]; ok {
			kept[i] = m
			continue
		}
		places[m.Key] = len(kept)
		kept = append(kept, m)
	}
	return kept
}

func hasRepeatedKeyQuick(list []attribute.KeyValue) bool {
	if len(list) > 16 {
		return hasRepeatedKey(list)
	}
	for i := range list {
		for j := range i {
			if list[i].Key == list[j].Key {
				return true
			}
		}
	}
	return false
}

// wrapper returns the value of an object that is a wrapper in exactly the form
// of FORMAT.md section 3, and whether it is one.
func (p parser) wrapper(lit []byte, depth int) (v attribute.Value, ok bool, err error) {
	var key, inner []byte
	n := 0
	scanErr := jsonline.EachMember(lit, func(k, val []byte) bool {
		key, inner = k, val
		n++
		return n < 2
	})
	if scanErr != nil || n != 1 {
		return v, false, scanErr
	}
	text := jsonline.KindOf(inner) == jsonline.String
	switch {
	case jsonline.KeyIs(key, WrapInt) && text:
		var n int64
		n, ok = ParseIntWrapper(jsonline.Unquote(inner))
		v = attribute.Int64Value(n)
	case jsonline.KeyIs(key, WrapDouble) && text:
		var f float64
		f, ok = ParseDoubleWrapper(jsonline.Unquote(inner))
		v = attribute.Float64Value(f)
	case jsonline.KeyIs(key, WrapBytes) && text:
		b, err := base64.StdEncoding.Strict().DecodeString(jsonline.Unquote(inner))
		v, ok = attribute.ByteSliceValue(b), err == nil
	case jsonline.KeyIs(key, WrapMap):
		members, ok, err := p.wrappedMembers(inner, depth)
		return attribute.MapValue(members...), ok, err
	}
	return v, ok, nil
}

// ParseIntWrapper returns what {"intValue":text} is. It accepts what only the
// wrapper can say: canonical decimals of 2^53 and more in size.
func ParseIntWrapper(text string) (int64, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n > -jsonline.MaxExactInt && n < jsonline.MaxExactInt {
		return 0, false
	}
	var canonical [20]byte
	return n, string(strconv.AppendInt(canonical[:0], n, 10)) == text
}

// ParseDoubleWrapper returns what {"doubleValue":text} is.
func ParseDoubleWrapper(text string) (float64, bool) {
	switch text {
	case "NaN":
		return math.NaN(), true
	case "Infinity":
		return math.Inf(1), true
	case "-Infinity":
		return math.Inf(-1), true
	}
	return 0, false
}

// wrappedMembers returns the members of {"values":[{"key":…,"value":…},…]}, in
// their order, repeated keys included, and whether lit has that form.
func (p parser) wrappedMembers(lit []byte, depth int) (list []attribute.KeyValue, ok bool, err error) {
	if jsonline.KindOf(lit) != jsonline.Object {
		return nil, false, nil
	}
	if depth >= jsonline.MaxDepth {
		return nil, false, errTooDeep
	}
	var values []byte
	n := 0
	err = jsonline.EachMember(lit, func(key, val []byte) bool {
		n++
		if jsonline.KeyIs(key, "values") {
			values = val
		}
		return true
	})
	if err != nil || n != 1 || jsonline.KindOf(values) != jsonline.Array {
		return nil, false, err
	}
	ok = true
	var failure error
	err = jsonline.EachElement(values, func(lit []byte) bool {
		var m attribute.KeyValue
		m, ok, failure = p.wrappedMember(lit, depth)
		list = append(list, m)
		return ok && failure == nil
	})
	return list, ok, errors.Join(err, failure)
}

func (p parser) wrappedMember(lit []byte, depth int) (m attribute.KeyValue, ok bool, err error) {
	if jsonline.KindOf(lit) != jsonline.Object {
		return m, false, nil
	}
	var key, val []byte
	n := 0
	err = jsonline.EachMember(lit, func(k, v []byte) bool {
		n++
		switch {
		case jsonline.KeyIs(k, "key"):
			key = v
		case jsonline.KeyIs(k, "value"):
			val = v
		}
		return true
	})
	if err != nil || n != 2 || jsonline.KindOf(key) != jsonline.String || val == nil {
		return m, false, err
	}
	m.Key = attribute.Key(jsonline.Unquote(key))
	m.Value, err = p.value(val, depth+wrappedDepth)
	return m, err == nil, err
}

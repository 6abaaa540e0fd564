package otelline

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"errors"
	"iter"
	"math"
	"strconv"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

var (
	errTooDeep = errors.New("a value is nested deeper than 10000 levels")
	errTooLong = errors.New("a value is longer than 4 GiB")
)

// parser turns the raw values of a line, which have passed the scanner, into
// attribute values. With wrappers, those of FORMAT.md section 3 are
// interpreted. An array or object is scanned once, with all that it holds:
// scanning each level anew would be quadratic in the depth.
type parser struct {
	wrappers bool
	text     []byte // what tape holds the tokens of
	tape     jsonline.Tape
}

// ParseJSON returns the value of a JSON text, without interpreting wrappers.
func ParseJSON(text []byte) (attribute.Value, error) {
	if err := jsonline.Check(text); err != nil {
		return attribute.Value{}, err
	}
	var p parser
	return p.value(bytes.TrimSpace(text), 0)
}

func (p *parser) value(lit []byte, depth int) (attribute.Value, error) {
	switch jsonline.KindOf(lit) {
	case jsonline.Array, jsonline.Object:
		if err := p.scan(lit); err != nil {
			return attribute.Value{}, err
		}
		return p.nested(0, depth)
	default:
		return scalar(lit), nil
	}
}

func scalar(lit []byte) attribute.Value {
	switch jsonline.KindOf(lit) {
	case jsonline.String:
		return attribute.StringValue(jsonline.Unquote(lit))
	case jsonline.NumberValue:
		switch n := jsonline.ParseNumber(lit); n.Kind {
		case jsonline.Int:
			return attribute.Int64Value(n.Int)
		case jsonline.Float:
			return attribute.Float64Value(n.Float)
		default:
			return attribute.StringValue(string(lit))
		}
	case jsonline.Bool:
		return attribute.BoolValue(lit[0] == 't')
	default:
		return attribute.Value{} // null
	}
}

// scan makes lit what the tokens are of.
func (p *parser) scan(lit []byte) error {
	if p.text = lit; p.tape.ScanValue(lit) {
		return nil
	}
	return cmp.Or(jsonline.Check(lit), errTooLong)
}

// raw returns the text of token i.
func (p *parser) raw(i uint32) []byte {
	t := &p.tape.Tokens[i]
	return p.text[t.Start:t.End]
}

// keys yields the tokens of the keys of object i. The value is the token
// behind the key.
func (p *parser) keys(i uint32) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for key := i + 1; key < p.tape.Tokens[i].Next; key = p.tape.Tokens[key+1].Next {
			if !yield(key) {
				return
			}
		}
	}
}

// elements yields the tokens of the elements of array i.
func (p *parser) elements(i uint32) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for e := i + 1; e < p.tape.Tokens[i].Next; e = p.tape.Tokens[e].Next {
			if !yield(e) {
				return
			}
		}
	}
}

// nested returns the value of token i, which has depth arrays and objects
// around it.
func (p *parser) nested(i uint32, depth int) (attribute.Value, error) {
	switch p.tape.Tokens[i].Kind {
	case jsonline.Array:
		return p.array(i, depth)
	case jsonline.Object:
		return p.object(i, depth)
	default:
		return scalar(p.raw(i)), nil
	}
}

func (p *parser) array(i uint32, depth int) (attribute.Value, error) {
	if depth >= jsonline.MaxDepth {
		return attribute.Value{}, errTooDeep
	}
	var list []attribute.Value
	for e := range p.elements(i) {
		v, err := p.nested(e, depth+1)
		if err != nil {
			return attribute.Value{}, err
		}
		list = append(list, v)
	}
	return attribute.SliceValue(list...), nil
}

func (p *parser) object(i uint32, depth int) (attribute.Value, error) {
	if p.wrappers {
		if v, ok, err := p.wrapper(i, depth); ok || err != nil {
			return v, err
		}
	}
	members, err := p.members(i, depth)
	if err != nil {
		return attribute.Value{}, err
	}
	return attribute.MapValue(members...), nil
}

// members returns the members of an object; of a repeated key the last one.
func (p *parser) members(i uint32, depth int) ([]attribute.KeyValue, error) {
	if depth >= jsonline.MaxDepth {
		return nil, errTooDeep
	}
	var list []attribute.KeyValue
	for key := range p.keys(i) {
		v, err := p.nested(key+1, depth+1)
		if err != nil {
			return nil, err
		}
		list = append(list, attribute.KeyValue{Key: attribute.Key(jsonline.Unquote(p.raw(key))), Value: v})
	}
	return lastOfEach(list), nil
}

// onlyKey returns the token of the key of an object with one member, 0 if it has
// another number of them.
func (p *parser) onlyKey(i uint32) uint32 {
	if end := p.tape.Tokens[i].Next; i+1 == end || p.tape.Tokens[i+2].Next != end {
		return 0
	}
	return i + 1
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
func (p *parser) wrapper(i uint32, depth int) (v attribute.Value, ok bool, err error) {
	only := p.onlyKey(i)
	if only == 0 {
		return v, false, nil
	}
	key, inner := p.raw(only), p.raw(only+1)
	text := p.tape.Tokens[only+1].Kind == jsonline.String
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
		members, ok, err := p.wrappedMembers(only+1, depth)
		if !ok || err != nil {
			return v, ok, err
		}
		return attribute.MapValue(members...), true, nil
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
// their order, repeated keys included, and whether object i has that form. The
// form is looked at before any value is parsed: to parse them twice, as what they
// are if it has the form and as what they are if not, would take twice the time
// with each level.
func (p *parser) wrappedMembers(i uint32, depth int) (list []attribute.KeyValue, ok bool, err error) {
	if p.tape.Tokens[i].Kind != jsonline.Object {
		return nil, false, nil
	}
	if depth >= jsonline.MaxDepth {
		return nil, false, errTooDeep
	}
	only := p.onlyKey(i)
	if only == 0 || !jsonline.KeyIs(p.raw(only), "values") || p.tape.Tokens[only+1].Kind != jsonline.Array {
		return nil, false, nil
	}
	for e := range p.elements(only + 1) {
		if _, _, ok := p.wrappedMember(e); !ok {
			return nil, false, nil
		}
	}
	for e := range p.elements(only + 1) {
		key, val, _ := p.wrappedMember(e)
		v, err := p.nested(val, depth+wrappedDepth)
		if err != nil {
			return nil, false, err
		}
		list = append(list, attribute.KeyValue{Key: attribute.Key(jsonline.Unquote(p.raw(key))), Value: v})
	}
	return list, true, nil
}

// wrappedMember returns the tokens of what is the key and of what is the value
// in {"key":…,"value":…}, and whether token i has that form.
func (p *parser) wrappedMember(i uint32) (key, val uint32, ok bool) {
	if p.tape.Tokens[i].Kind != jsonline.Object {
		return 0, 0, false
	}
	n := 0
	for k := range p.keys(i) {
		switch n++; {
		case n > 2:
			return 0, 0, false
		case jsonline.KeyIs(p.raw(k), "key"):
			key = k + 1
		case jsonline.KeyIs(p.raw(k), "value"):
			val = k + 1
		}
	}
	return key, val, key > 0 && val > 0 && p.tape.Tokens[key].Kind == jsonline.String
}

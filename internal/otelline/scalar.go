package otelline

import (
	"math"

	"go.opentelemetry.io/otel/attribute"
)

// Value is the value of an attribute of a record, as [Attributes] hold it. It is
// an attribute.Value of four words in place of six, which the compiler keeps in
// registers: that one it copies through memory each time, and so it costs more
// than to encode what it holds. A list, a map or bytes are in the Attributes.
type Value struct {
	kind attribute.Type
	bits uint64 // of a bool, an int64, a float64; else place, and of a map that is a group above it where that is, from 1 up
	text string
}

// StringValue returns the value of a string.
func StringValue(s string) Value { return Value{kind: attribute.STRING, text: s} }

// Int64Value returns the value of an int64.
func Int64Value(n int64) Value { return Value{kind: attribute.INT64, bits: uint64(n)} } //nolint:gosec // its bits

// Float64Value returns the value of a float64.
func Float64Value(f float64) Value {
	return Value{kind: attribute.FLOAT64, bits: math.Float64bits(f)}
}

// BoolValue returns the value of a bool.
func BoolValue(b bool) Value {
	v := Value{kind: attribute.BOOL}
	if b {
		v.bits = 1
	}
	return v
}

// Type returns the type of v.
func (v Value) Type() attribute.Type { return v.kind }

// AsString returns a string. Make sure of the type, as for the others.
func (v Value) AsString() string { return v.text }

// AsInt64 returns an int64.
func (v Value) AsInt64() int64 { return int64(v.bits) } //nolint:gosec // its bits

// AsFloat64 returns a float64.
func (v Value) AsFloat64() float64 { return math.Float64frombits(v.bits) }

// AsBool returns a bool.
func (v Value) AsBool() bool { return v.bits != 0 }

// place returns where in Attributes.others a list, a map or bytes are.
func (v Value) place() uint32 { return uint32(v.bits) } //nolint:gosec // the lower half

// keyValue is an attribute of a record.
type keyValue struct {
	key   string
	value Value
}

// Add adds an attribute with a scalar value, or without one.
func (a *Attributes) Add(key string, v Value) {
	if len(a.list) < cap(a.list) {
		a.list = a.list[:len(a.list)+1]
	} else {
		a.list = append(a.list, keyValue{})
	}
	kv := &a.list[len(a.list)-1] // field by field: a whole one would be put together elsewhere and copied
	kv.key = key
	kv.value = v
}

// AddAny adds an attribute with any value.
func (a *Attributes) AddAny(kv attribute.KeyValue) {
	v := Value{kind: kv.Value.Type()}
	switch v.kind {
	case attribute.STRING:
		v.text = kv.Value.AsString()
	case attribute.INT64:
		v = Int64Value(kv.Value.AsInt64())
	case attribute.FLOAT64:
		v = Float64Value(kv.Value.AsFloat64())
	case attribute.BOOL:
		v = BoolValue(kv.Value.AsBool())
	case attribute.EMPTY:
	default:
		v.bits = uint64(len(a.others))
		a.others = append(a.others, kv.Value)
	}
	a.Add(string(kv.Key), v)
}

// valueOf returns of as a value of a, as AddAny does for itself: for each attribute
// of a record, one more copy of what it holds costs a twentieth of all.
func (a *Attributes) valueOf(of *attribute.Value) Value {
	v := Value{kind: of.Type()}
	switch v.kind {
	case attribute.STRING:
		v.text = of.AsString()
	case attribute.INT64:
		v = Int64Value(of.AsInt64())
	case attribute.FLOAT64:
		v = Float64Value(of.AsFloat64())
	case attribute.BOOL:
		v = BoolValue(of.AsBool())
	case attribute.EMPTY:
	default:
		v.bits = uint64(len(a.others))
		a.others = append(a.others, *of)
	}
	return v
}

// Any returns v, which is of a, as an attribute.Value.
func (a *Attributes) Any(v Value) attribute.Value {
	switch v.kind {
	case attribute.STRING:
		return attribute.StringValue(v.text)
	case attribute.INT64:
		return attribute.Int64Value(v.AsInt64())
	case attribute.FLOAT64:
		return attribute.Float64Value(v.AsFloat64())
	case attribute.BOOL:
		return attribute.BoolValue(v.AsBool())
	case attribute.EMPTY:
		return attribute.Value{}
	default:
		return a.others[v.place()]
	}
}

// any returns the attribute at place i.
func (a *Attributes) any(i int) attribute.KeyValue {
	return attribute.KeyValue{Key: attribute.Key(a.list[i].key), Value: a.Any(a.list[i].value)}
}

package otelline

import (
	"math"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// Field is a key of the line that an attribute of the record may stand as, if
// its type allows that (FORMAT.md section 2). The values are in the order in
// which the line, and otel.derived, have them.
type Field uint8

// The fields.
const (
	Session Field = iota
	Cost
	Model
	InputTokens
	OutputTokens
	CacheReadTokens
	CacheWriteTokens
	CacheWriteHourTokens
	ReasoningTokens
	Files
	Reason
	Confidence
	Duration
	Config
	Tool
	Failed
	CallID
	NumFields
)

// Keys with a meaning of their own.
const (
	KeySession    = "session_id"
	KeySessionID  = "session.id" // OpenTelemetry's name of it
	KeyUID        = "log.record.uid"
	KeyTime       = "ts"
	KeyEvent      = "event"
	KeyTraceID    = "trace_id"
	KeySpanID     = "span_id"
	KeyTraceFlags = "trace_flags"
	KeyOtel       = "otel"
)

// KeySessionDefault stands in otel.derived behind the keys of fields where the
// session is a default. It is no key of the line.
const KeySessionDefault = "session_default"

var fieldKeys = [NumFields]string{ //nolint:gosec // tokens of models, no credentials
	Session:      KeySession,
	Cost:         "cost",
	Model:        "model",
	InputTokens:  "input_t",
	OutputTokens: "output_t",

	CacheReadTokens:      "cache_read_t",
	CacheWriteTokens:     "cache_write_t",
	CacheWriteHourTokens: "cache_write_1h_t",
	ReasoningTokens:      "reasoning_t",

	Files:      "files",
	Reason:     "reason",
	Confidence: "confidence",
	Duration:   "duration_ms",
	Config:     "config",
	Tool:       "tool",
	Failed:     "failed",
	CallID:     "call_id",
}

// Key returns the key of f on the line.
func (f Field) Key() string { return fieldKeys[f] }

// FieldOf returns the field whose key is key.
func FieldOf(key []byte) (Field, bool) {
	for f, k := range fieldKeys {
		if string(key) == k {
			return Field(f), true //nolint:gosec // NumFields is small
		}
	}
	return 0, false
}

// reservedKeys are the keys of the line that no attribute may stand as.
var reservedKeys = [...]string{KeyTime, KeyEvent, KeyTraceID, KeySpanID, KeyTraceFlags, KeyOtel}

func isReserved(key []byte) bool {
	for _, k := range reservedKeys {
		if string(key) == k {
			return true
		}
	}
	return false
}

// fits reports whether an attribute of a with the key of f and the value v stands
// as f itself.
func (a *Attributes) fits(f Field, v Value) bool {
	switch f {
	case Session:
		return v.Type() == attribute.STRING && v.AsString() != ""
	case Model, Reason, Tool:
		return v.Type() == attribute.STRING
	case Failed:
		return v.Type() == attribute.BOOL
	case CallID:
		return false // programs have keys of that name for calls of tools
	case Cost:
		switch v.Type() {
		case attribute.INT64:
			n := v.AsInt64()
			return n > -jsonline.MaxExactInt && n < jsonline.MaxExactInt
		case attribute.FLOAT64:
			c := v.AsFloat64()
			return !math.IsNaN(c) && !math.IsInf(c, 0)
		}
		return false
	case InputTokens, OutputTokens, CacheReadTokens, CacheWriteTokens, CacheWriteHourTokens, ReasoningTokens, Duration:
		return v.Type() == attribute.INT64 && v.AsInt64() >= 0 && v.AsInt64() < jsonline.MaxExactInt
	case Confidence:
		return v.Type() == attribute.INT64 && v.AsInt64() >= 0 && v.AsInt64() <= 100
	case Files:
		return a.IsStrings(v)
	case Config:
		return v.Type() == attribute.MAP
	}
	return false
}

// IsStrings reports whether of, which is of a, is a slice of any kind that is
// empty or holds only strings.
func (a *Attributes) IsStrings(of Value) bool {
	switch of.Type() {
	case attribute.STRINGSLICE:
		return true
	case attribute.BOOLSLICE, attribute.INT64SLICE, attribute.FLOAT64SLICE, attribute.SLICE:
	default:
		return false
	}
	v := a.Any(of)
	switch v.Type() {
	case attribute.BOOLSLICE:
		return len(v.AsBoolSlice()) == 0
	case attribute.INT64SLICE:
		return len(v.AsInt64Slice()) == 0
	case attribute.FLOAT64SLICE:
		return len(v.AsFloat64Slice()) == 0
	case attribute.SLICE:
		for _, e := range v.AsSlice() {
			if e.Type() != attribute.STRING {
				return false
			}
		}
		return true
	}
	return false
}

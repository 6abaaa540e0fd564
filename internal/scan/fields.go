package scan

import (
	"math"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// FiniteValue reads a number; 1 and 1.0 are the same. A string is no number.
func FiniteValue(value []byte) (float64, bool) {
	if jsonline.KindOf(value) != jsonline.NumberValue {
		return 0, false
	}
	switch n := jsonline.ParseNumber(value); n.Kind {
	case jsonline.Int:
		return float64(n.Int), true
	case jsonline.Float:
		return n.Float, true
	}
	return 0, false
}

// WholeValue reads a whole number from 0 to limit. JSON does not separate 42 from 42.0,
// and some writers only have floats.
func WholeValue(value []byte, limit int64) (int64, bool) {
	if jsonline.KindOf(value) != jsonline.NumberValue {
		return 0, false
	}
	n := jsonline.ParseNumber(value)
	if n.Kind == jsonline.Float && n.Float == math.Trunc(n.Float) && math.Abs(n.Float) < jsonline.MaxExactInt {
		n = jsonline.Number{Kind: jsonline.Int, Int: int64(n.Float)}
	}
	if n.Kind != jsonline.Int || n.Int < 0 || n.Int > limit {
		return 0, false
	}
	return n.Int, true
}

// Keys of attributes that readers use.
const (
	KeySpanMade = "otelaudit.span.name"      // an event that was made of a span has it
	keyParentID = "otelaudit.span.parent_id" // the parent of that span
	KeyUID      = "log.record.uid"           // FORMAT.md section 5
)

// IsString reports whether a raw value is the string s, after its escapes.
func IsString(value []byte, s string) bool {
	return jsonline.KindOf(value) == jsonline.String && jsonline.KeyIs(value, s)
}

// Fields are the raw values of the keys that readers use, nil where the line has no such
// key.
type Fields [fieldCount][]byte

// The indices of Fields. Ids of a response and of a request follow each other, and so do
// the maps that may hold one.
const (
	FieldTime = iota
	FieldEvent
	FieldSession
	FieldModel
	FieldTraceID
	FieldSpanID
	FieldCost
	FieldInput
	FieldOutput
	FieldCacheRead
	FieldCacheWrite
	FieldCacheWriteHour
	FieldReasoning
	FieldReason
	FieldConfidence
	FieldFailed
	FieldCallID
	FieldSpanMade
	FieldParentID
	FieldUID
	FieldOtel
	FieldTimestamp
	FieldResponseID
	FieldRequestID = FieldResponseID + 3
	FieldGenAI     = FieldRequestID + 2
)

// Maps that may hold an id.
const (
	FieldGenAIResponse = FieldGenAI + 1 + iota
	FieldGenAIRequest
	FieldAI
	FieldAIResponse
	// FieldCompleted is no key: it is not nil if FieldSession was completed.
	FieldCompleted
	fieldCount
)

// fieldKeys are in the order of the constants.
var fieldKeys = jsonline.NewKeys("ts", "event", "session_id", "model", "trace_id", "span_id",
	"cost", "input_t", "output_t", "cache_read_t", "cache_write_t", "cache_write_1h_t", "reasoning_t",
	"reason", "confidence", "failed", "call_id", KeySpanMade, keyParentID, KeyUID, "otel", "event.timestamp",
	"gen_ai.response.id", "ai.response.id", "response_id", "request_id", "gen_ai.request.id",
	"gen_ai", "gen_ai.response", "gen_ai.request", "ai", "ai.response")

// Scan fills f from a line and checks that the line is a JSON object. Of a key
// that occurs more than once the last value counts.
func (f *Fields) Scan(text []byte) error { return fieldKeys.Scan(text, f[:]) }

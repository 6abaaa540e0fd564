package scan

import (
	"math"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// finiteValue reads a number; 1 and 1.0 are the same. A string is none.
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

// wholeValue reads a whole number from 0 to limit. JSON does not tell 42 from
// 42.0, and some writers only know the second.
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

const (
	// keySpanMade is the attribute that an event made of a span has.
	KeySpanMade       = "otelaudit.span.name"
	KeyEventTimestamp = "event.timestamp"
)

func IsString(value []byte, s string) bool {
	return jsonline.KindOf(value) == jsonline.String && jsonline.KeyIs(value, s)
}

// A line may stand in a log more than once: a replay was sent twice, a folder
// was restored beside the one it came from. Two lines are one event if both have
// the same log.record.uid, a string that is not empty, and equal ts, event, cost
// and tokens. Times are compared as instants and costs as numbers. Lines without a
// uid are never taken for one event: two equal lines may be two equal calls.

// keyUID is otelline.KeyUID, FORMAT.md section 5.
const KeyUID = "log.record.uid"

// fields are the raw values of the keys that readers look at, nil where the
// line does not have them.
type Fields [fieldCount][]byte

const (
	FieldTime = iota
	FieldEvent
	FieldSession
	FieldModel
	FieldTraceID
	FieldCost
	FieldInput
	FieldOutput
	FieldReason
	FieldConfidence
	FieldSpanMade
	FieldUID
	fieldCount
)

// fieldKeys are in the order of the constants.
var fieldKeys = jsonline.NewKeys("ts", "event", "session_id", "model", "trace_id",
	"cost", "input_t", "output_t", "reason", "confidence", KeySpanMade, KeyUID)

// scan fills f from a line and checks that the line is a JSON object. Of a key
// that occurs more than once the last value counts.
func (f *Fields) Scan(text []byte) error { return fieldKeys.Scan(text, f[:]) }

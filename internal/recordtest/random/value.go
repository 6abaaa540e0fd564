package random

import (
	"math"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"pgregory.net/rapid"
)

// timeGen draws times that OTLP can say, and some that it cannot.
var timeGen = rapid.Custom(func(rt *rapid.T) time.Time {
	switch rapid.IntRange(0, 5).Draw(rt, "kind") {
	case 0:
		return time.Time{}
	case 1:
		return time.Unix(0, 0)
	case 2:
		return time.Unix(0, rapid.Int64().Draw(rt, "ns"))
	case 3:
		return time.Unix(rapid.Int64Range(-1<<40, 1<<40).Draw(rt, "s"), 1)
	}
	return time.Unix(0, rapid.Int64Range(0, math.MaxInt64).Draw(rt, "ns"))
})

// keyGen draws keys that mean something often: those of the line, of wrappers,
// of the aliases and of groups.
var keyGen = rapid.OneOf(
	rapid.SampledFrom([]string{
		"ts", "event", "session_id", "cost", "model", "input_t", "output_t", "cache_read_t", "reasoning_t", "tool", "failed", "call_id", "files", "reason", "confidence",
		"duration_ms", "config", "trace_id", "span_id", "trace_flags", "otel", "log.record.uid", "session.id",
	}),
	rapid.SampledFrom([]string{
		"intValue", "doubleValue", "bytesValue", "kvlistValue", "key", "value", "values", "a", "b",
	}),
	rapid.SampledFrom([]string{
		"event.name", "event.timestamp", "gen_ai.usage.input_tokens", "gen_ai.usage.cost.amount",
		"gen_ai.usage.cost.currency", "llm.cost.prompt", "llm.cost.completion", "cost_usd_micros",
		"langfuse.observation.cost_details", "duration", "task_id", "decision", "source", "file_path", "error",
		"gen_ai.response.model", "gen_ai.request.model", "latency_ms", "exception.message",
	}),
	// Names of groups and members that give aliases when they are joined.
	rapid.SampledFrom([]string{
		"gen_ai", "gen_ai", "gen_ai.usage", "usage", "cost", "amount", "currency", "usage.input_tokens", "input_tokens",
		"response", "error", "message", "file", "path", "session", "id",
	}),
	rapid.StringN(1, 12, 40),
)

func attributesGen(depth int) *rapid.Generator[[]attribute.KeyValue] {
	return rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) attribute.KeyValue {
		return attribute.KeyValue{
			Key:   attribute.Key(strings.ToValidUTF8(keyGen.Draw(rt, "key"), "?")),
			Value: valueGen(depth).Draw(rt, "value"),
		}
	}), 0, 8)
}

var (
	intGen = rapid.OneOf(
		rapid.Int64(), rapid.Int64Range(-3, 130),
		rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64, 1 << 53, 1<<53 - 1, -1 << 53, 1 - 1<<53}))
	floatGen = rapid.OneOf(
		rapid.Float64(), rapid.Map(rapid.Int64Range(-3, 130), func(n int64) float64 { return float64(n) }),
		rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), 1e300, 5e-324, 3e-6, 1 << 53}))
	textGen = rapid.Map(rapid.OneOf(
		rapid.String(),
		rapid.SampledFrom([]string{
			"", "0.25", " 12 ", "NaN", "-1", "1e999", "USD", "2026-01-02T03:04:05.678Z", "claude_code.api_request",
			`{"total":0.5}`, `{"input":0.25,"output":0.5}`, "null", "\x00\x7f\u0085\u2028\u202e\ufeff\U0001f600", "true",
		}),
	), func(s string) string { return strings.ToValidUTF8(s, "?") })
	bytesGen = rapid.SliceOfN(rapid.Byte(), 0, 12)
)

func valueGen(depth int) *rapid.Generator[attribute.Value] {
	return rapid.Custom(func(rt *rapid.T) attribute.Value {
		kinds := 10
		if depth == 0 {
			kinds = 8
		}
		switch rapid.IntRange(0, kinds).Draw(rt, "kind") {
		case 0:
			return attribute.Value{}
		case 1:
			return attribute.BoolValue(rapid.Bool().Draw(rt, "bool"))
		case 2:
			return attribute.Int64Value(intGen.Draw(rt, "int"))
		case 3:
			return attribute.Float64Value(floatGen.Draw(rt, "float"))
		case 4:
			return attribute.ByteSliceValue(bytesGen.Draw(rt, "bytes"))
		case 5:
			return attribute.StringSliceValue(rapid.SliceOfN(textGen, 0, 4).Draw(rt, "texts"))
		case 6:
			switch rapid.IntRange(0, 2).Draw(rt, "of") {
			case 0:
				return attribute.BoolSliceValue(rapid.SliceOfN(rapid.Bool(), 0, 4).Draw(rt, "bools"))
			case 1:
				return attribute.Int64SliceValue(rapid.SliceOfN(intGen, 0, 4).Draw(rt, "ints"))
			}
			return attribute.Float64SliceValue(rapid.SliceOfN(floatGen, 0, 4).Draw(rt, "floats"))
		case 7, 8:
			return attribute.StringValue(textGen.Draw(rt, "text"))
		case 9:
			return attribute.SliceValue(rapid.SliceOfN(valueGen(depth-1), 0, 4).Draw(rt, "slice")...)
		default:
			return attribute.MapValue(attributesGen(depth-1).Draw(rt, "map")...)
		}
	})
}

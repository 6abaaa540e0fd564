package exporter

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// textOf returns a text that is not empty.
func textOf(v value) (string, bool) {
	s := v.AsString()
	return s, v.Type() == attribute.STRING && s != ""
}

// amount returns a number that is finite and not negative: an int64, a
// float64, or a string that is a JSON number once trimmed.
func amount(v value) (float64, bool) {
	switch v.Type() {
	case attribute.INT64:
		n := v.AsInt64()
		return float64(n), n >= 0
	case attribute.FLOAT64:
		return notNegative(v.AsFloat64())
	case attribute.STRING:
		return parseAmount(v.AsString())
	}
	return 0, false
}

func parseAmount(text string) (float64, bool) {
	text = strings.TrimSpace(text)
	lit := []byte(text)
	if jsonline.KindOf(lit) != jsonline.NumberValue || jsonline.Check(lit) != nil {
		return 0, false
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, false // out of range
	}
	return notNegative(n)
}

func notNegative(n float64) (float64, bool) {
	if !(n >= 0) || math.IsInf(n, 1) { // the first is false for NaN
		return 0, false
	}
	return n + 0, true // −0 is 0
}

// count returns a whole number below 2^53.
func count(v value) (float64, bool) {
	n, ok := amount(v)
	return n, ok && isCount(n)
}

func isCount(n float64) bool { return n == math.Trunc(n) && n < jsonline.MaxExactInt }

// percent returns a whole number up to 100. A float64 of 1 is not taken: it is
// more likely the top of a scale from 0 to 1.
func percent(v value) (float64, bool) {
	n, ok := count(v)
	return n, ok && n <= 100 && (v.Type() != attribute.FLOAT64 || n != 1)
}

// rounded returns a number rounded half away from zero, below 2^53.
func rounded(v value) (float64, bool) {
	n, ok := amount(v)
	n = math.Round(n)
	return n, ok && n < jsonline.MaxExactInt
}

func micros(_ *reading, v value) (float64, bool) {
	n, ok := amount(v)
	return n / 1e6, ok
}

// plusCompletion adds the two halves of a cost. One half alone is not the cost.
func plusCompletion(r *reading, v value) (float64, bool) {
	completion, ok := r.attrs.Get(r.table.completionCost)
	if !ok {
		return 0, false
	}
	a, ok := amount(v)
	b, ok2 := amount(completion)
	return finite(a+b, ok && ok2)
}

// costDetails reads a JSON object of costs by kind: its total, or their sum.
func costDetails(_ *reading, v value) (float64, bool) {
	text, ok := textOf(v)
	if !ok {
		return 0, false
	}
	var details map[string]json.Number
	if json.Unmarshal([]byte(text), &details) != nil || len(details) == 0 {
		return 0, false
	}
	if total, ok := details["total"]; ok {
		return parseAmount(total.String())
	}
	sum := 0.0
	for _, key := range sortedKeys(details) { // so that the sum is the same each time
		n, ok := parseAmount(details[key].String())
		if !ok {
			return 0, false
		}
		sum += n
	}
	return finite(sum, true)
}

// usageDetails reads a JSON object of token counts by kind, of which Langfuse
// takes what the client of the model calls them: the first of keys that is there.
func usageDetails(keys ...string) func(*reading, value) (float64, bool) {
	return func(_ *reading, v value) (float64, bool) {
		text, ok := textOf(v)
		if !ok {
			return 0, false
		}
		var details map[string]json.RawMessage // some kinds are objects themselves
		if json.Unmarshal([]byte(text), &details) != nil {
			return 0, false
		}
		for _, key := range keys {
			if n, ok := parseAmount(string(details[key])); ok && isCount(n) {
				return n, true
			}
		}
		return 0, false
	}
}

func finite(n float64, ok bool) (float64, bool) { return n, ok && !math.IsInf(n, 0) }

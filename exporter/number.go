package exporter

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelaudit/otelaudit/internal/jsonline"
	"github.com/otelaudit/otelaudit/internal/otelline"
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

// plus returns how one half of a cost is read, of which the attribute other is the
// second half. One half alone is not the cost.
func plus(other otelline.KeyID) func(*reading, value) (float64, bool) {
	return func(r *reading, v value) (float64, bool) {
		second, ok := r.attrs.Get(other)
		if !ok {
			return 0, false
		}
		a, ok := amount(v)
		b, ok2 := amount(second)
		return finite(a+b, ok && ok2)
	}
}

// seconds reads a time in seconds as one in milliseconds.
func seconds(_ *reading, v value) (float64, bool) {
	n, ok := amount(v)
	n = math.Round(n * 1e3)
	return n, ok && n < jsonline.MaxExactInt
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

// usagePart is a number of tokens in a JSON object of token counts by kind, as
// Langfuse has it. Kinds whose name includes "input" are input, and those with
// "output" output, each without the others. The objects of OpenAI's clients have
// totals, whose parts are in an object of their own.
type usagePart struct {
	of    string   // input or output
	words []string // of which a part has one in its name; nil: all
	total []string // names of OpenAI's totals
	parts [2]string
}

var usageParts = map[string]*usagePart{
	"usage_input":       {of: "input", total: []string{"prompt_tokens", "promptTokens"}},
	"usage_output":      {of: "output", total: []string{"completion_tokens", "completionTokens"}},
	"usage_cache_read":  {of: "input", words: []string{"cached", "cache_read"}, parts: [2]string{"prompt_tokens_details", "cached_tokens"}},
	"usage_cache_write": {of: "input", words: []string{"cache_creation", "cache_write"}},
	"usage_reasoning":   {of: "output", words: []string{"reasoning", "thought"}, parts: [2]string{"completion_tokens_details", "reasoning_tokens"}},
}

func (p *usagePart) read(_ *reading, v value) (float64, bool) {
	text, ok := textOf(v)
	if !ok {
		return 0, false
	}
	sum, found := 0.0, false
	err := jsonline.EachMember([]byte(text), func(key, raw []byte) bool {
		name := strings.ToLower(string(jsonline.Unescaped(nil, key)))
		if name == p.parts[0] || name == p.of+"_tokens_details" && p.parts[1] != "" {
			raw, name = memberOf(raw, p.parts[1]), p.of+p.parts[1]
		}
		n, ok := parseAmount(string(raw))
		switch {
		case !ok || !isCount(n):
		case slices.ContainsFunc(p.total, func(total string) bool { return strings.EqualFold(total, name) }),
			strings.Contains(name, p.of) && (p.words == nil || slices.ContainsFunc(p.words, func(word string) bool { return strings.Contains(name, word) })):
			sum, found = sum+n, true
		}
		return true
	})
	return sum, err == nil && found && isCount(sum)
}

func finite(n float64, ok bool) (float64, bool) { return n, ok && !math.IsInf(n, 0) }

package exporter

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelaudit/otelaudit/internal/emitters"
	"github.com/otelaudit/otelaudit/internal/otelline"
)

// TestFormatListsTheSourcesInTheirOrder reads the table of FORMAT.md section 8.
func TestFormatListsTheSourcesInTheirOrder(t *testing.T) {
	text, err := os.ReadFile("../FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "## 8.")
	if !found {
		t.Fatal("FORMAT.md has no section 8")
	}
	quoted := regexp.MustCompile("`([a-zA-Z0-9_.]+)`")
	for f := range otelline.Config {
		_, row, found := strings.Cut(section, "| `"+f.Key()+"` | ")
		if !found {
			t.Errorf("FORMAT.md has no sources of %s", f.Key())
			continue
		}
		row, _, _ = strings.Cut(row, "\n")
		// The first mention of each key; what is said about them besides is in
		// brackets, or behind the last one.
		var documented []string
		for _, match := range quoted.FindAllStringSubmatch(row, -1) {
			documented = append(documented, match[1])
		}
		i := 0
		for _, s := range sourcesOf(f) {
			at := slices.Index(documented[i:], s.Key)
			if at < 0 {
				t.Errorf("FORMAT.md does not list %s as source of %s, or not in its place", s.Key, f.Key())
				continue
			}
			i += at + 1
		}
	}
}

// sourcesOf returns the sources of f by the conventions.
func sourcesOf(f otelline.Field) []emitters.Source {
	for _, field := range emitters.Conventions.Fields {
		if field.Name == f.Key() {
			return field.Sources
		}
	}
	return nil
}

// present is a value that each field takes from a source without more.
var present = map[otelline.Field]attribute.Value{
	otelline.Session:      attribute.StringValue("s"),
	otelline.Cost:         attribute.Float64Value(0.5),
	otelline.Model:        attribute.StringValue("m"),
	otelline.InputTokens:  attribute.Int64Value(5),
	otelline.OutputTokens: attribute.StringValue(" 5 "),
	otelline.Files:        attribute.StringValue("f"),
	otelline.Reason:       attribute.StringValue("r"),
	otelline.Confidence:   attribute.StringValue("87"),
	otelline.Duration:     attribute.Float64Value(4.5),

	otelline.CacheReadTokens:      attribute.Int64Value(5),
	otelline.CacheWriteTokens:     attribute.Int64Value(5),
	otelline.CacheWriteHourTokens: attribute.Int64Value(5),
	otelline.ReasoningTokens:      attribute.Int64Value(5),
}

// special are the attributes that sources with rules of their own need: the
// value, and others beside it.
var special = map[string]struct {
	value  attribute.Value
	beside []attribute.KeyValue
	event  string
}{
	"cost_usd_micros":                    {value: attribute.Int64Value(500_000)},
	"llm.cost.prompt":                    {value: attribute.Float64Value(0.25), beside: []attribute.KeyValue{attribute.String("llm.cost.completion", "0.25")}},
	"langfuse.observation.cost_details":  {value: attribute.StringValue(`{"input":0.25,"output":0.25}`)},
	"langfuse.observation.usage_details": {value: attribute.StringValue(`{"input_cached_and_cache_write":5,"output_reasoning_tokens":5}`)},
	"totalCost":                          {value: attribute.Float64Value(0.5), event: "task.tokens"},
	"ulid":                               {value: attribute.StringValue("s"), event: "task.tokens"},
	"decision":                           {value: attribute.StringValue("r"), beside: []attribute.KeyValue{attribute.String("source", "x")}},
	"metadata":                           {value: attribute.StringValue(`{"session_id":"s","thread_id":"s","conversation_id":"s","sessionId":"s"}`)},
	"task_id":                            {value: attribute.StringValue("s"), event: "task.tokens"},
	"duration":                           {value: attribute.Float64Value(4.5), event: "x.api_response"},
}

// TestEachSourceGivesItsField looks at each source alone, and with the one in
// front of it.
func TestEachSourceGivesItsField(t *testing.T) {
	table, err := newSourceTable(config{})
	if err != nil {
		t.Fatal(err)
	}
	derive := func(event string, attrs ...attribute.KeyValue) otelline.Derived {
		set := otelline.NewAttributes(table.keys)
		list := attribute.NewSet(attrs...)
		set.ReadList(list.ToSlice(), nil)
		r := reading{table: table, attrs: set, event: event}
		r.begin(new(origin), event, false)
		var d otelline.Derived
		r.derive(&d, new(origin), sessions{other: "process"}, true)
		return d
	}
	for f := range otelline.Config {
		for i, s := range sourcesOf(f) {
			if s.Key == f.Key() {
				continue // the field's own name: other tests
			}
			t.Run(f.Key()+"/"+s.Key+s.JSON, func(t *testing.T) {
				sp := special[s.Key]
				v := sp.value
				if v.Type() == attribute.EMPTY {
					v = present[f]
				}
				attrs := append([]attribute.KeyValue{{Key: attribute.Key(s.Key), Value: v}}, sp.beside...)
				check(t, f, derive(sp.event, attrs...), s.Key)
				if other := derive("other", attrs...); sp.event != "" && f != otelline.Session && other.Has(f) {
					t.Errorf("%s is a source on events of other names too", s.Key)
				}
				// A source that is there but says nothing is passed over.
				if s.Key == "langfuse.observation.usage_details" {
					return // what the parts are taken from counts as input too
				}
				for _, before := range sourcesOf(f)[:i] {
					if before.Key == s.Key {
						continue
					}
					attrs = append(attrs, attribute.KeyValue{Key: attribute.Key(before.Key), Value: attribute.BoolValue(true)})
				}
				check(t, f, derive(sp.event, attrs...), s.Key)
			})
		}
	}
}

// check holds what was derived against what present and special say.
func check(t *testing.T, f otelline.Field, d otelline.Derived, key string) {
	t.Helper()
	if !d.Has(f) {
		t.Fatalf("%s gives no %s", key, f.Key())
	}
	ok := true
	switch f {
	case otelline.Session:
		ok = d.Session == "s"
	case otelline.Cost:
		ok = d.Cost == 0.5
	case otelline.Model:
		ok = d.Model == "m"
	case otelline.InputTokens:
		ok = d.InputTokens == 5
	case otelline.OutputTokens:
		ok = d.OutputTokens == 5
	case otelline.CacheReadTokens:
		ok = d.CacheReadTokens == 5
	case otelline.CacheWriteTokens:
		ok = d.CacheWriteTokens == 5
	case otelline.CacheWriteHourTokens:
		ok = d.CacheWriteHourTokens == 5
	case otelline.ReasoningTokens:
		ok = d.ReasoningTokens == 5
	case otelline.Files:
		ok = d.Files.AsString() == "f"
	case otelline.Reason:
		ok = d.Reason == "r" || d.Reason == "r by x"
	case otelline.Confidence:
		ok = d.Confidence == 87
	case otelline.Duration:
		ok = d.Duration == 5
	}
	if !ok {
		t.Errorf("%s gives %+v", key, d)
	}
}

func TestTheEarlierSourceWins(t *testing.T) {
	table, err := newSourceTable(config{sources: []ownSources{{"model", []string{"my.model"}}, {"event", []string{"my.event"}}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, scope string
		attrs       []attribute.KeyValue
		want        string
	}{
		{"response", "", []attribute.KeyValue{attribute.String("gen_ai.request.model", "asked"), attribute.String("gen_ai.response.model", "answered")}, "answered"},
		{"litellm", "litellm", []attribute.KeyValue{attribute.String("gen_ai.request.model", "asked"), attribute.String("gen_ai.response.model", "answered")}, "asked"},
		{"litellm, nothing asked", "litellm.proxy", []attribute.KeyValue{attribute.String("gen_ai.response.model", "answered")}, "answered"},
		{"own source", "", []attribute.KeyValue{attribute.String("my.model", "mine"), attribute.String("gen_ai.response.model", "answered")}, "mine"},
		{"suffix stays", "", []attribute.KeyValue{attribute.String("model_name", "claude-sonnet-4-6[1m]")}, "claude-sonnet-4-6[1m]"},
		{"empty is not there", "", []attribute.KeyValue{attribute.String("gen_ai.response.model", ""), attribute.String("ai.model.id", "next")}, "next"},
	} {
		set := otelline.NewAttributes(table.keys)
		list := attribute.NewSet(test.attrs...)
		set.ReadList(list.ToSlice(), nil)
		r := reading{table: table, attrs: set}
		o := newOrigin(table, &otelline.Origin{ScopeName: test.scope})
		r.begin(o, "", false)
		var d otelline.Derived
		r.derive(&d, o, sessions{other: "process"}, true)
		if d.Model != test.want {
			t.Errorf("%s: got model %q, want %q", test.name, d.Model, test.want)
		}
	}
}

// TestNumbersAreReadByTheRules is FORMAT.md section 8.
func TestNumbersAreReadByTheRules(t *testing.T) {
	str, num, flt := otelline.StringValue, otelline.Int64Value, otelline.Float64Value
	type reader func(value) (float64, bool)
	for _, test := range []struct {
		name string
		read reader
		in   value
		want float64
		ok   bool
	}{
		{"amount", amount, num(3), 3, true},
		{"amount", amount, flt(3e-6), 3e-6, true},
		{"amount", amount, str(" 2.5e-3\n"), 0.0025, true},
		{"amount", amount, str("-0"), 0, true},
		{"amount", amount, str("0x10"), 0, false},
		{"amount", amount, str("1_000"), 0, false},
		{"amount", amount, str("+1"), 0, false},
		{"amount", amount, str("NaN"), 0, false},
		{"amount", amount, str("1e999"), 0, false},
		{"amount", amount, str(""), 0, false},
		{"amount", amount, num(-1), 0, false},
		{"amount", amount, flt(-0.1), 0, false},
		{"amount", amount, otelline.BoolValue(true), 0, false},
		{"count", count, flt(12), 12, true},
		{"count", count, str("1.2e4"), 12000, true},
		{"count", count, flt(1.5), 0, false},
		{"count", count, num(1 << 53), 0, false},
		{"count", count, num(1<<53 - 1), 1<<53 - 1, true},
		{"percent", percent, str("100"), 100, true},
		{"percent", percent, num(101), 0, false},
		{"percent", percent, flt(0.87), 0, false},
		{"percent", percent, flt(1), 0, false},
		{"percent", percent, flt(87), 87, true},
		{"rounded", rounded, flt(2.5), 3, true},
		{"rounded", rounded, flt(1e300), 0, false},
	} {
		got, ok := test.read(test.in)
		if ok != test.ok || ok && got != test.want {
			t.Errorf("%s(%+v): got %v, %v, want %v, %v", test.name, test.in, got, ok, test.want, test.ok)
		}
	}
}

func TestEventNamesAreToldFromProse(t *testing.T) {
	for s, want := range map[string]bool{
		"claude_code.api_request": true, "a.b": true, "a-1.2.3": true, "a.b_c-d": true,
		"": false, "a": false, "A.b": false, "a.": false, ".a": false, "a..b": false, "a.b c": false, "1.a": false, "done. ok": false,
	} {
		if got := isEventName(s); got != want {
			t.Errorf("isEventName(%q) is %v, want %v", s, got, want)
		}
	}
}

func TestAnEventNameOfTracingIsASourceLocation(t *testing.T) {
	for s, want := range map[string]bool{
		"event otel/src/events/session_telemetry.rs:925": true, `event src\main.rs:1`: true,
		"event": false, "event ": false, "event 5": false, "event x:": false, "event :5": false, "event x:5a": false,
		"nav": false, "main.rs:925": false,
	} {
		if got := isSourceLocation(s); got != want {
			t.Errorf("isSourceLocation(%q) is %v, want %v", s, got, want)
		}
	}
}

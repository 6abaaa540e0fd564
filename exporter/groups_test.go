package exporter

import (
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelaudit/otelaudit/internal/otelline"
)

// inGroups returns the ways in which key can be spread over the names of groups
// and of a member: a, b and c; a.b and c; a and b.c.
func inGroups(key string) (ways [][]string) {
	parts := strings.Split(key, ".")
	for cuts := 1; cuts < 1<<(len(parts)-1); cuts++ {
		way := []string{parts[0]}
		for i, part := range parts[1:] {
			if cuts&(1<<i) != 0 {
				way = append(way, part)
			} else {
				way[len(way)-1] += "." + part
			}
		}
		ways = append(ways, way)
	}
	return ways
}

// member returns the attribute in which v has the last of names, in groups of
// the others, beside members of other names.
func member(names []string, v attribute.Value) attribute.KeyValue {
	for i := len(names) - 1; i > 0; i-- {
		v = attribute.MapValue(
			attribute.String("a", "before"), attribute.KeyValue{Key: attribute.Key(names[i]), Value: v}, attribute.String("z", "behind"))
	}
	return attribute.KeyValue{Key: attribute.Key(names[0]), Value: v}
}

// group returns an attribute that is a map.
func group(name string, members ...attribute.KeyValue) attribute.KeyValue {
	return attribute.Map(name, members...)
}

// deriving returns a function that derives fields by a table with the options.
func deriving(t *testing.T, opts ...Option) func(event string, attrs ...attribute.KeyValue) otelline.Derived {
	t.Helper()
	table, err := newSourceTable(newConfig(opts))
	if err != nil {
		t.Fatal(err)
	}
	return func(event string, attrs ...attribute.KeyValue) otelline.Derived {
		set := otelline.NewAttributes(table.keys)
		set.ReadList(attrs, nil)
		r := reading{table: table, attrs: set, event: event}
		r.begin(new(origin), event, false)
		var d otelline.Derived
		r.derive(&d, new(origin), sessions{other: "process"}, true)
		return d
	}
}

// TestEachSourceIsFoundInGroups spreads each key of the table over groups in
// every way, with what it needs beside it in groups too, and in front of it.
func TestEachSourceIsFoundInGroups(t *testing.T) {
	derive := deriving(t)
	tried := 0
	for f := range otelline.Config {
		for _, s := range sourcesOf(f) {
			sp := special[s.Key]
			v := sp.value
			if v.Type() == attribute.EMPTY {
				v = present[f]
			}
			for _, way := range inGroups(s.Key) {
				tried++
				attrs := []attribute.KeyValue{member(way, v)}
				check(t, f, derive(sp.event, append(attrs, sp.beside...)...), fmt.Sprint(way))
				for _, kv := range sp.beside {
					attrs = append(attrs, member(inGroups(string(kv.Key))[0], kv.Value))
				}
				check(t, f, derive(sp.event, attrs...), fmt.Sprint(way))
				slices.Reverse(attrs)
				check(t, f, derive(sp.event, attrs...), fmt.Sprint(way))
			}
		}
	}
	if tried < 100 {
		t.Errorf("tried %d ways, want those of all keys with dots", tried)
	}
}

// TestANameInAGroupIsNotTheKey: what cost or model means in a group is the
// group's business.
func TestANameInAGroupIsNotTheKey(t *testing.T) {
	derive := deriving(t)
	for f := range otelline.Config {
		for _, s := range sourcesOf(f) {
			sp := special[s.Key]
			v := sp.value
			if v.Type() == attribute.EMPTY {
				v = present[f]
			}
			kv := attribute.KeyValue{Key: attribute.Key(s.Key), Value: v}
			for _, name := range []string{"budget", "g", "request", ""} {
				d := derive(sp.event, group(name, append([]attribute.KeyValue{kv}, sp.beside...)...))
				if d.Has(f) && (f != otelline.Session || d.Session != "process") {
					t.Errorf("%s in the group %q gives %s", s.Key, name, f.Key())
				}
			}
		}
	}
}

// TestWhatIsNeverACostIsNoneInGroups reads the row of FORMAT.md.
func TestWhatIsNeverACostIsNoneInGroups(t *testing.T) {
	text, err := os.ReadFile("../FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	_, row, found := strings.Cut(string(text), "| never a cost | ")
	if !found {
		t.Fatal("FORMAT.md does not say what is never a cost")
	}
	row, _, _ = strings.Cut(row, "\n")
	keys := regexp.MustCompile("`([a-z_.]+)`").FindAllStringSubmatch(row, -1)
	if len(keys) < 6 {
		t.Fatalf("got %d keys, want 6 or more", len(keys))
	}
	derive := deriving(t)
	for _, key := range keys {
		for _, in := range []string{"", "gen_ai.", "gen_ai.usage.", "llm.", "session.", "cost."} {
			for _, way := range inGroups(in + key[1]) {
				if d := derive("", member(way, attribute.Float64Value(5))); d.Has(otelline.Cost) {
					t.Errorf("%q gives a cost of %v", way, d.Cost)
				}
			}
		}
	}
}

// TestRulesHoldInGroups: an attribute goes before a member of the same joined
// name, of two members the first one counts, and values are read as ever.
func TestRulesHoldInGroups(t *testing.T) {
	num, flt, str := attribute.Int64, attribute.Float64, attribute.String
	usage := func(members ...attribute.KeyValue) attribute.KeyValue {
		return group("gen_ai", group("usage", members...))
	}
	tokens := func(d otelline.Derived) string { return fmt.Sprint(d.Has(otelline.InputTokens), d.InputTokens) }
	cost := func(d otelline.Derived) string { return fmt.Sprint(d.Has(otelline.Cost), d.Cost) }
	model := func(d otelline.Derived) string { return d.Model }
	derive := deriving(t, WithSources("cost", "llm.cost", "my.own.price"), WithSources("files", "work.files"))
	for name, test := range map[string]struct {
		attrs []attribute.KeyValue
		of    func(otelline.Derived) string
		want  string
	}{
		"an attribute behind the group":     {[]attribute.KeyValue{usage(num("input_tokens", 5)), num("gen_ai.usage.input_tokens", 7)}, tokens, "true 7"},
		"an attribute that says nothing":    {[]attribute.KeyValue{usage(num("input_tokens", 5)), flt("gen_ai.usage.input_tokens", math.NaN())}, tokens, "false 0"},
		"a later source as an attribute":    {[]attribute.KeyValue{num("input_tokens", 7), usage(num("input_tokens", 5))}, tokens, "true 5"},
		"the field itself":                  {[]attribute.KeyValue{num("input_t", 7), usage(num("input_tokens", 5))}, tokens, "false 0"},
		"two groups of one name":            {[]attribute.KeyValue{usage(num("output_tokens", 1)), usage(num("input_tokens", 5)), usage(num("input_tokens", 7))}, tokens, "true 5"},
		"one member twice":                  {[]attribute.KeyValue{usage(num("input_tokens", 5), num("input_tokens", 7))}, tokens, "true 5"},
		"a group in a group of lists":       {[]attribute.KeyValue{attribute.Slice("gen_ai", attribute.MapValue(num("usage.input_tokens", 5)))}, tokens, "false 0"},
		"a list in a group":                 {[]attribute.KeyValue{group("gen_ai", attribute.Slice("usage", attribute.MapValue(num("input_tokens", 5))))}, tokens, "false 0"},
		"the name goes on":                  {[]attribute.KeyValue{usage(num("input_tokens.cached", 5), num("input_tokens2", 6), num("input_token", 7))}, tokens, "false 0"},
		"a dot too many":                    {[]attribute.KeyValue{group("gen_ai.", group("usage", num("input_tokens", 5))), group("gen_ai", group("", num("usage.input_tokens", 5)))}, tokens, "false 0"},
		"a fraction":                        {[]attribute.KeyValue{usage(flt("input_tokens", 1.5), num("prompt_tokens", 9))}, tokens, "true 9"},
		"a number in a text":                {[]attribute.KeyValue{usage(str("input_tokens", " 12 "))}, tokens, "true 12"},
		"zero":                              {[]attribute.KeyValue{usage(num("input_tokens", 0))}, tokens, "true 0"},
		"NaN":                               {[]attribute.KeyValue{usage(flt("cost", math.NaN()))}, cost, "false 0"},
		"an infinity":                       {[]attribute.KeyValue{usage(flt("cost", math.Inf(1)))}, cost, "false 0"},
		"negative":                          {[]attribute.KeyValue{usage(flt("cost", -1), flt("total_cost", 0.25))}, cost, "true 0.25"},
		"US dollars":                        {[]attribute.KeyValue{usage(group("cost", flt("amount", 0.5), str("currency", "USD")))}, cost, "true 0.5"},
		"no currency":                       {[]attribute.KeyValue{usage(group("cost", flt("amount", 0.5)))}, cost, "true 0.5"},
		"another currency":                  {[]attribute.KeyValue{usage(group("cost", flt("amount", 0.5), str("currency", "EUR")))}, cost, "false 0"},
		"the currency of an attribute":      {[]attribute.KeyValue{flt("gen_ai.usage.cost.amount", 0.5), usage(str("cost.currency", "EUR"))}, cost, "false 0"},
		"a currency that is a map":          {[]attribute.KeyValue{usage(group("cost", flt("amount", 0.5), group("currency", str("code", "EUR"))))}, cost, "false 0"},
		"half a cost":                       {[]attribute.KeyValue{group("llm", group("cost", flt("prompt", 0.5)))}, cost, "false 0"},
		"halves in two groups":              {[]attribute.KeyValue{group("llm", flt("cost.prompt", 0.5)), group("llm", group("cost", flt("completion", 0.25)))}, cost, "true 0.75"},
		"a source of one's own":             {[]attribute.KeyValue{group("llm", flt("cost", 0.5))}, cost, "true 0.5"},
		"one that is deeper":                {[]attribute.KeyValue{usage(flt("cost", 9)), group("my", group("own", flt("price", 0.5)))}, cost, "true 0.5"},
		"a list of paths":                   {[]attribute.KeyValue{group("work", attribute.StringSlice("files", []string{"x", "y"}))}, func(d otelline.Derived) string { return fmt.Sprint(d.Files.AsStringSlice()) }, "[x y]"},
		"a list of something else":          {[]attribute.KeyValue{group("work", attribute.IntSlice("files", []int{1})), group("file", str("path", "p"))}, func(d otelline.Derived) string { return d.Files.AsString() }, "p"},
		"the earlier source in a group":     {[]attribute.KeyValue{group("gen_ai", group("request", str("model", "asked")), group("response", str("model", "answered")))}, model, "answered"},
		"an empty text":                     {[]attribute.KeyValue{group("gen_ai", group("request", str("model", "asked")), group("response", str("model", "")))}, model, "asked"},
		"a map where a text is asked for":   {[]attribute.KeyValue{group("gen_ai", group("request", str("model", "asked")), group("response", group("model", str("name", "x"))))}, model, "asked"},
		"a scalar where a map is asked for": {[]attribute.KeyValue{str("gen_ai", "x"), group("llm", str("usage", "x")), str("model_name", "m")}, model, "m"},
	} {
		if got := test.of(derive("", test.attrs...)); got != test.want {
			t.Errorf("%s: got %s, want %s", name, got, test.want)
		}
	}
}

// TestASumGivesNoUsageFromGroups either.
func TestASumGivesNoUsageFromGroups(t *testing.T) {
	table, err := newSourceTable(config{})
	if err != nil {
		t.Fatal(err)
	}
	set := otelline.NewAttributes(table.keys)
	set.ReadList([]attribute.KeyValue{group("gen_ai", group("usage", attribute.Int("input_tokens", 5)), group("response", attribute.String("model", "m")))}, nil)
	r := reading{table: table, attrs: set}
	r.begin(new(origin), "", false)
	var d otelline.Derived
	r.derive(&d, new(origin), sessions{other: "process"}, false)
	if d.Has(otelline.InputTokens) || d.Model != "m" {
		t.Errorf("got %+v, want a model and no tokens", d)
	}
}

// TestSearchInGroupsEnds looks at a thousand members of the record's maps, and no
// deeper than a key has dots.
func TestSearchInGroupsEnds(t *testing.T) {
	derive := deriving(t)
	padding := func(n int) (members []attribute.KeyValue) {
		for i := range n {
			members = append(members, attribute.Int(fmt.Sprintf("a%04d", i), i))
		}
		return members
	}
	found := func(attrs ...attribute.KeyValue) bool {
		d := derive("", attrs...)
		return d.Has(otelline.InputTokens)
	}
	tokens := group("usage", attribute.Int("input_tokens", 5)) // behind the padding, members are sorted
	// The record's map, its members, and those of usage.
	if !found(group("gen_ai", append(padding(997), tokens)...)) {
		t.Error("a member is not found as the thousandth")
	}
	if found(group("gen_ai", append(padding(998), tokens)...)) {
		t.Error("a member is found behind a thousand others")
	}
	var maps []attribute.KeyValue
	for range 1000 {
		maps = append(maps, group("gen_ai"))
	}
	if found(append(maps, group("gen_ai", tokens))...) {
		t.Error("a map is looked into behind a thousand others")
	}
	if !found(append(maps, attribute.Int("gen_ai.usage.input_tokens", 5))...) {
		t.Error("an attribute is not found behind a thousand maps")
	}
	deep := attribute.MapValue(attribute.Int("usage.input_tokens", 5))
	for range 100_000 {
		deep = attribute.MapValue(attribute.KeyValue{Key: "gen_ai", Value: deep})
	}
	if found(attribute.KeyValue{Key: "gen_ai", Value: deep}) {
		t.Error("tokens are found below names that are no source")
	}
}

package auditlog_test

import (
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/audittest"
)

var moment = time.Date(2026, 2, 13, 14, 30, 22, 123_999_999, time.UTC)

// written appends e to a new log and returns its line.
func written(t *testing.T, e auditlog.Event) auditlog.Entry {
	t.Helper()
	log := audittest.Open(t, filepath.Join(t.TempDir(), "audit.jsonl"), auditlog.WithSessionID("s"))
	if err := log.Append(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	return entries(t, log.Reader)[0]
}

func TestLineHasItsKeysInTheOrderOfTheFormat(t *testing.T) {
	zone := time.FixedZone("", 5*3600+1800)
	for name, test := range map[string]struct {
		event auditlog.Event
		want  string
	}{
		"least": {
			auditlog.Event{Name: "nav", Time: moment},
			`{"ts":"2026-02-13T14:30:22.123Z","event":"nav","session_id":"s"}`,
		},
		"all": {
			auditlog.Event{
				Time: moment.In(zone), Name: "nav", SessionID: "other",
				Cost: new(3e-06), Model: "llama-3.1-8b", InputTokens: new(int64(42)), OutputTokens: new(int64(0)),
				Files: []string{"a.py", "b/c.py"}, Reason: "hallucinated_path", Confidence: new(int64(87)),
				Duration: new(1500 * time.Microsecond), Config: map[string]any{"z": 1, "a": nil},
				TraceID: "5b8efff798038103d269b633813fc60c", SpanID: "eee19b7ec3c1b174", TraceFlags: new(byte(0xab)),
				Attributes: map[string]any{"zeta": true, "Alpha": 1.0, "gone": nil},
			},
			`{"ts":"2026-02-13T14:30:22.123Z","event":"nav","session_id":"other","cost":3e-06,"model":"llama-3.1-8b",` +
				`"input_t":42,"output_t":0,"files":["a.py","b/c.py"],"reason":"hallucinated_path","confidence":87,` +
				`"duration_ms":2,"config":{"a":null,"z":1},"Alpha":1.0,"zeta":true,` +
				`"trace_id":"5b8efff798038103d269b633813fc60c","span_id":"eee19b7ec3c1b174","trace_flags":"ab"}`,
		},
		"empty is not absent": {
			auditlog.Event{Name: "nav", Time: moment, Cost: new(0.0), Files: []string{}, Config: map[string]any{}},
			`{"ts":"2026-02-13T14:30:22.123Z","event":"nav","session_id":"s","cost":0.0,"files":[],"config":{}}`,
		},
		"flags come with a trace id": {
			auditlog.Event{Name: "nav", Time: moment, TraceID: "5b8efff798038103d269b633813fc60c"},
			`{"ts":"2026-02-13T14:30:22.123Z","event":"nav","session_id":"s",` +
				`"trace_id":"5b8efff798038103d269b633813fc60c","trace_flags":"00"}`,
		},
		"flags of 0 do not come alone": {
			auditlog.Event{Name: "nav", Time: moment, SpanID: "eee19b7ec3c1b174", TraceFlags: new(byte(0))},
			`{"ts":"2026-02-13T14:30:22.123Z","event":"nav","session_id":"s","span_id":"eee19b7ec3c1b174"}`,
		},
		"flags other than 0 do": {
			auditlog.Event{Name: "nav", Time: moment, TraceFlags: new(byte(1))},
			`{"ts":"2026-02-13T14:30:22.123Z","event":"nav","session_id":"s","trace_flags":"01"}`,
		},
		"years are clamped": {
			auditlog.Event{Name: "nav", Time: time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC)},
			`{"ts":"9999-12-31T23:59:59.999Z","event":"nav","session_id":"s"}`,
		},
		"strings are safe in a terminal": {
			auditlog.Event{Name: "a\xff\n\u202e", Time: moment, Model: "\x1b[2J"},
			`{"ts":"2026-02-13T14:30:22.123Z","event":"a` + "\uFFFD" + `\n\u202e","session_id":"s","model":"\u001b[2J"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := string(written(t, test.event).Raw); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestTimeOfAppendingIsTheDefault(t *testing.T) {
	before := time.Now().Truncate(time.Millisecond)
	got, ok := written(t, auditlog.Event{Name: "nav"}).Time()
	if !ok || got.Before(before) || got.After(time.Now()) {
		t.Errorf("got %v, %v, want from %v to now", got, ok, before)
	}
}

func TestEventOutsideTheFormatIsNamed(t *testing.T) {
	for name, test := range map[string]struct {
		event auditlog.Event
		field string
	}{
		"no name":                  {auditlog.Event{}, "Name"},
		"cost NaN":                 {auditlog.Event{Name: "e", Cost: new(math.NaN())}, "Cost"},
		"cost infinite":            {auditlog.Event{Name: "e", Cost: new(math.Inf(-1))}, "Cost"},
		"negative input":           {auditlog.Event{Name: "e", InputTokens: new(int64(-1))}, "InputTokens"},
		"negative output":          {auditlog.Event{Name: "e", OutputTokens: new(int64(-1))}, "OutputTokens"},
		"huge input":               {auditlog.Event{Name: "e", InputTokens: new(int64(1 << 53))}, "InputTokens"},
		"confidence above":         {auditlog.Event{Name: "e", Confidence: new(int64(101))}, "Confidence"},
		"confidence below":         {auditlog.Event{Name: "e", Confidence: new(int64(-1))}, "Confidence"},
		"negative duration":        {auditlog.Event{Name: "e", Duration: new(-time.Nanosecond)}, "Duration"},
		"short trace id":           {auditlog.Event{Name: "e", TraceID: "ab"}, "TraceID"},
		"uppercase trace id":       {auditlog.Event{Name: "e", TraceID: strings.Repeat("A", 32)}, "TraceID"},
		"zero trace id":            {auditlog.Event{Name: "e", TraceID: strings.Repeat("0", 32)}, "TraceID"},
		"zero span id":             {auditlog.Event{Name: "e", SpanID: strings.Repeat("0", 16)}, "SpanID"},
		"span id not hexadecimal":  {auditlog.Event{Name: "e", SpanID: strings.Repeat("g", 16)}, "SpanID"},
		"two keys that become one": {auditlog.Event{Name: "e", Attributes: map[string]any{"a\xff": 1, "a\xfe": 2}}, `Attributes["a\xff"]`},
	} {
		t.Run(name, func(t *testing.T) {
			log := audittest.Open(t, filepath.Join(t.TempDir(), "audit.jsonl"))
			err := log.Append(t.Context(), auditlog.Event{Name: "good"}, test.event)
			var got *auditlog.EventError
			if !errors.As(err, &got) || got.Index != 1 || got.Field != test.field || got.Reason == "" {
				t.Fatalf("got %#v, want an EventError of event 1, field %s", err, test.field)
			}
			if all := entries(t, log.Reader); len(all) != 0 {
				t.Errorf("%d events were written", len(all))
			}
		})
	}
}

// TestAnIDHasOnlyLowercaseHexadecimalDigits puts each byte at each place of an id,
// beside digits and beside zeros.
func TestAnIDHasOnlyLowercaseHexadecimalDigits(t *testing.T) {
	for _, id := range []string{"5b8efff798038103d269b633813fc60c", strings.Repeat("0", 32), "0123456789abcdef0f9a0f9a0f9a0f9a"} {
		for place := range id {
			for c := range 256 {
				changed := id[:place] + string([]byte{byte(c)}) + id[place+1:]
				e := auditlog.Event{Name: "e", TraceID: changed}
				want := strings.Trim(changed, "0123456789abcdef") == "" && strings.Trim(changed, "0") != ""
				if err := e.Validate(); (err == nil) != want {
					t.Fatalf("Validate with the trace id %q = %v", changed, err)
				}
				if place < 16 {
					e = auditlog.Event{Name: "e", SpanID: changed[:16]}
					want = strings.Trim(e.SpanID, "0123456789abcdef") == "" && strings.Trim(e.SpanID, "0") != ""
					if err := e.Validate(); (err == nil) != want {
						t.Fatalf("Validate with the span id %q = %v", e.SpanID, err)
					}
				}
			}
		}
	}
}

func TestADurationIsRoundedToMilliseconds(t *testing.T) {
	for d, want := range map[time.Duration]int64{
		0: 0, 1: 0, 499_999: 0, 500_000: 1, 999_999: 1, 1_499_999: 1, 1_500_000: 2, time.Hour: 3_600_000,
		math.MaxInt64: math.MaxInt64 / 1_000_000, math.MaxInt64 - 300_000: math.MaxInt64 / 1_000_000,
	} {
		line := written(t, auditlog.Event{Name: "e", Duration: new(d)})
		event, err := line.Event()
		if err != nil {
			t.Fatal(err)
		}
		if got := event.Duration.Milliseconds(); got != want {
			t.Errorf("%d ns is written as %d ms, want %d", d, got, want)
		}
	}
}

func TestAttributeWithTheKeyOfAFieldNamesTheField(t *testing.T) {
	log := audittest.Open(t, filepath.Join(t.TempDir(), "audit.jsonl"))
	for key, field := range map[string]string{
		"ts": "Event.Time", "event": "Event.Name", "session_id": "Event.SessionID", "cost": "Event.Cost",
		"model": "Event.Model", "input_t": "Event.InputTokens", "output_t": "Event.OutputTokens",
		"files": "Event.Files", "reason": "Event.Reason", "confidence": "Event.Confidence",
		"duration_ms": "Event.Duration", "config": "Event.Config", "trace_id": "Event.TraceID",
		"span_id": "Event.SpanID", "trace_flags": "Event.TraceFlags", "otel": "choose another",
	} {
		for _, value := range []any{1, nil} {
			err := log.Append(t.Context(), auditlog.Event{Name: "e", Attributes: map[string]any{key: value}})
			var got *auditlog.EventError
			if !errors.As(err, &got) || !strings.Contains(got.Field, key) || !strings.Contains(got.Reason, field) {
				t.Errorf("%s: %v: got %v, want an EventError that says %s", key, value, err, field)
			}
		}
	}
}

type (
	level      int
	texted     struct{ s string }
	plain      struct{ B, A any }
	panicking  struct{}
	fruitful   string
	unfinished struct {
		C chan int
		N int
	}
)

func (l level) String() string                { return "level " + string(rune('0'+l)) }
func (x texted) MarshalText() ([]byte, error) { return []byte(x.s), nil }
func (panicking) MarshalJSON() ([]byte, error) {
	panic("no")
}

func TestAttributeValuesAreWrittenInTheirSpelling(t *testing.T) {
	address, err := url.Parse("https://example.com/a?b=c")
	if err != nil {
		t.Fatal(err)
	}
	huge, _ := new(big.Int).SetString("1180591620717411303424", 10)
	var none *int
	for name, test := range map[string]struct {
		value any
		want  string // "" when the attribute is left out
	}{
		"nil":              {nil, ""},
		"nil pointer":      {none, ""},
		"nil map":          {map[string]any(nil), ""},
		"nil slice":        {[]string(nil), ""},
		"nil function":     {(func())(nil), ""},
		"bool":             {true, `true`},
		"int":              {int8(-3), `-3`},
		"large int":        {int64(1<<53 - 1), `9007199254740991`},
		"larger int":       {int64(-1 << 53), `{"intValue":"-9007199254740992"}`},
		"uint":             {uint32(7), `7`},
		"huge uint":        {uint64(math.MaxUint64), `"18446744073709551615"`},
		"whole float":      {2.0, `2.0`},
		"float32":          {float32(0.1), `0.1`},
		"NaN":              {math.NaN(), `{"doubleValue":"NaN"}`},
		"infinity":         {float32(math.Inf(-1)), `{"doubleValue":"-Infinity"}`},
		"named string":     {fruitful("f"), `"f"`},
		"bytes":            {[]byte{0, 255}, `{"bytesValue":"AP8="}`},
		"no bytes":         {[]byte{}, `{"bytesValue":""}`},
		"array of bytes":   {[2]byte{1, 2}, `[1,2]`},
		"strings":          {[]string{"a"}, `["a"]`},
		"ints":             {[]int64{1 << 60}, `[{"intValue":"1152921504606846976"}]`},
		"floats":           {[]float64{1, math.Inf(1)}, `[1.0,{"doubleValue":"Infinity"}]`},
		"mixed":            {[]any{nil, 1, "x", []any{}, map[string]any{}}, `[null,1,"x",[],{}]`},
		"map":              {map[string]int{"b": 1, "a": 2}, `{"a":2,"b":1}`},
		"map of ints":      {map[int]bool{10: true, 9: false}, `{"10":true,"9":false}`},
		"map of text":      {map[texted]int{{"k"}: 1}, `{"k":1}`},
		"map of anything":  {map[any]int{1: 1, "1": 2}, `{"kvlistValue":{"values":[{"key":"1","value":1},{"key":"1","value":2}]}}`},
		"invalid keys":     {map[string]int{"\xff": 1, "\xfe": 2}, `{"kvlistValue":{"values":[{"key":"` + "\uFFFD" + `","value":2},{"key":"` + "\uFFFD" + `","value":1}]}}`},
		"looks wrapped":    {map[string]any{"intValue": "5"}, `{"kvlistValue":{"values":[{"key":"intValue","value":"5"}]}}`},
		"nested wrapper":   {[]any{map[string]string{"kvlistValue": "x"}}, `[{"kvlistValue":{"values":[{"key":"kvlistValue","value":"x"}]}}]`},
		"time":             {moment.In(time.FixedZone("", 3600)), `"2026-02-13T15:30:22.123999999+01:00"`},
		"pointer to time":  {&moment, `"2026-02-13T14:30:22.123999999Z"`},
		"duration":         {90 * time.Second, `"1m30s"`},
		"error":            {errors.New("it broke"), `"it broke"`},
		"stringer":         {level(3), `"level 3"`},
		"text":             {texted{"t"}, `"t"`},
		"uuid":             {uuid.Nil, `"00000000-0000-0000-0000-000000000000"`},
		"address":          {netip.MustParseAddr("::1"), `"::1"`},
		"url":              {address, `"https://example.com/a?b=c"`},
		"raw JSON":         {json.RawMessage(`{ "b":1.50, "a":"\u0041<" }`), `{"a":"A<","b":1.5}`},
		"invalid raw JSON": {json.RawMessage(`{`), `"[123]"`},
		"number":           {json.Number("1e2"), `100.0`},
		"whole number":     {json.Number("9007199254740993"), `{"intValue":"9007199254740993"}`},
		"no number":        {json.Number("x"), `"x"`},
		"big number":       {huge, `"1180591620717411303424"`},
		"struct":           {plain{B: "\u202e", A: []int{1}}, `{"A":[1],"B":"\u202e"}`},
		"pointer":          {&plain{A: new(1)}, `{"A":1,"B":null}`},
		"channel inside":   {unfinished{N: 1}, `"{C:\u003cnil\u003e N:1}"`},
		"complex":          {1 + 2i, `"(1+2i)"`},
		"NaN in a struct":  {struct{ F float64 }{math.NaN()}, `"{F:NaN}"`},
		"panic":            {panicking{}, `"{}"`},
	} {
		t.Run(name, func(t *testing.T) {
			want := `{"ts":"2026-02-13T14:30:22.123Z","event":"e","session_id":"s"`
			if test.want != "" {
				want += `,"a":` + strings.NewReplacer(`\u003c`, "<", `\u003e`, ">").Replace(test.want)
			}
			want += "}"
			e := auditlog.Event{Name: "e", Time: moment, Attributes: map[string]any{"a": test.value}}
			if got := string(written(t, e).Raw); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestValueInsideItselfIsWritten(t *testing.T) {
	loop := map[string]any{}
	loop["self"], loop["twin"] = loop, loop
	list := []any{nil}
	list[0] = list
	type node struct{ Next *node }
	ring := &node{}
	ring.Next = ring
	var deep any = 1
	for range 20_000 {
		deep = []any{deep}
	}
	e := written(t, auditlog.Event{Name: "e", Attributes: map[string]any{
		"deep": deep, "list": list, "loop": loop, "ring": ring,
	}})
	if want := `"list":["(cyclic)"],"loop":{"self":"(cyclic)","twin":"(cyclic)"},"ring":"(cyclic)"}`; !strings.HasSuffix(string(e.Raw), want) {
		t.Errorf("got …%s\nwant …%s", e.Raw[len(e.Raw)-len(want):], want)
	}
	if _, err := e.Event(); err != nil {
		t.Errorf("read back: %v", err)
	}
}

func TestEventReadsBackAsItWasAppended(t *testing.T) {
	want := auditlog.Event{
		Time: moment.Truncate(time.Millisecond), Name: "nav", SessionID: "s\u202e",
		Cost: new(0.25), Model: "m", InputTokens: new(int64(1)), OutputTokens: new(int64(2)),
		Files: []string{}, Reason: "r", Confidence: new(int64(100)), Duration: new(2 * time.Millisecond),
		Config:  map[string]any{"kvlistValue": []any{1.5}},
		TraceID: "5b8efff798038103d269b633813fc60c", SpanID: "eee19b7ec3c1b174", TraceFlags: new(byte(1)),
		Attributes: map[string]any{
			"int": int64(1), "float": 1.0, "large": int64(math.MinInt64), "inf": math.Inf(1), "string": "é\n",
			"bytes": []byte("b"), "list": []any{nil, true, "x", int64(1)}, "map": map[string]any{"a": map[string]any{}},
			"wrapped": map[string]any{"intValue": "9007199254740993"}, "negative zero": math.Copysign(0, -1),
		},
	}
	got, err := written(t, want).Event()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-appended +read:\n%s", diff)
	}
	if !math.Signbit(got.Attributes["negative zero"].(float64)) {
		t.Error("-0.0 lost its sign")
	}
}

func TestForeignLineDecodes(t *testing.T) {
	raw := `{"input_t":"12","input_t":42.0,"cost":"0.5","ts":"yesterday","event":1,"files":["a",1],"confidence":101,` +
		`"model":null,"x":1e400,"y":{"intValue":"5"},"z":{"bytesValue":"A"},"\u006b":"\ud800","k2":1,"k2":2,` +
		`"trace_id":"00000000000000000000000000000000","trace_flags":"zz","config":[],"otel":{"body":1},"cost2":1.0}`
	got, err := auditlog.Entry{Raw: []byte(raw)}.Event()
	if err != nil {
		t.Fatal(err)
	}
	want := auditlog.Event{
		InputTokens: new(int64(42)),
		Attributes: map[string]any{
			"cost": "0.5", "ts": "yesterday", "event": int64(1), "files": []any{"a", int64(1)}, "confidence": int64(101),
			"x": "1e400", "y": map[string]any{"intValue": "5"}, "z": map[string]any{"bytesValue": "A"},
			"k": "\uFFFD", "k2": int64(2), "cost2": 1.0,
			"trace_id": strings.Repeat("0", 32), "trace_flags": "zz", "config": []any{},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestEntryThatIsNoEventIsAnError(t *testing.T) {
	for _, raw := range []string{"", "[]", `{"a":`, `{"a":` + strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001) + `}`} {
		if _, err := (auditlog.Entry{Raw: []byte(raw)}).Event(); err == nil {
			t.Errorf("%.20q: no error", raw)
		}
	}
	if e, err := (auditlog.Entry{Raw: []byte("{}")}).Event(); err != nil || e.Name != "" {
		t.Errorf("{}: got %v, %v, want an event without a name", e, err)
	}
}

package report

import (
	"bytes"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/audittest"
	"github.com/otelaudit/otelaudit/internal/demolog"
	"github.com/otelaudit/otelaudit/internal/history"
	"github.com/otelaudit/otelaudit/internal/jsonline"
	"github.com/otelaudit/otelaudit/internal/scan"
	"github.com/otelaudit/otelaudit/internal/spend"
)

// put writes a log of events and returns its reader.
func put(t testing.TB, events ...auditlog.Event) *auditlog.Reader {
	t.Helper()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	log := audittest.Open(t, path, auditlog.WithoutCadenceSync(), auditlog.WithSessionID("s"))
	if err := log.Append(t.Context(), events...); err != nil {
		t.Fatal(err)
	}
	return reader(t, path)
}

// putLines writes a log of lines and returns its reader.
func putLines(t testing.TB, lines ...string) *auditlog.Reader {
	t.Helper()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return reader(t, path)
}

func reader(t testing.TB, path string) *auditlog.Reader {
	t.Helper()
	r, err := auditlog.NewReader(path)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func filesOf(r *auditlog.Reader) *history.Log {
	return history.New(scan.NewSource(r.Path(), slog.New(slog.DiscardHandler), r.MaxLine()), false)
}

// pageOf returns the page of r's log.
func pageOf(t testing.TB, r *auditlog.Reader, o Options) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(t.Context(), &b, filesOf(r), o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// collected returns what a log adds up to.
func collected(t testing.TB, r *auditlog.Reader, zone *time.Location) *collector {
	t.Helper()
	c := newCollector(zone)
	var err error
	if c.total, c.damaged, err = spend.TallyOf(t.Context(), filesOf(r), scan.Filter{}, false, c); err != nil {
		t.Fatal(err)
	}
	return c
}

// toldTwice returns lines of n calls, many of which are there as a span and as a
// record, each of which knows something that the other does not.
func toldTwice(n int) []string {
	r := rand.New(rand.NewPCG(1, 2))
	at := time.Date(2026, 2, 9, 0, 0, 0, 0, time.UTC)
	var lines []string
	for i := range n {
		at = at.Add(time.Duration(r.IntN(1000)) * time.Second)
		member := func(likely int, format string, args ...any) string {
			if r.IntN(100) < likely {
				return fmt.Sprintf(","+format, args...)
			}
			return ""
		}
		usage := fmt.Sprintf(`"input_t":%d,"output_t":%d`, r.IntN(9000), r.IntN(900))
		model, session := fmt.Sprintf(`"model":"m%d"`, r.IntN(12)), fmt.Sprintf(`"session_id":"s%d"`, r.IntN(40))
		one := func(event string, ts time.Time, more string) string {
			return fmt.Sprintf(`{"event":%q,"ts":%q,%s%s%s%s%s,"response_id":"r%d"%s}`, event, ts.Format(time.RFC3339), usage,
				member(80, `%s`, model), member(80, `%s`, session), member(60, `"cost":%v`, math.Round(1e6*r.Float64())/1e6), member(50, `"duration_ms":%d`, r.IntN(1e5)), i, more)
		}
		lines = append(lines, one("llm.call", at, ""))
		if r.IntN(3) > 0 {
			lines = append(lines, one("chat", at.Add(time.Hour), `,"otelaudit.span.name":"chat"`+member(10, `"error.type":"x"`)))
		}
		if r.IntN(10) == 0 {
			lines = append(lines, `{"event":"validation_fail","ts":"`+at.Format(time.RFC3339)+`"}`, `{"event":"nav","cost":0.125}`)
		}
	}
	return lines
}

func TestTheSumsAreThoseOfSpend(t *testing.T) {
	r := putLines(t, toldTwice(3000)...)
	c := collected(t, r, time.UTC)
	if c.joined < 1000 {
		t.Fatalf("%d calls were told of twice, want many", c.joined)
	}
	spent := func(by auditlog.GroupBy) map[string]auditlog.Totals {
		s, err := r.Spend(t.Context(), auditlog.Filter{}, by)
		if err != nil {
			t.Fatal(err)
		}
		groups := map[string]auditlog.Totals{"total of all": s.Total}
		for _, g := range s.Groups {
			groups[g.Key] = g.Totals
		}
		return groups
	}
	totals := func(f *figures) auditlog.Totals {
		return auditlog.Totals{Events: f.events, Calls: f.calls, Failed: f.failedCalls, Unpriced: f.unpriced, Cost: f.cost.value(), InputTokens: f.input, OutputTokens: f.output}
	}
	near := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-9 })

	got := map[string]auditlog.Totals{"total of all": auditlog.Totals(c.total)}
	for name, s := range c.sessions.byName {
		got[name] = totals(&s.figures)
	}
	if diff := cmp.Diff(spent(auditlog.BySession), got, near); diff != "" {
		t.Errorf("sessions (-spend +report):\n%s", diff)
	}

	got = map[string]auditlog.Totals{"total of all": auditlog.Totals(c.total)}
	for i := range c.models.list {
		got[c.models.list[i].name] = totals(&c.models.list[i].figures)
	}
	want := spent(auditlog.ByModel)
	// Events without a model that are no calls are no call of any model.
	none := want[""]
	none.Events = got[""].Events
	want[""] = none
	if diff := cmp.Diff(want, got, near); diff != "" {
		t.Errorf("models (-spend +report):\n%s", diff)
	}

	c.timeline.widenTo(day)
	got = map[string]auditlog.Totals{}
	for key, cell := range c.timeline.cells {
		date := time.Unix(key.start, 0).UTC().Format(time.DateOnly)
		sum := got[date]
		sum.Cost += cell.cost.value()
		sum.InputTokens += cell.input
		sum.OutputTokens += cell.output
		got[date] = sum
	}
	want = map[string]auditlog.Totals{}
	for date, sum := range spent(auditlog.ByDay) {
		if sum.InputTokens > 0 && date != "total of all" {
			want[date] = auditlog.Totals{Cost: sum.Cost, InputTokens: sum.InputTokens, OutputTokens: sum.OutputTokens}
		}
	}
	if diff := cmp.Diff(want, got, near); diff != "" {
		t.Errorf("days (-spend +report):\n%s", diff)
	}
}

func (l *timeline) widenTo(s step) {
	for l.step < s {
		l.widen()
	}
}

func TestOneLogMakesOnePage(t *testing.T) {
	r := putLines(t, toldTwice(500)...)
	want := pageOf(t, r, Options{})
	for _, n := range []int{1, 2, 8} {
		before := runtime.GOMAXPROCS(n)
		got := pageOf(t, r, Options{})
		runtime.GOMAXPROCS(before)
		if got != want {
			t.Fatalf("on %d processors the page is another one", n)
		}
	}
}

// What is in a log does not get out of where it is shown; a test in
// docs/screenshots opens the same page in a browser.
func TestTheTextsOfALogAreNotMarkup(t *testing.T) {
	for _, text := range []string{"", "</title><script>alert(1)</script>", `"><img src=x onerror=alert(1)>`} {
		page := pageOf(t, put(t, demolog.Hostile()...), Options{Title: text, TraceURL: "https://jaeger.example/{trace_id}?q=\"><b>"})
		checkMarkup(t, page)
		if n := strings.Count(page, "wide"); n > 2000 {
			t.Errorf("a long name is there %d times", n)
		}
	}
}

func FuzzATextIsNotMarkup(f *testing.F) {
	for _, e := range demolog.Hostile() {
		f.Add(e.Name)
	}
	f.Fuzz(func(t *testing.T, text string) {
		lit := string(jsonline.AppendString(nil, text))
		line := fmt.Sprintf(`{"event":%s,"ts":"2026-02-13T14:30:00Z","session_id":%[1]s,"model":%[1]s,"reason":%[1]s,"cost":1,"duration_ms":5,"trace_id":%[1]s,"error":%[1]s}`, lit)
		checkMarkup(t, pageOf(t, putLines(t, line, `{"event":"budget","reason":`+lit+`}`), Options{Title: text}))
	})
}

// checkMarkup checks that a page has the elements and attributes of its
// template, and is not larger than it may be.
func checkMarkup(t *testing.T, page string) {
	t.Helper()
	if n := len(page); n > 600_000 {
		t.Errorf("the page has %d bytes: a text of the log is there in full", n)
	}
	library, _, _ := bytes.Cut(chartJS, []byte("\n//# sourceMappingURL="))
	rest := strings.Replace(strings.Replace(page, string(library), "", 1), pageJS, "", 1)
	for _, tag := range regexp.MustCompile(`<[a-zA-Z/!][^\s>]*`).FindAllString(rest, -1) {
		if !ownTags[tag] {
			t.Errorf("the page has a %s>, which is not its own", tag)
		}
	}
	if n := strings.Count(rest, "<script"); n != 3 {
		t.Errorf("the page has %d scripts, want 3", n)
	}
	for _, tag := range regexp.MustCompile(`<[a-zA-Z][^>]*>`).FindAllString(quotesRemoved(rest), -1) {
		if regexp.MustCompile(`\s(on\w+|style|src|srcset|action|formaction)\s*=`).MatchString(tag) {
			t.Errorf("the page has a %s", tag)
		}
	}
	for _, r := range rest {
		if !unicode.IsGraphic(r) && r != '\n' {
			t.Errorf("the page has a %U", r)
		}
	}
}

var ownTags = func() map[string]bool {
	tags := map[string]bool{"<!doctype": true}
	for name := range strings.FieldsSeq("html head meta link title style body header div h1 h2 h3 bdi p button main section dl dt dd noscript small ul li i span " +
		"canvas details summary table thead tbody tr th td svg rect a code footer script") {
		tags["<"+name], tags["</"+name] = true, true
	}
	return tags
}()

// quotesRemoved returns text without what stands between double quotes in a tag.
func quotesRemoved(text string) string {
	_, body, _ := strings.Cut(text, "<body>")
	return regexp.MustCompile(`"[^"]*"`).ReplaceAllString(regexp.MustCompile(`(?s)<script.*`).ReplaceAllString(body, ""), "")
}

// TestBudgetStopsHaveAColumnOfTracesWhereTheyHaveTraces counts columns: those
// of guard have none, and an empty one would push the table out of its place.
func TestBudgetStopsHaveAColumnOfTracesWhereTheyHaveTraces(t *testing.T) {
	for line, want := range map[string]int{
		`{"event":"budget","ts":"2026-02-13T14:30:00Z"}`:                                               3,
		`{"event":"budget","ts":"2026-02-13T14:30:00Z","trace_id":"5b8efff798038103d269b633813fc60c"}`: 4,
	} {
		_, page, found := strings.Cut(pageOf(t, putLines(t, line), Options{}), `aria-label="Budget stops">`)
		table, _, _ := strings.Cut(page, "</table>")
		if heads, cells := strings.Count(table, "<th "), strings.Count(table, "<td "); !found || heads != want || cells != want {
			t.Errorf("%s: %d heads and %d cells, want %d of each", line, heads, cells, want)
		}
	}
}

func TestWhatIsAFailureAndWhatABudgetStop(t *testing.T) {
	for line, want := range map[string]string{
		`{"event":"nav"}`:                                                        "",
		`{"event":"nav","reason":"because"}`:                                     "",
		`{"event":"nav","error":""}`:                                             "",
		`{"event":"nav","error":false}`:                                          "",
		`{"event":"nav","otel":{"severity_number":9}}`:                           "",
		`{"event":"nav","otel":{"severity_number":"17"}}`:                        "",
		`{"event":"nav","otel":{}}`:                                              "",
		`{"event":"gate_compress","reason":"stale_cascade"}`:                     "",
		`{"event":"budget"}`:                                                     "stop",
		`{"event":"budget","error":"x"}`:                                         "stop",
		`{"event":"skip","reason":"cost_exceeds_limit"}`:                         "stop",
		`{"event":"skip","reason":"hourly_budget_exhausted"}`:                    "stop",
		`{"event":"validation_fail","reason":"hallucinated_path"}`:               "failure validation_fail: hallucinated_path",
		`{"event":"claude_code.api_error"}`:                                      "failure claude_code.api_error: ",
		`{"event":"tool_failed"}`:                                                "failure tool_failed: ",
		`{"event":"nav","error":"broken"}`:                                       "failure nav: broken",
		`{"event":"chat","error.type":"timeout","error.message":"too \"slow\""}`: `failure chat: too "slow"`,
		`{"event":"chat","exception.type":"E","reason":"r"}`:                     "failure chat: r",
		`{"event":"chat","otel":{"resource":{"a":"\"}"},"severity_number":17}}`:  "failure chat: ",
		`{"event":"chat","otel":{"severity_number":24}}`:                         "failure chat: ",
		`{"event":"gate_compress","reason":"parse_fail"}`:                        "failure gate_compress: parse_fail",
		`{"event":"gate_compress","reason":"api_error"}`:                         "failure gate_compress: api_error",
		`{"error":"x"}`: "failure : x",
	} {
		c := collected(t, putLines(t, line), time.UTC)
		got := ""
		for _, f := range c.topFailures() {
			got = fmt.Sprintf("failure %s: %s", f.event, f.reason)
		}
		if c.stopped > 0 {
			got += "stop"
		}
		if got != want || c.failed > 1 {
			t.Errorf("%s: got %q, want %q", line, got, want)
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	c := newCollector(time.UTC)
	c.sessions.limit, c.timeline.limit = 100, 600
	var lines []string
	at := time.Date(2026, 2, 9, 0, 0, 0, 0, time.UTC)
	add := func(model, session, event string, cost int, at time.Time) {
		lines = append(lines, fmt.Sprintf(`{"ts":%q,"event":%q,"model":%q,"session_id":%q,"cost":%d,"error":%q}`, at.Format(time.RFC3339), event, model, session, cost, event))
	}
	for i := range 5000 {
		add("the model", "the expensive session", "e", 1000, at.Add(time.Duration(i)*time.Hour))
		add(fmt.Sprint("model ", i), fmt.Sprint("session ", i), fmt.Sprint("error ", i), 1, at.Add(time.Duration(i)*time.Hour))
	}
	add(strings.Repeat("m", 100_000), strings.Repeat("s", 100_000), strings.Repeat("e", 100_000), 1, at)
	add(strings.Repeat("m", 100_000), strings.Repeat("s", 100_000)+"2", strings.Repeat("e", 100_000), 1, at)
	if _, _, err := spend.TallyOf(t.Context(), filesOf(putLines(t, lines...)), scan.Filter{}, false, c); err != nil {
		t.Fatal(err)
	}
	if n := len(c.models.list); n != maxModels+1 {
		t.Errorf("%d models are told apart, want %d and all others", n, maxModels)
	}
	if pool := c.models.list[poolIndex]; pool.name != poolName || pool.calls != 5000-maxModels+1+2 {
		t.Errorf("the others are %q with %d calls, want %d", pool.name, pool.calls, 5000-maxModels+1+2)
	}
	if n := len(c.sessions.byName); n > 100 {
		t.Errorf("%d sessions are kept, want at most 100", n)
	}
	if s := c.sessions.ranked()[0]; s.name != "the expensive session" || s.cost.value() != 5000*1000 {
		t.Errorf("the most expensive session is %s with %v", s.name, s.cost.value())
	}
	if n := len(c.failures); n != maxFailures+1 {
		t.Errorf("%d kinds of failures are told apart, want %d and all others", n, maxFailures)
	}
	if n := len(c.timeline.cells); n > 600 {
		t.Errorf("the timeline has %d cells, want at most 600", n)
	}
	var total sum
	for _, cell := range c.timeline.cells {
		total.add(cell.cost.value())
	}
	if want := float64(5000*1000 + 5000 + 2); total.value() != want {
		t.Errorf("the cells add up to %v, want %v", total.value(), want)
	}
	for name := range c.sessions.byName {
		if len(name) > maxKeyBytes {
			t.Errorf("a name of %d bytes is kept", len(name))
		}
	}
	for _, e := range c.recent.entries {
		for _, text := range e.texts {
			if cap(text) > 2*maxText {
				t.Errorf("a text of %d bytes is kept", cap(text))
			}
		}
	}
}

// A timeline that has years already, and too many models, has no longer steps.
func TestATimelineOfManyYearsAndModelsIsBounded(t *testing.T) {
	l := newTimeline(time.UTC)
	l.limit = 50
	for i := range 1000 {
		l.cell(time.Date(1000+i, 1, 1, 0, 0, 0, 0, time.UTC), i).cost.add(1)
	}
	if n := len(l.cells); n > 50+1000 {
		t.Errorf("got %d cells", n)
	}
	var total float64
	for key, c := range l.cells {
		total += c.cost.value()
		if time.Unix(key.start, 0).UTC().YearDay() != 1 {
			t.Errorf("a step begins at %v, want years", time.Unix(key.start, 0).UTC())
		}
	}
	if total != 1000 {
		t.Errorf("the cells add up to %v, want 1000", total)
	}
}

func TestRecentEventsAreTheLastOnesNewestFirst(t *testing.T) {
	for _, n := range []int{0, 1, maxRecent - 1, maxRecent, maxRecent + 1, 3*maxRecent + 7} {
		r := ring{room: maxRecent}
		var values [lineKeyCount][]byte
		for i := range n {
			values[lineEvent] = fmt.Appendf(nil, `"e%d"`, i)
			r.add(values[:], time.Time{}, spend.Usage{}, -1, false, false)
		}
		list := r.newestFirst()
		if len(list) != min(n, maxRecent) {
			t.Fatalf("%d events: got %d", n, len(list))
		}
		for i, e := range list {
			if got, want := string(e.texts[textEvent]), fmt.Sprintf("e%d", n-1-i); got != want {
				t.Errorf("%d events: at %d got %s, want %s", n, i, got, want)
			}
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	lines := toldTwice(50_000)
	r := putLines(b, lines...)
	b.ReportAllocs()
	for b.Loop() {
		if err := Write(b.Context(), discard{}, filesOf(r), Options{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(lines)), "ns/line")
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

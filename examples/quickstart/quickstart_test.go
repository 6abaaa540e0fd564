package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/examples/internal/collector"
	"github.com/otelaudit/otelaudit/internal/audittest"
)

// identity is what an event is recognised by in the audit log and in the
// collector alike.
type identity struct {
	event, trace, span string
}

// audited returns the events of the audit log by log.record.uid, and holds each
// line against the format.
func audited(t *testing.T, path string) map[string]identity {
	t.Helper()
	log, err := auditlog.NewReader(path)
	if err != nil {
		t.Fatal(err)
	}
	events := make(map[string]identity)
	for entry, err := range log.Query(t.Context(), auditlog.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if err := audittest.CheckLine(entry.Raw); err != nil {
			t.Errorf("line %d: %v\n%s", entry.Line, err, entry.Raw)
		}
		event, err := entry.Event()
		if err != nil {
			t.Fatal(err)
		}
		uid, ok := event.Attributes["log.record.uid"].(string)
		if _, again := events[uid]; !ok || again {
			t.Errorf("line %d: log.record.uid %q is missing or not the only one", entry.Line, uid)
		}
		events[uid] = identity{event.Name, event.TraceID, event.SpanID}
	}
	return events
}

// received returns what the collector wrote to its own output file: its events
// by log.record.uid, and the trace and span ids of its spans.
func received(t *testing.T, path string) (events map[string]identity, spans map[[2]string]bool) {
	t.Helper()
	got, err := collector.ReadOutput(path)
	if err != nil {
		t.Fatal(err)
	}
	events, spans = make(map[string]identity), make(map[[2]string]bool)
	for span := range got.Spans() {
		spans[[2]string{span.TraceID().String(), span.SpanID().String()}] = true
	}
	for record := range got.Records() {
		uid, ok := record.Attributes().Get("log.record.uid")
		if _, again := events[uid.AsString()]; !ok || again {
			t.Errorf("received event %s: log.record.uid %q is missing or not the only one", record.EventName(), uid.AsString())
		}
		events[uid.AsString()] = identity{record.EventName(), record.TraceID().String(), record.SpanID().String()}
	}
	return events, spans
}

func TestEveryEventArrivesOnceAndJoinsItsSpan(t *testing.T) {
	paths := filesIn(t.TempDir())
	if err := run(t.Context(), io.Discard, filepath.Dir(paths.audit)); err != nil {
		t.Fatal(err)
	}
	want := audited(t, paths.audit)
	got, spans := received(t, paths.received)
	// A record without an event name has one on its line only.
	for uid, event := range got {
		if event.event == "" && want[uid].event == "log" {
			event.event = "log"
			got[uid] = event
		}
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(identity{})); diff != "" {
		t.Errorf("events in the collector differ from the audit log (-audit log +collector):\n%s", diff)
	}
	for _, event := range got {
		if !spans[[2]string{event.trace, event.span}] {
			t.Errorf("event %s: the collector did not receive its span %s of trace %s", event.event, event.span, event.trace)
		}
	}

	// What the app is there to show.
	var names []string
	traces := make(map[string]bool)
	for _, event := range got {
		names = append(names, event.event)
		traces[event.trace] = true
	}
	slices.Sort(names)
	wantNames := []string{
		"brief", "budget", "cascade", "commit_draft", "deep", "gen_ai.client.inference.operation.details",
		"log", "nav", "nav", "nav", "skip", "validation_fail",
	}
	if diff := cmp.Diff(wantNames, names); diff != "" {
		t.Errorf("events of the app (-want +got):\n%s", diff)
	}
	if len(traces) != 3 {
		t.Errorf("got events of %d traces, want 3", len(traces))
	}
}

func TestAReplaySendsOnlyWhatIsNew(t *testing.T) {
	paths := filesIn(t.TempDir())
	col, err := collector.Start(t.Context(), collector.Config{Output: paths.received, Log: paths.collectorLog})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := col.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := runApp(t.Context(), paths.audit, col.URL()); err != nil {
		t.Fatal(err)
	}
	events := int64(len(audited(t, paths.audit)))
	wantSent := func(when string, want int64) {
		t.Helper()
		stats, err := replay(t.Context(), paths.audit, col.URL())
		if err != nil {
			t.Fatal(err)
		}
		if stats.Sent != want {
			t.Errorf("%s: got %d sent, want %d", when, stats.Sent, want)
		}
	}
	wantSent("first replay", events)
	wantSent("second replay", 0)

	log := audittest.Open(t, paths.audit)
	for range 3 {
		if err := log.Append(t.Context(), auditlog.Event{Name: auditlog.EventTrigger}); err != nil {
			t.Fatal(err)
		}
	}
	wantSent("replay after 3 events more", 3)
	wantSent("last replay", 0)

	if err := col.Stop(); err != nil {
		t.Fatal(err)
	}
	if got, _ := received(t, paths.received); int64(len(got)) != events+3 {
		t.Errorf("the collector received %d events, want %d", len(got), events+3)
	}
}

func TestTheReportSaysWhatHappened(t *testing.T) {
	dir := t.TempDir()
	var out bytes.Buffer
	if err := run(t.Context(), &out, dir); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"3 sessions; 13 spans to the collector, 12 events to the audit log",
		"12 events to the collector",
		"0 new events",
		`{"ts":"`,
		"gpt-4o",
		"│ ╰─ execute_tool check_budget",
		"│    ├─ ● budget",
		"All 12 events found their span",
		dir,
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report does not say %q:\n%s", want, out.String())
		}
	}
	for line := range strings.Lines(strings.ReplaceAll(out.String(), dir, "DIR")) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 100 {
			t.Errorf("a line of the report has %d columns, want 100 or fewer:\n%s", n, line)
		}
	}
}

func TestTheCheckoutStaysClean(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	status := func() string {
		t.Helper()
		// Ignored files too: the quickstart does not write those either.
		out, err := exec.CommandContext(t.Context(), "git", "status", "--porcelain", "--ignored", "--", "..").CombinedOutput()
		if err != nil {
			t.Skipf("this is no git checkout: %s", out)
		}
		return string(out)
	}
	before := status()
	if err := run(t.Context(), io.Discard, t.TempDir()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, status()); diff != "" {
		t.Errorf("the quickstart changed the checkout (-before +after):\n%s", diff)
	}
}

func TestAFailureIsAnErrorThatNamesTheFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "missing")
	err := run(t.Context(), io.Discard, dir)
	if err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("got %v, want an error that names %s", err, dir)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Errorf("%s was made", dir)
	}
}

func TestAnEventWithoutItsSpanIsNoticed(t *testing.T) {
	logs := plog.NewLogs()
	record := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	record.SetEventName("budget")
	record.SetTraceID(pcommon.TraceID{1})
	record.SetSpanID(pcommon.SpanID{2})
	_, err := joinTraces(collector.Received{Logs: []plog.Logs{logs}})
	if err == nil || !strings.Contains(err.Error(), "budget") {
		t.Errorf("got %v, want an error that names the event", err)
	}
}

func TestALineIsFoldedBetweenMembersOnly(t *testing.T) {
	line := `{"a":"` + strings.Repeat("x", 60) + `","b":"` + strings.Repeat("y", 60) + `","c":1}`
	want := "  " + line[:68] + "\n   " + line[68:] + "\n"
	if got := fold(line); got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
	if got := fold(`{}`); got != "  {}\n" {
		t.Errorf("got %q, want an indented {}", got)
	}
}

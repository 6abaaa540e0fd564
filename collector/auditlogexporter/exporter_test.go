package auditlogexporter

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/collector/auditlogexporter/internal/metadata"
)

func TestARecordBecomesALine(t *testing.T) {
	cfg := newConfig(t)
	ld := events("")
	rl := ld.ResourceLogs().At(0)
	rl.SetSchemaUrl("https://example.com/r")
	rl.Resource().Attributes().PutStr("service.name", "claude-code")
	rl.ScopeLogs().At(0).Scope().SetName("com.anthropic.claude_code.events")
	r := rl.ScopeLogs().At(0).LogRecords().At(0)
	r.SetTimestamp(1770993022123456789)
	r.Body().SetStr("claude_code.api_request")
	r.SetTraceID(pcommon.TraceID{15: 1})
	for key, value := range map[string]string{
		"event.name": "api_request", "session.id": "s-1", "model": "claude-opus-4", "cost_usd": "0.05", "input_tokens": "10", "output_tokens": "20",
	} {
		r.Attributes().PutStr(key, value)
	}
	if err := startLogs(t, cfg).ConsumeLogs(t.Context(), ld); err != nil {
		t.Fatal(err)
	}
	line := decodedLines(t, cfg.Path)[0]
	if line["call_id"] != line["log.record.uid"] {
		t.Errorf("got call_id %v, want the record's uid %v", line["call_id"], line["log.record.uid"])
	}
	delete(line, "log.record.uid")
	delete(line, "call_id")
	want := map[string]any{
		"ts": "2026-02-13T14:30:22.123Z", "event": "claude_code.api_request", "session_id": "s-1", "cost": 0.05, "model": "claude-opus-4",
		"input_t": 10.0, "output_t": 20.0, "trace_id": "00000000000000000000000000000001", "trace_flags": "00",
		"event.name": "api_request", "session.id": "s-1", "cost_usd": "0.05", "input_tokens": "10", "output_tokens": "20",
		"otel": map[string]any{
			"time_unix_nano": "1770993022123456789", "event_name": "", "body": "claude_code.api_request",
			"derived": []any{"session_id", "cost", "input_t", "output_t", "call_id"}, "emitter": "claude-code",
			"scope":    map[string]any{"name": "com.anthropic.claude_code.events"},
			"resource": map[string]any{"attributes": map[string]any{"service.name": "claude-code"}, "schema_url": "https://example.com/r"},
		},
	}
	if diff := cmp.Diff(want, line); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestMembersOfMapsAreSources of a record and of a span, and stay what they are.
func TestMembersOfMapsAreSources(t *testing.T) {
	fill := func(attrs pcommon.Map) {
		genAI := attrs.PutEmptyMap("gen_ai")
		genAI.PutEmptyMap("operation").PutStr("name", "chat")
		usage := genAI.PutEmptyMap("usage")
		usage.PutInt("input_tokens", 5)
		usage.PutEmptyMap("cost").PutDouble("amount", 0.5)
	}
	cfg := newConfig(t)
	ld := plog.NewLogs()
	fill(ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Attributes())
	if err := startLogs(t, cfg).ConsumeLogs(t.Context(), ld); err != nil {
		t.Fatal(err)
	}
	td := ptrace.NewTraces()
	fill(td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans().AppendEmpty().Attributes())
	if err := startTraces(t, cfg).ConsumeTraces(t.Context(), td); err != nil {
		t.Fatal(err)
	}
	lines := decodedLines(t, cfg.Path)
	if len(lines) != 2 {
		t.Fatalf("got %d lines, want 2", len(lines))
	}
	for _, line := range lines {
		if line["event"] != "chat" || line["input_t"] != 5.0 || line["cost"] != 0.5 {
			t.Errorf("got event %v, input_t %v, cost %v, want chat, 5, 0.5", line["event"], line["input_t"], line["cost"])
		}
		if diff := cmp.Diff(map[string]any{
			"operation": map[string]any{"name": "chat"}, "usage": map[string]any{"cost": map[string]any{"amount": 0.5}, "input_tokens": 5.0},
		}, line["gen_ai"]); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// TestASpanOfAModelCallBecomesALineAndOthersDoNot has a sum too, which becomes
// one without usage.
func TestASpanOfAModelCallBecomesALineAndOthersDoNot(t *testing.T) {
	cfg := newConfig(t)
	cfg.SpanNames = []string{"my.call"}
	td := ptrace.NewTraces()
	spans := td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans()
	for _, operation := range []string{"execute_tool", "chat", "invoke_agent"} {
		s := spans.AppendEmpty()
		s.SetName(operation + " x")
		s.SetStartTimestamp(1770993022123000000)
		s.SetEndTimestamp(1770993023357500000)
		s.SetSpanID(pcommon.SpanID{7: 1})
		s.SetParentSpanID(pcommon.SpanID{7: 2})
		s.SetFlags(0x301)
		s.SetDroppedAttributesCount(3)
		s.Attributes().PutStr("gen_ai.operation.name", operation)
		s.Attributes().PutInt("gen_ai.usage.input_tokens", 5)
		s.Status().SetCode(ptrace.StatusCodeError)
		s.Status().SetMessage("cut off")
	}
	spans.AppendEmpty().SetName("my.call")
	if err := startTraces(t, cfg).ConsumeTraces(t.Context(), td); err != nil {
		t.Fatal(err)
	}
	lines := decodedLines(t, cfg.Path)
	if got, want := namesOf(lines), []string{"execute_tool", "chat", "invoke_agent", "my.call"}; !slices.Equal(got, want) {
		t.Fatalf("got events %q, want %q", got, want)
	}
	for _, line := range []map[string]any{lines[0], lines[2]} {
		if line["input_t"] != nil || line["call_id"] != nil || line["gen_ai.usage.input_tokens"] != 5.0 {
			t.Errorf("a tool or a sum has usage: %v", line)
		}
	}
	line := lines[1]
	delete(line, "log.record.uid")
	delete(line, "call_id")
	want := map[string]any{
		"ts": "2026-02-13T14:30:23.357Z", "event": "chat", "session_id": "collector", "input_t": 5.0, "failed": true, "reason": "cut off", "duration_ms": 1235.0,
		"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 5.0, "otelaudit.span.name": "chat x", "otelaudit.span.parent_id": "0000000000000002",
		"span_id": "0000000000000001", "trace_flags": "01",
		"otel": map[string]any{
			"time_unix_nano": "1770993023357500000", "observed_time_unix_nano": "1770993023357500000", "severity_number": 17.0,
			"dropped_attributes_count": 3.0, "derived": []any{"session_id", "input_t", "failed", "call_id", "session_default"},
		},
	}
	if diff := cmp.Diff(want, line); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestPipelinesAndInstancesShareALog writes from two pipelines of one exporter
// and from another exporter, and keeps others out: it is opened once.
func TestPipelinesAndInstancesShareALog(t *testing.T) {
	cfg := newConfig(t)
	cfg.SoleOwner = true
	other := *cfg
	other.Events.Exclude = []string{"skip"}
	l, tr, more := startLogs(t, cfg), startTraces(t, cfg), startLogs(t, &other)
	var wg sync.WaitGroup
	const rounds = 50
	for range rounds {
		wg.Go(func() {
			if err := l.ConsumeLogs(t.Context(), events("a", "b")); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if err := tr.ConsumeTraces(t.Context(), modelCalls("x")); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if err := more.ConsumeLogs(t.Context(), events("skip", "c")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	count := map[string]int{}
	for _, name := range namesOf(decodedLines(t, cfg.Path)) {
		count[name]++
	}
	if diff := cmp.Diff(map[string]int{"a": rounds, "b": rounds, "chat": rounds, "c": rounds}, count); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := auditlog.Open(cfg.Path); err == nil {
		t.Error("somebody else opened the log of a sole owner")
	}
}

func TestInstancesThatDisagreeAboutALogDoNotStart(t *testing.T) {
	cfg := newConfig(t)
	startLogs(t, cfg)
	other := *cfg
	other.Path = filepath.Join(filepath.Dir(cfg.Path), ".", "x", "..", filepath.Base(cfg.Path)) // the same file
	other.Rotation.MaxBytes = 1
	e, err := NewFactory().CreateLogs(t.Context(), exportertest.NewNopSettings(metadata.Type), &other)
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, e)
	if err := e.Start(t.Context(), componenttest.NewNopHost()); err == nil || !strings.Contains(err.Error(), "another exporter has it open with other settings") {
		t.Errorf("got %v, want an error that says so", err)
	}
}

func TestALogThatCannotBeOpenedIsAnErrorOfStart(t *testing.T) {
	cfg := newConfig(t)
	if err := os.Mkdir(cfg.Path, 0o700); err != nil {
		t.Fatal(err)
	}
	e, err := NewFactory().CreateTraces(t.Context(), exportertest.NewNopSettings(metadata.Type), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, e)
	if err := e.Start(t.Context(), componenttest.NewNopHost()); err == nil || !strings.Contains(err.Error(), cfg.Path) {
		t.Errorf("got %v, want an error that names %s", err, cfg.Path)
	}
}

func TestEventsAreChosenByTheirNames(t *testing.T) {
	cfg := newConfig(t)
	cfg.Events = EventsConfig{Include: []string{"claude_code.*", "nav"}, Exclude: []string{"*.tool_*"}}
	if err := startLogs(t, cfg).ConsumeLogs(t.Context(), events("nav", "navy", "claude_code.api_request", "claude_code.tool_result")); err != nil {
		t.Fatal(err)
	}
	if got, want := namesOf(decodedLines(t, cfg.Path)), []string{"nav", "claude_code.api_request"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestRulesChangeAttributes has a row for each action. The attributes are those
// of a record and of a span.
func TestRulesChangeAttributes(t *testing.T) {
	for _, test := range []struct {
		rules []AttributeRule
		want  map[string]any
	}{
		{[]AttributeRule{{Action: Drop, Keys: []string{"user.*", "n"}}}, map[string]any{"prompt": "key sk-ab", "list": []any{"sk-c", map[string]any{"k": "sk-d"}}}},
		{[]AttributeRule{{Action: Keep, Keys: []string{"n"}}}, map[string]any{"n": 1.0}},
		{[]AttributeRule{{Action: Replace, Keys: []string{"*"}, Value: "x"}}, map[string]any{"prompt": "x", "user.name": "x", "n": "x", "list": "x"}},
		{
			[]AttributeRule{{Action: Replace, Keys: []string{"*"}, Pattern: "sk-([a-z])[a-z]*", Value: "(${1})"}},
			map[string]any{"prompt": "key (a)", "user.name": "me", "n": 1.0, "list": []any{"(c)", map[string]any{"k": "(d)"}}},
		},
		{
			[]AttributeRule{{Action: Rename, Keys: []string{"user.name"}, To: "u"}, {Action: Keep, Keys: []string{"u"}}},
			map[string]any{"u": "me"},
		},
	} {
		cfg := newConfig(t)
		cfg.RecordUID = false
		cfg.Attributes = test.rules
		ld, td := events("e"), modelCalls("s")
		record, span := ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0), td.ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0)
		for _, attrs := range []pcommon.Map{record.Attributes(), span.Attributes()} {
			attrs.PutStr("prompt", "key sk-ab")
			attrs.PutStr("user.name", "me")
			attrs.PutInt("n", 1)
			list := attrs.PutEmptySlice("list")
			list.AppendEmpty().SetStr("sk-c")
			list.AppendEmpty().SetEmptyMap().PutStr("k", "sk-d")
		}
		if err := startLogs(t, cfg).ConsumeLogs(t.Context(), ld); err != nil {
			t.Fatal(err)
		}
		if err := startTraces(t, cfg).ConsumeTraces(t.Context(), td); err != nil {
			t.Fatal(err)
		}
		for _, line := range decodedLines(t, cfg.Path) {
			for _, key := range []string{"ts", "event", "session_id", "otel", "llm.request.type", "otelaudit.span.name", "duration_ms", "model", "call_id"} {
				delete(line, key)
			}
			if diff := cmp.Diff(test.want, line); diff != "" {
				t.Errorf("%v (-want +got):\n%s", test.rules, diff)
			}
		}
	}
}

// TestATooLongLineIsAPermanentError has records of 12 MiB that make lines of 72 MiB,
// more than a log takes: to send them again would not help. The others of the request
// are written.
func TestATooLongLineIsAPermanentError(t *testing.T) {
	cfg := newConfig(t)
	e := startLogs(t, cfg)
	ld := events("a", "long", "b")
	ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(1).Body().SetStr(strings.Repeat("\x01", 12<<20))
	err := e.ConsumeLogs(t.Context(), ld)
	if !consumererror.IsPermanent(err) || !strings.Contains(err.Error(), "1 record is not written, because its line is longer than 67108864 bytes") {
		t.Errorf("got %v, want a permanent error about one record", err)
	}
	only := events("long")
	only.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Body().SetStr(strings.Repeat("\x01", 12<<20))
	if err := e.ConsumeLogs(t.Context(), only); !consumererror.IsPermanent(err) {
		t.Errorf("got %v, want a permanent error", err)
	}
	if err := e.ConsumeLogs(t.Context(), events("c")); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"a", "b", "c"}, namesOf(decodedLines(t, cfg.Path))); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// TestNoErrorOfTheLogIsPermanent holds even one that no sending again can mend to be
// one for which the sender keeps its request.
func TestNoErrorOfTheLogIsPermanent(t *testing.T) {
	cfg := newConfig(t)
	e, err := NewFactory().CreateLogs(t.Context(), exportertest.NewNopSettings(metadata.Type), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(t.Context(), componenttest.NewNopHost()); err != nil {
		t.Fatal(err)
	}
	for _, o := range logs.byPath {
		if err := o.log.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.ConsumeLogs(t.Context(), events("a")); !errors.Is(err, auditlog.ErrClosed) || consumererror.IsPermanent(err) {
		t.Errorf("got %v, want auditlog.ErrClosed, not permanent", err)
	}
	if err := e.Shutdown(t.Context()); !errors.Is(err, auditlog.ErrClosed) {
		t.Errorf("shutdown: got %v, want auditlog.ErrClosed", err)
	}
}

// TestALogIsOpenUntilTheLastPipelineStops in whatever order they stop.
func TestALogIsOpenUntilTheLastPipelineStops(t *testing.T) {
	cfg := newConfig(t)
	l, err := NewFactory().CreateLogs(t.Context(), exportertest.NewNopSettings(metadata.Type), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Start(t.Context(), componenttest.NewNopHost()); err != nil {
		t.Fatal(err)
	}
	tr := startTraces(t, cfg)
	stop(t, l)
	if err := tr.ConsumeTraces(t.Context(), modelCalls("x")); err != nil {
		t.Error(err)
	}
}

// TestWhatIsSentAgainAfterItsSenderGaveUpIsNotDoubled: its lines are in the
// file, and the sender does not know.
func TestWhatIsSentAgainAfterItsSenderGaveUpIsNotDoubled(t *testing.T) {
	for _, mode := range []SyncMode{SyncAlways, SyncNever} {
		cfg := newConfig(t)
		cfg.Sync.Mode = mode
		l, tr := startLogs(t, cfg), startTraces(t, cfg)
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		for _, ctx := range []context.Context{gone, t.Context(), t.Context()} {
			// To say that it was written and to remember it would lose the next one
			// that is the same, if the answer arrives after all.
			logsErr, tracesErr := l.ConsumeLogs(ctx, events("a", "b")), tr.ConsumeTraces(ctx, modelCalls("x"))
			for _, err := range []error{logsErr, tracesErr} {
				if errors.Is(err, context.Canceled) != (ctx == gone) || consumererror.IsPermanent(err) {
					t.Errorf("%s: got %v; want the end of its context: %v", mode, err, ctx == gone)
				}
			}
			if ctx == gone {
				if err := l.ConsumeLogs(t.Context(), events("other")); err != nil {
					t.Fatal(err)
				}
			}
		}
		// The third is another one: nobody sends again what it was told is written.
		got := namesOf(decodedLines(t, cfg.Path))
		if want := []string{"a", "b", "chat", "other", "a", "b", "chat"}; !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", mode, got, want)
		}
	}
}

// TestARequestWithoutEventsWaitsForNoDisk though others have lines that are not
// synced.
func TestARequestWithoutEventsWaitsForNoDisk(t *testing.T) {
	cfg := newConfig(t)
	cfg.Sync.Interval = time.Hour
	others := *cfg
	others.Sync.Mode = SyncCadence
	tr := startTraces(t, cfg)
	if err := startLogs(t, &others).ConsumeLogs(t.Context(), events("a")); err != nil {
		t.Fatal(err)
	}
	var syncs atomic.Int64
	for _, o := range logs.byPath {
		defer o.log.ObserveSyncs(func(time.Duration, error) { syncs.Add(1) })()
	}
	td := modelCalls("x")
	td.ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0).Attributes().Clear()
	if err := tr.ConsumeTraces(t.Context(), td); err != nil || syncs.Load() != 0 {
		t.Errorf("got %d fsyncs, %v; want none", syncs.Load(), err)
	}
}

// TestAQueueThatWaitsForTheResultMeansOnDisk has requests that are written
// together.
func TestAQueueThatWaitsForTheResultMeansOnDisk(t *testing.T) {
	cfg := newConfig(t)
	queue := cfg.Queue.GetOrInsertDefault()
	queue.WaitForResult = true
	batch := queue.Batch.GetOrInsertDefault()
	batch.FlushTimeout, batch.MinSize = time.Millisecond, 10
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	e := startLogs(t, cfg)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if err := e.ConsumeLogs(t.Context(), events("a")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if lines := rawLines(t, cfg.Path); len(lines) != 20 {
		t.Errorf("got %d lines, want 20", len(lines))
	}
}

// TestWhatIsInTheQueueIsWrittenBeforeTheEnd of the exporter.
func TestWhatIsInTheQueueIsWrittenBeforeTheEnd(t *testing.T) {
	cfg := newConfig(t)
	cfg.Queue.GetOrInsertDefault()
	cfg.Retry.Enabled = true
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	e, err := NewFactory().CreateLogs(t.Context(), exportertest.NewNopSettings(metadata.Type), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(t.Context(), componenttest.NewNopHost()); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if err := e.ConsumeLogs(t.Context(), events("a")); err != nil {
			t.Fatal(err)
		}
	}
	stop(t, e)
	if lines := rawLines(t, cfg.Path); len(lines) != 100 {
		t.Errorf("got %d lines, want 100", len(lines))
	}
}

// TestTheLogIsInTheTelemetryOnce, however many pipelines write to it.
func TestTheLogIsInTheTelemetryOnce(t *testing.T) {
	cfg := newConfig(t)
	reader := sdkmetric.NewManualReader()
	set := exportertest.NewNopSettings(metadata.Type)
	set.MeterProvider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	l, err := NewFactory().CreateLogs(t.Context(), set, cfg)
	if err != nil {
		t.Fatal(err)
	}
	startComponent(t, l)
	tr, err := NewFactory().CreateTraces(t.Context(), set, cfg)
	if err != nil {
		t.Fatal(err)
	}
	startComponent(t, tr)
	if err := errors.Join(l.ConsumeLogs(t.Context(), events("a", "b")), tr.ConsumeTraces(t.Context(), modelCalls("x"))); err != nil {
		t.Fatal(err)
	}
	var got metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &got); err != nil {
		t.Fatal(err)
	}
	var lines []int64
	for _, scope := range got.ScopeMetrics {
		for _, m := range scope.Metrics {
			if sum, ok := m.Data.(metricdata.Sum[int64]); ok && m.Name == "otelaudit.log.lines" {
				for _, point := range sum.DataPoints {
					lines = append(lines, point.Value)
				}
			}
		}
	}
	if !slices.Equal(lines, []int64{3}) {
		t.Errorf("otelaudit.log.lines has the points %d, want one of 3", lines)
	}
}

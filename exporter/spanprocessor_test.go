package exporter_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/exporter"
	"github.com/otelaudit/otelaudit/internal/audittest"
	"github.com/otelaudit/otelaudit/internal/otelline"
)

// newSpans returns a tracer whose spans are written to the log.
// eventTool is the event of a tool's execution.
const eventTool = "execute_tool"

func newSpans(t *testing.T, opts ...exporter.SpanProcessorOption) (*sdktrace.TracerProvider, *auditlog.Log) {
	t.Helper()
	log := audittest.Open(t, filepath.Join(t.TempDir(), "audit.jsonl"), auditlog.WithSessionID("process"))
	p, err := exporter.NewSpanProcessor(log, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return sdktrace.NewTracerProvider(
		sdktrace.WithSpanProcessor(p), sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", "agent")))), log
}

func TestACallOfAModelBecomesAnEvent(t *testing.T) {
	tracers, log := newSpans(t)
	start := time.Date(2026, 2, 13, 14, 30, 22, 123_000_000, time.UTC)
	ctx := exporter.ContextWithSession(t.Context(), "s-1")
	_, span := tracers.Tracer("genai", trace.WithInstrumentationVersion("1.2")).Start(ctx, "chat gpt-4o", trace.WithTimestamp(start))
	span.SetAttributes(
		attribute.String("gen_ai.operation.name", "chat"), attribute.String("gen_ai.response.model", "gpt-4o"),
		attribute.Int("gen_ai.usage.input_tokens", 1500), attribute.Int("gen_ai.usage.output_tokens", 250),
		attribute.Float64("gen_ai.usage.cost", 0.0041))
	span.SetStatus(codes.Error, "cut off")
	span.End(trace.WithTimestamp(start.Add(1234500 * time.Microsecond)))
	line := onlyLine(t, log)
	otel := line["otel"].(map[string]any)
	delete(line, "otel")
	delete(line, "log.record.uid")
	want := map[string]any{
		"ts": "2026-02-13T14:30:23.357Z", "event": "chat", "session_id": "s-1", "cost": 0.0041, "model": "gpt-4o",
		"input_t": 1500.0, "output_t": 250.0, "failed": true, "reason": "cut off", "duration_ms": 1235.0,
		"gen_ai.operation.name": "chat", "gen_ai.response.model": "gpt-4o", "gen_ai.usage.input_tokens": 1500.0,
		"gen_ai.usage.output_tokens": 250.0, "gen_ai.usage.cost": 0.0041,
		"otelaudit.span.name": "chat gpt-4o", "call_id": span.SpanContext().TraceID().String()[16:] + "-" + span.SpanContext().SpanID().String(),
		"trace_id": span.SpanContext().TraceID().String(), "span_id": span.SpanContext().SpanID().String(), "trace_flags": "01",
	}
	if diff := cmp.Diff(want, line); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]any{
		"time_unix_nano": "1770993023357500000", "observed_time_unix_nano": "1770993023357500000", "severity_number": 17.0,
		"derived":  []any{"session_id", "cost", "model", "input_t", "output_t", "failed", "call_id"},
		"scope":    map[string]any{"name": "genai", "version": "1.2"},
		"resource": map[string]any{"attributes": map[string]any{"service.name": "agent"}},
	}, otel); diff != "" {
		t.Errorf("otel (-want +got):\n%s", diff)
	}
}

// TestAnEventOfASpanSaysItsParent has a parent that makes no event.
func TestAnEventOfASpanSaysItsParent(t *testing.T) {
	tracers, log := newSpans(t)
	ctx, parent := tracers.Tracer("test").Start(t.Context(), "work")
	_, span := tracers.Tracer("test").Start(ctx, "x", trace.WithAttributes(attribute.String("llm.request.type", "chat")))
	span.End()
	parent.End()
	if got, want := onlyLine(t, log)["otelaudit.span.parent_id"], parent.SpanContext().SpanID().String(); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestTheSessionOfASpanIsItsOwnBeforeThatOfItsContext also holds that the span
// is left as it is.
func TestTheSessionOfASpanIsItsOwnBeforeThatOfItsContext(t *testing.T) {
	tracers, log := newSpans(t)
	ctx := exporter.ContextWithSession(t.Context(), "context")
	for _, own := range []string{"own", ""} {
		_, span := tracers.Tracer("test").Start(ctx, "x")
		span.SetAttributes(attribute.String("llm.request.type", "chat"), attribute.String("gen_ai.conversation.id", own))
		span.End()
		if got := len(span.(sdktrace.ReadOnlySpan).Attributes()); got != 2 {
			t.Errorf("the span has %d attributes, want its own 2", got)
		}
	}
	lines := decodedLines(t, log)
	if lines[0]["session_id"] != "own" || lines[1]["session_id"] != "context" {
		t.Errorf("got sessions %v and %v, want own and context", lines[0]["session_id"], lines[1]["session_id"])
	}
}

// TestACallThatFailedIsAnEventWithoutUsage has no tokens to go by.
func TestACallThatFailedIsAnEventWithoutUsage(t *testing.T) {
	tracers, log := newSpans(t)
	_, span := tracers.Tracer("test").Start(t.Context(), "chat", trace.WithAttributes(attribute.String("gen_ai.operation.name", "chat")))
	span.SetStatus(codes.Error, "429 rate limited")
	span.End()
	if line := onlyLine(t, log); line["event"] != "chat" || line["reason"] != "429 rate limited" || line["input_t"] != nil {
		t.Errorf("got %v", line)
	}
}

// TestASumGivesNoUsageOfItsOwnEither keeps what it says in the envelope.
func TestASumGivesNoUsageOfItsOwnEither(t *testing.T) {
	tracers, log := newSpans(t)
	_, span := tracers.Tracer("test").Start(t.Context(), "agent", trace.WithAttributes(
		attribute.String("gen_ai.operation.name", "invoke_agent"), attribute.Float64("cost", 9), attribute.Int("input_t", 3)))
	span.End()
	line := onlyLine(t, log)
	aside := line["otel"].(map[string]any)["attributes"]
	if diff := cmp.Diff(map[string]any{"cost": 9.0, "input_t": 3.0}, aside); diff != "" || line["cost"] != nil || line["input_t"] != nil {
		t.Errorf("got %v (-want +got):\n%s", line, diff)
	}
}

// TestWhichSpansAreCallsOfAModel has a row per rule.
func TestWhichSpansAreCallsOfAModel(t *testing.T) {
	usage := []attribute.KeyValue{attribute.Int("gen_ai.usage.input_tokens", 5), attribute.Int("llm.token_count.prompt", 5)}
	str := attribute.String
	for _, test := range []struct {
		span  string
		attrs []attribute.KeyValue
		event string // empty: none
		usage bool
	}{
		{"chat", append(slices.Clone(usage), str("gen_ai.operation.name", "chat")), "chat", true},
		{"x", append(slices.Clone(usage), str("gen_ai.operation.name", "text_completion")), "text_completion", true},
		{"x", append(slices.Clone(usage), str("gen_ai.operation.name", "generate_content")), "generate_content", true},
		{"x", append(slices.Clone(usage), str("gen_ai.operation.name", "embeddings")), "embeddings", true},
		{"x", []attribute.KeyValue{str("gen_ai.operation.name", "chat")}, "chat", false},
		{"x", append(slices.Clone(usage), str("gen_ai.operation.name", "execute_tool")), "execute_tool", false},
		{"x", append(slices.Clone(usage), str("gen_ai.operation.name", "invoke_agent")), "invoke_agent", false},
		{"x", append(slices.Clone(usage), str("gen_ai.operation.name", "invoke_workflow")), "invoke_workflow", false},
		{"ChatOpenAI", append(slices.Clone(usage), str("openinference.span.kind", "LLM")), "LLM", true},
		{"embed", append(slices.Clone(usage), str("openinference.span.kind", "EMBEDDING")), "EMBEDDING", true},
		{"chain", append(slices.Clone(usage), str("openinference.span.kind", "CHAIN")), "CHAIN", false},
		{"tool", append(slices.Clone(usage), str("openinference.span.kind", "TOOL")), "execute_tool", false},
		{"generation", append(slices.Clone(usage), str("langfuse.observation.type", "generation")), "generation", true},
		{"openai.chat", append(slices.Clone(usage), str("llm.request.type", "chat")), "chat", true},
		{"ai.generateText", usage, "", false},
		{"renamed", append(slices.Clone(usage), str("ai.operationId", "ai.generateText.doGenerate")), "ai.generateText.doGenerate", true},
		{"ai.generateText.doGenerate", usage, "ai.generateText.doGenerate", true},
		{"ai.generateText.doGenerate", append(slices.Clone(usage), str("ai.operationId", "ai.generateText")), "", false},
		{"my.call", usage, "my.call", true},
		{"GET /x", []attribute.KeyValue{str("http.route", "/x")}, "", false},
	} {
		tracers, log := newSpans(t, exporter.WithSpanNames("my.call"))
		_, span := tracers.Tracer("test").Start(t.Context(), test.span, trace.WithAttributes(test.attrs...))
		span.End()
		lines := decodedLines(t, log)
		if test.event == "" {
			if len(lines) != 0 {
				t.Errorf("%s %v gives %v, want no event", test.span, test.attrs, lines)
			}
			continue
		}
		if len(lines) != 1 || lines[0]["event"] != test.event {
			t.Errorf("%s %v gives %v, want event %s", test.span, test.attrs, lines, test.event)
			continue
		}
		if _, got := lines[0]["input_t"]; got != test.usage {
			t.Errorf("%s %v: input_t is there: %v, want %v", test.span, test.attrs, got, test.usage)
		}
	}
}

// TestALateSpanIsWrittenAfterTheLoggerProviderIsShutDown is why the span
// processor takes the log.
func TestALateSpanIsWrittenAfterTheLoggerProviderIsShutDown(t *testing.T) {
	tracers, log := newSpans(t)
	exp, err := exporter.New(log)
	if err != nil {
		t.Fatal(err)
	}
	_, span := tracers.Tracer("test").Start(t.Context(), "late", trace.WithAttributes(attribute.String("llm.request.type", "chat")))
	if err := sdklog.NewLoggerProvider(sdklog.WithProcessor(exporter.NewProcessor(exp))).Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	span.End()
	ctx := context.WithoutCancel(t.Context())
	if err := errors.Join(tracers.ForceFlush(ctx), tracers.Shutdown(ctx)); err != nil {
		t.Error(err)
	}
	if line := onlyLine(t, log); line["event"] != "chat" {
		t.Errorf("got event %v", line["event"])
	}
}

func TestWhatASpanSaysItselfGoesBeforeItsTimesAndStatus(t *testing.T) {
	tracers, log := newSpans(t)
	_, span := tracers.Tracer("test").Start(exporter.ContextWithSession(t.Context(), "context"), "x", trace.WithAttributes(
		attribute.String("llm.request.type", "chat"), attribute.Int("duration_ms", 7), attribute.String("error.message", "mine"),
		attribute.String("session.id", "own")))
	span.SetStatus(codes.Error, "status")
	span.End()
	line := onlyLine(t, log)
	if line["duration_ms"] != 7.0 || line["reason"] != "mine" || line["session_id"] != "own" {
		t.Errorf("got duration %v, reason %v, session %v", line["duration_ms"], line["reason"], line["session_id"])
	}
}

// TestASpanThatCannotBeWrittenIsReported has no return value to look at.
func TestASpanThatCannotBeWrittenIsReported(t *testing.T) {
	errs := handleErrors(t)
	tracers, log := newSpans(t)
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"x", "y", "z"} {
		_, span := tracers.Tracer("test").Start(t.Context(), name, trace.WithAttributes(attribute.String("llm.request.type", "chat")))
		span.End()
	}
	if err := errs.all(); !errors.Is(err, auditlog.ErrClosed) || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), `"x"`) {
		t.Errorf("otel.Handle got %v, want auditlog.ErrClosed once, of span x", err)
	}
	if err := tracers.Shutdown(t.Context()); !errors.Is(err, auditlog.ErrClosed) {
		t.Errorf("got %v, want auditlog.ErrClosed", err)
	}
	if want := "more events of spans that could not be written"; !strings.Contains(errs.all().Error(), want) {
		t.Errorf("otel.Handle got %v, want %q in it", errs.all(), want)
	}
}

// TestASpanIsRecognisedByItsMapsToo has what the rules look at in maps.
func TestASpanIsRecognisedByItsMapsToo(t *testing.T) {
	tokens := attribute.Map("usage", attribute.Int("input_tokens", 5))
	operation := func(name string) attribute.KeyValue {
		return attribute.Map("operation", attribute.String("name", name))
	}
	for name, test := range map[string]struct {
		attrs  []attribute.KeyValue
		failed bool
		want   map[string]any // nil: no event
	}{
		"operation and usage": {[]attribute.KeyValue{attribute.Map("gen_ai", operation("chat"), tokens)}, false, map[string]any{"event": "chat", "input_t": 5.0}},
		"usage alone": {[]attribute.KeyValue{attribute.Map("gen_ai", tokens), attribute.String("gen_ai.operation.name", "chat")}, false,
			map[string]any{"event": "chat", "input_t": 5.0}},
		"operation alone": {[]attribute.KeyValue{attribute.Int("gen_ai.usage.input_tokens", 5), attribute.Map("gen_ai", operation("chat"))}, false,
			map[string]any{"event": "chat", "input_t": 5.0}},
		"no usage": {[]attribute.KeyValue{attribute.Map("gen_ai", operation("chat"))}, false, map[string]any{"event": "chat", "input_t": nil}},
		"no usage, as it failed": {[]attribute.KeyValue{attribute.Map("gen_ai", operation("chat"))}, true,
			map[string]any{"event": "chat", "reason": "status"}},
		"a reason of its own": {[]attribute.KeyValue{attribute.Map("gen_ai", operation("chat")), attribute.Map("error", attribute.String("message", "mine"))}, true,
			map[string]any{"event": "chat", "reason": "mine"}},
		"a sum":               {[]attribute.KeyValue{attribute.Map("gen_ai", operation("invoke_agent"), tokens)}, false, map[string]any{"event": "invoke_agent", "input_t": nil}},
		"another operation":   {[]attribute.KeyValue{attribute.Map("gen_ai", operation("execute_tool"), tokens)}, false, map[string]any{"event": "execute_tool", "input_t": nil}},
		"the attribute first": {[]attribute.KeyValue{attribute.Map("gen_ai", operation("chat"), tokens), attribute.String("gen_ai.operation.name", "execute_tool")}, false, map[string]any{"event": "execute_tool"}},
		"no text":             {[]attribute.KeyValue{attribute.Map("llm", attribute.Int("request.type", 1))}, false, nil},
		"OpenInference":       {[]attribute.KeyValue{attribute.Map("openinference", attribute.String("span.kind", "LLM"))}, false, map[string]any{"event": "LLM"}},
		"Langfuse":            {[]attribute.KeyValue{attribute.Map("langfuse", attribute.Map("observation", attribute.String("type", "generation")))}, false, map[string]any{"event": "generation"}},
		"OpenLLMetry":         {[]attribute.KeyValue{attribute.Map("llm.request", attribute.String("type", "chat"))}, false, map[string]any{"event": "chat"}},
		"other maps":          {[]attribute.KeyValue{attribute.Map("http", attribute.String("route", "/x")), attribute.Map("name", attribute.String("operation", "chat"))}, false, nil},
	} {
		tracers, log := newSpans(t)
		_, span := tracers.Tracer("test").Start(t.Context(), "x", trace.WithAttributes(test.attrs...))
		if test.failed {
			span.SetStatus(codes.Error, "status")
		}
		span.End()
		lines := decodedLines(t, log)
		if want := min(len(test.want), 1); len(lines) != want {
			t.Errorf("%s: got %d lines, want %d", name, len(lines), want)
			continue
		}
		for key, want := range test.want {
			if got := lines[0][key]; got != want {
				t.Errorf("%s: got %s %v, want %v", name, key, got, want)
			}
		}
	}
}

// TestAMapOfNoMeaningDoesNotChangeWhatASpanIs, nor do keys that are repeated, which
// a collector may receive: the first one counts.
func TestAMapOfNoMeaningDoesNotChangeWhatASpanIs(t *testing.T) {
	exp, log := newExporter(t)
	batch := exp.NewBatch()
	defer batch.Release()
	batch.SetOrigin(&otelline.Origin{})
	tokens := attribute.Int("gen_ai.usage.input_tokens", 5)
	var want []string
	for _, key := range []string{"gen_ai.operation.name", "openinference.span.kind", "langfuse.observation.type", "llm.request.type"} {
		for _, names := range [][2]string{{"chat", "execute_tool"}, {"execute_tool", "chat"}, {"LLM", "TOOL"}, {"TOOL", "LLM"}, {"generation", "span"}, {"span", "generation"}} {
			attrs := []attribute.KeyValue{attribute.String(key, names[0]), tokens, attribute.String(key, names[1])}
			before := batch.Len()
			batch.AddSpan(&otelline.Span{Name: "x", Attributes: attrs})
			switch {
			case batch.Len() == before:
			case names[0] == "TOOL":
				want = append(want, eventTool)
			default:
				want = append(want, names[0])
			}
			made := batch.Len() - before
			batch.AddSpan(&otelline.Span{Name: "x", Attributes: append(attrs, attribute.Map("http", attribute.String("route", "/")))})
			if got := batch.Len() - before - made; got != made {
				t.Errorf("%s %v: got %d events with a map and %d without", key, names, got, made)
			}
		}
	}
	if err := batch.Write(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, line := range decodedLines(t, log) {
		if line["event"] != want[i/2] {
			t.Errorf("got event %v, want %s", line["event"], want[i/2])
		}
	}
	if wanted := []string{"chat", eventTool, "LLM", eventTool, "generation", "chat"}; !slices.Equal(want, wanted) {
		t.Errorf("got events %q, want %q", want, wanted)
	}
}

// TestASpanWithoutATimeHasNoDuration, as a collector may receive it: to the end from
// the year 1 it would be three hundred years.
func TestASpanWithoutATimeHasNoDuration(t *testing.T) {
	exp, log := newExporter(t)
	batch := exp.NewBatch()
	defer batch.Release()
	batch.SetOrigin(&otelline.Origin{})
	start, end := time.Unix(1_770_000_000, 0), time.Unix(1_770_000_002, 0)
	for _, times := range [][2]time.Time{{start, end}, {{}, end}, {start, {}}, {{}, {}}} {
		batch.AddSpan(&otelline.Span{Name: "chat", Attributes: []attribute.KeyValue{attribute.String("gen_ai.operation.name", "chat")}, Start: times[0], End: times[1]})
	}
	if err := batch.Write(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, line := range decodedLines(t, log) {
		if want := []any{2000.0, nil, nil, nil}[i]; line["duration_ms"] != want {
			t.Errorf("span %d: got duration_ms %v, want %v", i, line["duration_ms"], want)
		}
	}
}

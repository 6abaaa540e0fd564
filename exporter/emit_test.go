package exporter_test

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/exporter"
)

// handled collects what is given to otel.Handle, which is global.
type handled struct {
	mu   sync.Mutex
	errs []error
}

func (h *handled) Handle(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.errs = append(h.errs, err)
}

func (h *handled) all() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return errors.Join(h.errs...)
}

func handleErrors(t *testing.T) *handled {
	t.Helper()
	before := otel.GetErrorHandler()
	h := new(handled)
	otel.SetErrorHandler(h)
	t.Cleanup(func() { otel.SetErrorHandler(before) })
	return h
}

// TestEmitWritesTheEventThatAppendWouldWrite compares the two ways in.
func TestEmitWritesTheEventThatAppendWouldWrite(t *testing.T) {
	errs := handleErrors(t)
	event := auditlog.Event{
		Time: time.Date(2026, 2, 13, 14, 30, 22, 123_999_999, time.UTC), Name: "llm.call", SessionID: "s-1",
		Cost: new(0.0041), Model: "gpt-4o", InputTokens: new(int64(1500)), OutputTokens: new(int64(0)),
		CacheReadTokens: new(int64(1024)), CacheWriteTokens: new(int64(100)), CacheWriteHourTokens: new(int64(50)), ReasoningTokens: new(int64(0)),
		Files: []string{"a.go", "b.go"}, Reason: "why", Confidence: new(int64(87)), Duration: new(1500 * time.Millisecond),
		Config:  map[string]any{"temperature": 0.0, "stop": []any{"a", nil}},
		TraceID: "5b8efff798038103d269b633813fc60c", SpanID: "eee19b7ec3c1b174", TraceFlags: new(byte(1)),
		Attributes: map[string]any{
			"n": 5, "f": 1.0, "huge": int64(math.MinInt64), "b": true, "bytes": []byte{0, 1}, "list": []string{"x"},
			"map": map[string]any{"a": map[string]any{"intValue": 1}}, "struct": struct{ A, B int }{1, 2}, "nan": math.NaN(),
		},
	}
	exp, log := newExporter(t)
	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(exporter.NewProcessor(exp)))
	exporter.Emit(t.Context(), provider.Logger("test"), event)
	if err := log.Append(t.Context(), event); err != nil {
		t.Fatal(err)
	}
	lines := decodedLines(t, log)
	if derived := derivedOf(lines[0]); !slices.Equal(derived, []string{"call_id"}) {
		t.Errorf("got derived %q, want the id of the call only", derived)
	}
	delete(lines[0], "otel")
	delete(lines[0], "call_id")
	delete(lines[0], "log.record.uid")
	if diff := cmp.Diff(lines[1], lines[0]); diff != "" {
		t.Errorf("(-Append +Emit):\n%s", diff)
	}
	if err := errs.all(); err != nil {
		t.Error(err)
	}
}

func TestEmitTakesSpanAndSessionOfItsContext(t *testing.T) {
	exp, log := newExporter(t)
	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(exporter.NewProcessor(exp)))
	ctx, span := sdktrace.NewTracerProvider().Tracer("test").Start(exporter.ContextWithSession(t.Context(), "s-1"), "work")
	before := time.Now().Truncate(time.Millisecond)
	exporter.Emit(ctx, provider.Logger("test"), auditlog.Event{Name: "nav"})
	span.End()
	line := onlyLine(t, log)
	if got, want := line["trace_id"], span.SpanContext().TraceID().String(); got != want {
		t.Errorf("got trace %v, want %v", got, want)
	}
	if got, want := line["span_id"], span.SpanContext().SpanID().String(); got != want {
		t.Errorf("got span %v, want %v", got, want)
	}
	if line["session_id"] != "s-1" {
		t.Errorf("got session %v, want s-1", line["session_id"])
	}
	if at, err := time.Parse(time.RFC3339, line["ts"].(string)); err != nil || at.Before(before) {
		t.Errorf("got ts %v, want now", line["ts"])
	}
}

// TestEmitReportsABadEventAndEmitsItAllTheSame also looks at where its parts
// are.
func TestEmitReportsABadEventAndEmitsItAllTheSame(t *testing.T) {
	errs := handleErrors(t)
	exp, log := newExporter(t)
	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(exporter.NewProcessor(exp)))
	exporter.Emit(t.Context(), provider.Logger("test"), auditlog.Event{
		Cost: new(math.NaN()), Model: "m", TraceID: "xyz",
		Attributes: map[string]any{"model": "other", "": 1, "nil": nil},
	})
	line := onlyLine(t, log)
	if line["event"] != "log" || line["model"] != "m" || line["cost"] != nil {
		t.Errorf("got event %v, model %v, cost %v", line["event"], line["model"], line["cost"])
	}
	aside := line["otel"].(map[string]any)["attributes"]
	if diff := cmp.Diff(map[string]any{"cost": map[string]any{"doubleValue": "NaN"}}, aside); diff != "" {
		t.Errorf("otel.attributes (-want +got):\n%s", diff)
	}
	err := errs.all()
	if err == nil {
		t.Fatal("nothing was handed to otel.Handle")
	}
	for _, want := range []string{"Name: it is empty", `attribute "model" (other)`, "has no key"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
}

func TestSetupWritesWhatGlobalLoggersEmit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "folder", "audit.jsonl")
	early := otel.Logger("made before")
	shutdown, err := exporter.Setup(t.Context(), path,
		exporter.WithSources("cost", "my.price"),
		exporter.WithLogOptions(auditlog.WithSessionID("all")),
		exporter.WithFilter(func(_ context.Context, p sdklog.EnabledParameters) bool { return p.EventName != "noise" }),
		exporter.WithProviderOptions(sdklog.WithResource(resource.NewSchemaless())))
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	exporter.Emit(ctx, early, auditlog.Event{Name: "early"})
	exporter.Emit(ctx, early, auditlog.Event{Name: "noise"})
	exporter.Emit(ctx, otel.Logger("made after"), auditlog.Event{Name: "late", Attributes: map[string]any{"my.price": "0.5"}})
	for range 2 {
		if err := shutdown(context.WithoutCancel(ctx)); err != nil {
			t.Error(err)
		}
	}
	r, err := auditlog.NewReader(path)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for e, err := range r.Query(ctx, auditlog.Filter{Session: "all"}) {
		if err != nil {
			t.Fatal(err)
		}
		event, err := e.Event()
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, event.Name)
		if event.Name == "late" && (event.Cost == nil || *event.Cost != 0.5) {
			t.Errorf("got cost %v, want that of my.price", event.Cost)
		}
	}
	if diff := cmp.Diff([]string{"early", "late"}, names); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestSetupReportsWhatItCannotDo(t *testing.T) {
	if _, err := exporter.Setup(t.Context(), t.TempDir()+"/"); err == nil {
		t.Error("a folder as the log is no error")
	}
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	if _, err := exporter.Setup(t.Context(), path, exporter.WithSources("price")); err == nil {
		t.Error("an unknown field is no error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := exporter.Setup(ctx, path); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

// TestEmitReportsEachFieldThatAppendWouldRefuse shows one at a time.
func TestEmitReportsEachFieldThatAppendWouldRefuse(t *testing.T) {
	_, log := newExporter(t)
	exp, err := exporter.New(log)
	if err != nil {
		t.Fatal(err)
	}
	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(exporter.NewProcessor(exp)))
	for field, event := range map[string]auditlog.Event{
		"Cost":         {Name: "e", Cost: new(math.NaN())},
		"InputTokens":  {Name: "e", InputTokens: new(int64(-5))},
		"OutputTokens": {Name: "e", OutputTokens: new(int64(1 << 53))},
		"Confidence":   {Name: "e", Confidence: new(int64(101))},
		"Duration":     {Name: "e", Duration: new(-time.Second)},
		"TraceID":      {Name: "e", TraceID: "00000000000000000000000000000000"},
		"SpanID":       {Name: "e", SpanID: "zz"},
	} {
		errs := handleErrors(t)
		exporter.Emit(t.Context(), provider.Logger("test"), event)
		if got, ok := errors.AsType[*auditlog.EventError](errs.all()); !ok || got.Field != field {
			t.Errorf("%s: otel.Handle got %v", field, errs.all())
		}
	}
	if got := len(rawLines(t, log)); got != 7 {
		t.Errorf("got %d lines, want all 7 events", got)
	}
}

// TestAPartOfATraceContextReplacesThatPart starts from the span of the context.
func TestAPartOfATraceContextReplacesThatPart(t *testing.T) {
	exp, log := newExporter(t)
	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(exporter.NewProcessor(exp)))
	ctx, span := sdktrace.NewTracerProvider().Tracer("test").Start(t.Context(), "work")
	defer span.End()
	own, other := span.SpanContext(), "5b8efff798038103d269b633813fc60c"
	for _, event := range []auditlog.Event{
		{Name: "span", SpanID: "eee19b7ec3c1b174"}, {Name: "flags", TraceFlags: new(byte(0))}, {Name: "trace", TraceID: other}, {Name: "bad", TraceID: "zz"},
	} {
		handleErrors(t)
		exporter.Emit(ctx, provider.Logger("test"), event)
	}
	want := []map[string]any{
		{"trace_id": own.TraceID().String(), "span_id": "eee19b7ec3c1b174", "trace_flags": "01"},
		{"trace_id": own.TraceID().String(), "span_id": own.SpanID().String(), "trace_flags": "00"},
		{"trace_id": other, "span_id": nil, "trace_flags": "00"},
		{"trace_id": own.TraceID().String(), "span_id": own.SpanID().String(), "trace_flags": "01"},
	}
	for i, line := range decodedLines(t, log) {
		got := map[string]any{"trace_id": line["trace_id"], "span_id": line["span_id"], "trace_flags": line["trace_flags"]}
		if diff := cmp.Diff(want[i], got); diff != "" {
			t.Errorf("%v (-want +got):\n%s", line["event"], diff)
		}
	}
}

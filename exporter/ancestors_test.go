package exporter_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/exporter"
	"github.com/otelaudit/otelaudit/internal/alloctest"
	"github.com/otelaudit/otelaudit/internal/audittest"
	"github.com/otelaudit/otelaudit/internal/otelline"
	"github.com/otelaudit/otelaudit/internal/recordtest"
	"github.com/otelaudit/otelaudit/internal/trials"
)

var (
	isCall = trace.WithAttributes(attribute.String("gen_ai.operation.name", "chat"))
	named  = attribute.String("session.id", "s")
)

// told are lines as "name session", with a ~ in front of a default, and "record of" in
// front of a span record. Lines of log records have the name of their event.
func told(lines []map[string]any) (list []string) {
	for _, line := range lines {
		session := line["session_id"].(string)
		if slices.Contains(derivedOf(line), "session_default") {
			session = "~" + session
		}
		name, ok := line["otelaudit.span.name"].(string)
		if !ok {
			name = line["event"].(string)
		}
		if isSpanRecord(line) {
			name = "record of " + name
		}
		list = append(list, name+" "+session)
	}
	return list
}

// TestAncestorsOfASpan ends spans in each order in which programs end them.
func TestAncestorsOfASpan(t *testing.T) {
	for name, test := range map[string]struct {
		run  func(ctx context.Context, tracer trace.Tracer)
		want []string
	}{
		"a parent that has not ended": {func(ctx context.Context, tracer trace.Tracer) {
			ctx, agent := tracer.Start(ctx, "agent", trace.WithAttributes(named))
			ctx, step := tracer.Start(ctx, "step")
			_, chat := tracer.Start(ctx, "chat", isCall)
			chat.End()
			step.End()
			agent.End()
		}, []string{"chat s", "record of step s", "record of agent s"}},
		"a session that is set while it runs": {func(ctx context.Context, tracer trace.Tracer) {
			ctx, agent := tracer.Start(ctx, "agent")
			_, first := tracer.Start(ctx, "first", isCall)
			first.End()
			agent.SetAttributes(named)
			_, second := tracer.Start(ctx, "second", isCall)
			second.End()
			agent.End()
		}, []string{"first ~process", "second s", "record of agent s"}},
		"parents that ended": {func(ctx context.Context, tracer trace.Tracer) {
			ctx, agent := tracer.Start(ctx, "agent", trace.WithAttributes(named))
			agent.End()
			ctx, step := tracer.Start(ctx, "step")
			step.End()
			_, chat := tracer.Start(ctx, "chat", isCall)
			chat.End()
		}, []string{"record of agent s", "chat s", "record of step s"}},
		"a parent with a line": {func(ctx context.Context, tracer trace.Tracer) {
			ctx, agent := tracer.Start(ctx, "agent", trace.WithAttributes(named, attribute.String("gen_ai.operation.name", "invoke_agent")))
			_, chat := tracer.Start(ctx, "chat", isCall)
			chat.End()
			agent.End()
		}, []string{"chat s", "agent s"}},
		"the nearest counts": {func(ctx context.Context, tracer trace.Tracer) {
			ctx, outer := tracer.Start(ctx, "outer", trace.WithAttributes(named))
			ctx, inner := tracer.Start(ctx, "inner", trace.WithAttributes(attribute.String("gen_ai.conversation.id", "t")))
			_, chat := tracer.Start(ctx, "chat", isCall)
			chat.End()
			inner.End()
			outer.End()
		}, []string{"chat t", "record of inner t", "record of outer s"}},
		"the same session again": {func(ctx context.Context, tracer trace.Tracer) {
			ctx, outer := tracer.Start(ctx, "outer", trace.WithAttributes(named))
			_, inner := tracer.Start(ctx, "inner", trace.WithAttributes(named))
			inner.End()
			outer.End()
		}, []string{"record of outer s"}},
		"a context before an ancestor": {func(ctx context.Context, tracer trace.Tracer) {
			ctx, agent := tracer.Start(ctx, "agent", trace.WithAttributes(named))
			_, chat := tracer.Start(exporter.ContextWithSession(ctx, "context"), "chat", isCall)
			chat.End()
			agent.End()
		}, []string{"chat context", "record of agent s"}},
		"a remote parent has none": {func(ctx context.Context, tracer trace.Tracer) {
			_, agent := tracer.Start(ctx, "agent", trace.WithAttributes(named))
			_, chat := tracer.Start(trace.ContextWithRemoteSpanContext(ctx, agent.SpanContext()), "chat", isCall)
			chat.End()
			agent.End()
		}, []string{"chat ~process", "record of agent s"}},
		"no call, no session": {func(ctx context.Context, tracer trace.Tracer) {
			ctx, request := tracer.Start(exporter.ContextWithSession(ctx, "context"), "GET /")
			_, query := tracer.Start(ctx, "query")
			query.End()
			request.End()
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			tracers, l := newSpans(t)
			test.run(t.Context(), tracers.Tracer("test"))
			if diff := cmp.Diff(test.want, told(decodedLines(t, l))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestAncestorsOfALogRecord: by the processor and by a batch, whose exporter is made
// without a word about spans.
func TestAncestorsOfALogRecord(t *testing.T) {
	for _, batched := range []bool{false, true} {
		tracers, l := newSpans(t)
		exp, err := exporter.New(l)
		if err != nil {
			t.Fatal(err)
		}
		var processor sdklog.Processor = exporter.NewProcessor(exp)
		if batched {
			processor = sdklog.NewBatchProcessor(exp)
		}
		loggers := sdklog.NewLoggerProvider(sdklog.WithProcessor(processor))
		emit := func(ctx context.Context, name string, attrs ...attribute.KeyValue) {
			var r log.Record
			r.SetEventName(name)
			r.AddAttributes(attrs...)
			loggers.Logger("test").Emit(ctx, r)
		}
		ctx, agent := tracers.Tracer("test").Start(t.Context(), "agent", trace.WithAttributes(named))
		inStep, step := tracers.Tracer("test").Start(ctx, "step")
		emit(ctx, "in.agent")
		emit(inStep, "llm.call", attribute.Int("input_tokens", 5))
		emit(inStep, "own", attribute.String("session.id", "own"))
		emit(t.Context(), "outside")
		if err := loggers.ForceFlush(t.Context()); err != nil {
			t.Fatal(err)
		}
		step.End()
		agent.End()
		want := []string{"in.agent s", "llm.call s", "own own", "outside ~process", "record of step s", "record of agent s"}
		if diff := cmp.Diff(want, told(decodedLines(t, l))); diff != "" {
			t.Errorf("batched: %v (-want +got):\n%s", batched, diff)
		}
	}
}

// TestAncestorsOfALogRecordAreNotRemote: the caller's span is in this process, but
// what it sent may come from anywhere.
func TestAncestorsOfALogRecordAreNotRemote(t *testing.T) {
	tracers, l := newSpans(t)
	exp, err := exporter.New(l)
	if err != nil {
		t.Fatal(err)
	}
	loggers := sdklog.NewLoggerProvider(sdklog.WithProcessor(exporter.NewProcessor(exp)))
	_, agent := tracers.Tracer("test").Start(t.Context(), "agent", trace.WithAttributes(named))
	var r log.Record
	r.SetEventName("remote")
	loggers.Logger("test").Emit(trace.ContextWithRemoteSpanContext(t.Context(), agent.SpanContext()), r)
	if diff := cmp.Diff([]string{"remote ~process"}, told(decodedLines(t, l))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestAncestorsAreForgotten: what a span processor remembers is bounded, also of spans
// that never end. 0 remembers nothing.
func TestAncestorsAreForgotten(t *testing.T) {
	for traces, want := range map[int]string{0: "chat ~process", 2: "chat ~process", 4: "chat s"} {
		tracers, l := newSpans(t, exporter.WithRecentTraces(traces))
		tracer := tracers.Tracer("test")
		ctx, _ := tracer.Start(t.Context(), "agent", trace.WithAttributes(named))
		for range 3 {
			tracer.Start(t.Context(), "other")
		}
		_, chat := tracer.Start(ctx, "chat", isCall)
		chat.End()
		if got := told(decodedLines(t, l)); !slices.Equal(got, []string{want}) {
			t.Errorf("%d traces: got %q, want %q", traces, got, want)
		}
	}
}

// TestRecentTracesAreANumberOfTraces names what is wrong.
func TestRecentTracesAreANumberOfTraces(t *testing.T) {
	l := audittest.Open(t, filepath.Join(t.TempDir(), "audit.jsonl"))
	for _, n := range []int{-1, exporter.MaxRecentTraces + 1} {
		if _, err := exporter.NewSpanProcessor(l, exporter.WithRecentTraces(n)); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("WithRecentTraces(%d)", n)) {
			t.Errorf("%d: got %v, want an error that says so", n, err)
		}
	}
}

// TestExportDoesNotAllocateBesideSpans: the records of a program that has spans.
func TestExportDoesNotAllocateBesideSpans(t *testing.T) {
	l, err := auditlog.Open(filepath.Join(t.TempDir(), "audit.jsonl"), unsynced...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	exp, err := exporter.New(l)
	if err != nil {
		t.Fatal(err)
	}
	spans, err := exporter.NewSpanProcessor(l)
	if err != nil {
		t.Fatal(err)
	}
	_, span := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("test").Start(t.Context(), "x")
	defer span.End()
	records := recordtest.ModelCalls(batchSize)
	export := func() {
		if err := exp.Export(t.Context(), records); err != nil {
			t.Fatal(err)
		}
	}
	export()
	if allocs := alloctest.PerRun(50, export); !trials.Race && allocs != 0 {
		t.Errorf("Export of %d records allocates %v times, want 0", batchSize, allocs)
	}
}

// TestSpanMemoryIsBounded fills it with what takes the most room, and goes on: the
// number is what the documentation says.
func TestSpanMemoryIsBounded(t *testing.T) {
	const limit = 44 << 20
	l, err := auditlog.Open(filepath.Join(t.TempDir(), "audit.jsonl"), unsynced...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	p, err := exporter.NewSpanProcessor(l)
	if err != nil {
		t.Fatal(err)
	}
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	id := uint64(0)
	for range 3 {
		var spans []otelline.Span
		for range exporter.DefaultRecentTraces * 64 {
			id++
			span := otelline.Span{
				Name:       fmt.Sprintf("%0128d", id),
				Attributes: []attribute.KeyValue{attribute.String("session.id", fmt.Sprintf("%0256d", id))},
				Start:      time.Unix(1770993022, 0), End: time.Unix(1770993023, 0),
			}
			binary.BigEndian.PutUint64(span.TraceID[8:], id/64+1)
			binary.BigEndian.PutUint64(span.SpanID[:], id)
			spans = append(spans, span)
		}
		b := p.NewBatch()
		b.SetOrigin(&otelline.Origin{})
		for i := range spans {
			b.Announce(&spans[i])
		}
		for i := range spans {
			b.AddSpan(&spans[i])
		}
		if err := b.AddRecords(func() error { return nil }); err != nil {
			t.Fatal(err)
		}
		if err := b.Write(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.Release()
	}
	if grown := heap() - before; grown > limit {
		t.Errorf("%d bytes are held, want at most %d", grown, limit)
	} else {
		t.Logf("%d bytes are held", grown)
	}
	runtime.KeepAlive(p)
}

// BenchmarkSpan ends calls of models that name their session and have no parent, and
// ones whose session is that of an ancestor, which runs on.
func BenchmarkSpan(b *testing.B) {
	for _, ancestors := range []int{0, 1, 3} {
		b.Run(fmt.Sprintf("ancestors=%d", ancestors), func(b *testing.B) {
			l, err := auditlog.Open(filepath.Join(b.TempDir(), "audit.jsonl"), unsynced...)
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() {
				if err := l.Close(); err != nil {
					b.Error(err)
				}
			})
			spans, err := exporter.NewSpanProcessor(l)
			if err != nil {
				b.Fatal(err)
			}
			tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("test")
			ctx := b.Context()
			call := []attribute.KeyValue{
				attribute.String("gen_ai.operation.name", "chat"), attribute.String("gen_ai.response.model", "gpt-4o"),
				attribute.String("gen_ai.response.id", "chatcmpl-9J8K7L6M5N4B3V2C1X0Z"),
				attribute.Int("gen_ai.usage.input_tokens", 1500), attribute.Int("gen_ai.usage.output_tokens", 250),
				attribute.Float64("gen_ai.usage.cost", 0.0041),
			}
			if ancestors == 0 {
				call = append(call, named)
			}
			with := trace.WithAttributes(call...)
			for i := range ancestors {
				if i == 0 {
					ctx, _ = tracer.Start(ctx, "agent", trace.WithAttributes(named))
				} else {
					ctx, _ = tracer.Start(ctx, "step")
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				_, span := tracer.Start(ctx, "chat gpt-4o", with)
				span.End()
			}
		})
	}
}

// TestAncestorsOfATraceWithoutEnd: an agent that runs on keeps its session, however
// many calls it makes.
func TestAncestorsOfATraceWithoutEnd(t *testing.T) {
	tracers, l := newSpans(t, exporter.WithRecentTraces(1))
	tracer := tracers.Tracer("test")
	ctx, _ := tracer.Start(t.Context(), "agent", trace.WithAttributes(named))
	for range 1000 {
		_, step := tracer.Start(ctx, "step")
		step.End()
	}
	_, chat := tracer.Start(ctx, "chat", isCall)
	chat.End()
	if diff := cmp.Diff([]string{"chat s"}, told(decodedLines(t, l))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/exporter"
	"github.com/otelaudit/otelaudit/internal/audittest"
)

// foreign are lines of other writers: the first program with this format, and
// one that spells JSON in its own way.
const foreign = `{"ts":"2026-02-13T09:00:00.000Z","event":"brief","session_id":"old","cost":0.25,"model":"gpt-4o","input_t":1200,"output_t":80}
{"ts":"2026-02-13T09:00:01.000Z","event":"nav","session_id":"old","files":["a.go","b.go"],"confidence":70}
{ "event" : "deep" , "ts" : "2026-02-13T10:00:02+01:00", "model":"gpt-4\u006f", "cost": 3, "output_t": 7 }
{"ts":"2026-02-13T09:00:03.000Z","event":"deep","session_id":"old","model":"o3","input_t":5000}
`

// auditFiles are the files of one log, and what is known about them.
type auditFiles struct {
	path   string
	events int           // how many lines
	trace  trace.TraceID // of the span that some events belong to
	ofSpan []string      // the names of those events, in order
}

// writeAuditFiles writes a log as several writers would: archives, an active
// file, foreign lines, events of auditlog, records of two apps with costs under
// several names, and of a trace.
func writeAuditFiles(t *testing.T, dir string) auditFiles {
	t.Helper()
	path := filepath.Join(dir, "audit.jsonl")
	if err := os.WriteFile(path, []byte(foreign), 0o600); err != nil {
		t.Fatal(err)
	}
	files := auditFiles{path: path, events: strings.Count(foreign, "\n")}
	auditLog := audittest.Open(t, path, auditlog.WithMaxFileSize(64<<10))
	ctx := t.Context()

	for i := range 50 {
		err := auditLog.Append(ctx, auditlog.Event{
			Name: "budget", Time: start.Add(time.Duration(i) * time.Hour), SessionID: "shell",
			Cost: new(0.001 * float64(i)), Model: "o3", Reason: "hourly_budget_exhausted",
		})
		if err != nil {
			t.Fatal(err)
		}
		files.events++
	}

	exp, err := exporter.New(auditLog)
	if err != nil {
		t.Fatal(err)
	}
	for app := range 2 {
		provider := sdklog.NewLoggerProvider(
			sdklog.WithProcessor(exporter.NewProcessor(exp)),
			sdklog.WithResource(resource.NewSchemaless(attribute.String("service.name", fmt.Sprintf("agent-%d", app)))))
		logger := provider.Logger("agent/loop", log.WithInstrumentationVersion("1.2.3"))
		if app == 0 {
			files.trace, files.ofSpan = emitTrace(ctx, t, logger)
			files.events += len(files.ofSpan)
		}
		for i := range 200 {
			logger.Emit(ctx, modelCall(i))
			files.events++
		}
		if err := provider.Shutdown(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if err := auditLog.Close(); err != nil {
		t.Fatal(err)
	}
	if archives, err := filepath.Glob(filepath.Join(dir, "audit_*.jsonl.gz")); err != nil || len(archives) < 2 {
		t.Fatalf("got archives %q (%v), want several", archives, err)
	}
	return files
}

// start is when the first event happened.
var start = time.Date(2026, 2, 13, 14, 30, 22, 123456789, time.UTC)

// modelCall is a call of a model as instrumentations tell of it: each has names
// of its own for the cost, and a third of them does not know it.
func modelCall(i int) log.Record {
	var r log.Record
	r.SetTimestamp(start.Add(time.Duration(i) * time.Millisecond))
	r.SetEventName("gen_ai.client.inference.operation.details")
	r.SetSeverity(log.SeverityInfo)
	r.SetBody(attribute.StringValue(fmt.Sprintf("call %d\nof a model", i)))
	r.AddAttributes(
		attribute.String("gen_ai.request.model", "gpt-4o"),
		attribute.Int64("gen_ai.usage.input_tokens", int64(1000+i)),
		attribute.Int64("gen_ai.usage.output_tokens", int64(i)))
	switch i % 3 {
	case 0:
		r.AddAttributes(attribute.Float64("cost_usd", 0.0041*float64(i)), attribute.String("gen_ai.response.model", "gpt-4o-2024-08-06"))
	case 1:
		r.AddAttributes(attribute.Float64("gen_ai.usage.cost", 1.0/float64(i)))
	}
	return r
}

// emitTrace emits events of one span, beside an event outside of it.
func emitTrace(ctx context.Context, t *testing.T, logger log.Logger) (id trace.TraceID, names []string) {
	t.Helper()
	provider := sdktrace.NewTracerProvider()
	defer func() {
		if err := provider.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	}()
	ctx, span := provider.Tracer("agent/loop").Start(ctx, "fix the bug")
	defer span.End()
	for i, name := range []string{"nav", "llm.call", "cascade", "llm.call", "commit_draft"} {
		event := auditlog.Event{Name: name, Time: start.Add(time.Duration(i) * time.Second)}
		if name == "llm.call" {
			event.Model, event.Cost = "claude-sonnet-4-5", new(0.125*float64(i))
			event.InputTokens, event.OutputTokens = new(int64(100*i)), new(int64(i))
		}
		exporter.Emit(ctx, logger, event)
		names = append(names, name)
	}
	return span.SpanContext().TraceID(), names
}

// writeLines writes n lines, of which no two are equal, as one active file.
func writeLines(t *testing.T, dir string, n int) string {
	t.Helper()
	path := filepath.Join(dir, "audit.jsonl")
	auditLog := audittest.Open(t, path)
	events := make([]auditlog.Event, n)
	for i := range events {
		events[i] = auditlog.Event{Name: "nav", Time: start, SessionID: "s", Attributes: map[string]any{"n": i}}
	}
	if err := errors.Join(auditLog.Append(t.Context(), events...), auditLog.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

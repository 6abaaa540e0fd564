// Command correlation answers a request, and finds the audit events of its
// trace again, under the spans that they were emitted in: what is emitted with
// the context of a span carries that span.
//
//	go run -C examples ./correlation
//
// It prints the spans of the trace, and the audit events (●) of each:
//
//	GET /answer
//	  chat gpt-4o
//	    ● llm.call, 0.0041 USD
//	  ● budget, cost_exceeds_limit
package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"go.opentelemetry.io/otel"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/examples/internal/show"
	"github.com/otelaudit/otelaudit/exporter"
)

func main() { show.Main(run) }

func run(ctx context.Context, out io.Writer, path string) error {
	spans := tracetest.NewInMemoryExporter() // stands for your tracing backend
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	traceID, err := serve(ctx, path, tracers.Tracer("my-agent"))
	if err != nil {
		return err
	}
	ended := spans.GetSpans().Snapshots()
	if err := tracers.Shutdown(ctx); err != nil {
		return err
	}

	log, err := auditlog.NewReader(path)
	if err != nil {
		return err
	}
	events := make(map[string][]auditlog.Event) // by span
	for entry, err := range log.Query(ctx, auditlog.Filter{TraceID: traceID}) {
		if err != nil {
			return err
		}
		event, err := entry.Event()
		if err != nil {
			return err
		}
		events[event.SpanID] = append(events[event.SpanID], event)
	}
	return tree(out, ended, events, trace.SpanID{}, "")
}

// serve answers one request and returns its trace.
func serve(ctx context.Context, path string, tracer trace.Tracer) (traceID string, err error) {
	shutdown, err := exporter.Setup(ctx, path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, shutdown(ctx)) }()

	logger := otel.Logger("my-agent")
	ctx, span := tracer.Start(ctx, "GET /answer") // by otelhttp, most of the time
	defer span.End()
	call(ctx, tracer, func(ctx context.Context) {
		exporter.Emit(ctx, logger, auditlog.Event{Name: "llm.call", Model: "gpt-4o", Cost: new(0.0041)})
	})
	exporter.Emit(ctx, logger, auditlog.Event{Name: auditlog.EventBudget, Reason: "cost_exceeds_limit"})
	return span.SpanContext().TraceID().String(), nil
}

func call(ctx context.Context, tracer trace.Tracer, f func(context.Context)) {
	ctx, span := tracer.Start(ctx, "chat gpt-4o")
	defer span.End()
	f(ctx)
}

// tree prints the spans below parent, and the events of each.
func tree(out io.Writer, spans []sdktrace.ReadOnlySpan, events map[string][]auditlog.Event, parent trace.SpanID, indent string) error {
	for _, span := range spans {
		if span.Parent().SpanID() != parent {
			continue
		}
		if _, err := fmt.Fprintf(out, "%s%s\n", indent, span.Name()); err != nil {
			return err
		}
		if err := tree(out, spans, events, span.SpanContext().SpanID(), indent+"  "); err != nil {
			return err
		}
		for _, event := range events[span.SpanContext().SpanID().String()] {
			about := event.Reason
			if event.Cost != nil {
				about = fmt.Sprintf("%.4f USD", *event.Cost)
			}
			if _, err := fmt.Fprintf(out, "%s  ● %s, %s\n", indent, event.Name, about); err != nil {
				return err
			}
		}
	}
	return nil
}

package main

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/contrib/bridges/otelslog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/exporter"
)

// sessionBudget is what a session of the agent may cost, in USD.
const sessionBudget = 0.15

// runApp is the main of an instrumented app: it sets up OpenTelemetry, traces
// to the collector and logs to the audit file, works, and shuts down in the
// right order. An app that needs no LoggerProvider of its own calls
// exporter.Setup instead of the second part.
func runApp(ctx context.Context, auditPath, collectorURL string) (err error) {
	service := resource.NewSchemaless(
		attribute.String("service.name", "repo-agent"),
		attribute.String("service.version", "1.8.0"))

	spans, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(collectorURL+"/v1/traces"))
	if err != nil {
		return fmt.Errorf("set up traces: %w", err)
	}
	tracers := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(spans),
		sdktrace.WithSampler(sdktrace.AlwaysSample()),
		sdktrace.WithResource(service))

	audit, err := auditlog.Open(auditPath)
	if err != nil {
		return errors.Join(err, tracers.Shutdown(ctx))
	}
	exp, err := exporter.New(audit)
	if err != nil {
		return errors.Join(err, audit.Close(), tracers.Shutdown(ctx))
	}
	loggers := sdklog.NewLoggerProvider(
		sdklog.WithProcessor(exporter.NewProcessor(exp, exporter.WithErrorSummary())),
		sdklog.WithResource(service))

	defer func() {
		// Also what was interrupted is written and sent.
		ctx := context.WithoutCancel(ctx)
		err = errors.Join(err, loggers.Shutdown(ctx), audit.Close(), tracers.Shutdown(ctx))
	}()

	a := &agent{
		tracer: tracers.Tracer("repo-agent"),
		audit:  loggers.Logger("repo-agent"),
		genai:  loggers.Logger("example.com/instrumentation/anthropic"),
		slog:   otelslog.NewLogger("repo-agent", otelslog.WithLoggerProvider(loggers)),
		budget: sessionBudget,
	}
	return a.work(ctx)
}

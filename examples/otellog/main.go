// Command otellog emits records with the OpenTelemetry Logs API alone, as an
// instrumentation library does that knows nothing of the audit log. The program
// adds the audit log to the LoggerProvider that it has anyway.
//
//	go run -C examples ./otellog
//
// It prints some members of its two lines; the second record names no event, so
// the operation of the semantic conventions is its name:
//
//	{"event":"gen_ai.client.inference.operation.details","session_id":"conv-7","model":"gpt-4o-2024-08-06","input_t":1500,"output_t":250}
//	{"event":"chat","session_id":"conv-7","reason":"timeout"}
package main

import (
	"context"
	"errors"
	"io"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/examples/internal/show"
	"github.com/otelaudit/otelaudit/exporter"
)

func main() { show.Main(run) }

func run(ctx context.Context, out io.Writer, path string) error {
	if err := work(ctx, path); err != nil {
		return err
	}
	return show.Lines(ctx, out, path, "event", "session_id", "model", "input_t", "output_t", "reason")
}

func work(ctx context.Context, path string) (err error) {
	audit, err := auditlog.Open(path)
	if err != nil {
		return err
	}
	exp, err := exporter.New(audit)
	if err != nil {
		return errors.Join(err, audit.Close())
	}
	provider := sdklog.NewLoggerProvider(
		sdklog.WithResource(resource.NewSchemaless(attribute.String("service.name", "my-agent"))),
		sdklog.WithProcessor(exporter.NewProcessor(exp, exporter.WithErrorSummary())))
	// In this order: the provider syncs, then the log is closed.
	defer func() { err = errors.Join(err, provider.Shutdown(ctx), audit.Close()) }()

	logger := provider.Logger("example.com/instrumentation/openai")
	var call log.Record
	call.SetEventName("gen_ai.client.inference.operation.details")
	call.AddAttributes(
		attribute.String("gen_ai.operation.name", "chat"), attribute.String("gen_ai.conversation.id", "conv-7"),
		attribute.String("gen_ai.request.model", "gpt-4o"), attribute.String("gen_ai.response.model", "gpt-4o-2024-08-06"),
		attribute.Int("gen_ai.usage.input_tokens", 1500), attribute.Int("gen_ai.usage.output_tokens", 250))
	logger.Emit(ctx, call)

	var failure log.Record
	failure.SetSeverity(log.SeverityError)
	failure.AddAttributes(
		attribute.String("gen_ai.operation.name", "chat"), attribute.String("gen_ai.conversation.id", "conv-7"),
		attribute.String("error.type", "timeout"))
	logger.Emit(ctx, failure)
	return nil
}

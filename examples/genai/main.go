// Command genai has a model client that is instrumented with spans, as most
// are, and logs nothing. exporter.NewSpanProcessor writes an audit event for
// each span that is a call of a model. The span of the agent sums up what its
// calls used, so its event has no usage and nothing is counted twice.
//
//	go run -C examples ./genai
//
// It prints some members of its lines, in the order in which the spans ended,
// and the sum:
//
//	{"event":"chat","session_id":"session-42","cost":0.00625,"model":"gpt-4o-2024-08-06","input_t":1500,"output_t":250,"otelaudit.span.name":"chat gpt-4o"}
//	{"event":"chat","session_id":"session-42","model":"gpt-4o-2024-08-06","input_t":900,"reason":"cut off","otelaudit.span.name":"chat gpt-4o"}
//	{"event":"invoke_agent","session_id":"session-42","otelaudit.span.name":"invoke_agent helper"}
//	2400 tokens in, 250 out, 0.00625 USD, 1 call without a price
package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/examples/internal/show"
	"github.com/otelaudit/otelaudit/exporter"
)

func main() { show.Main(run) }

func run(ctx context.Context, out io.Writer, path string) error {
	audit, err := auditlog.Open(path)
	if err != nil {
		return err
	}
	processor, err := exporter.NewSpanProcessor(audit)
	if err != nil {
		return errors.Join(err, audit.Close())
	}
	// WithSpanProcessor adds to what the TracerProvider exports already.
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(processor))
	answer(exporter.ContextWithSession(ctx, "session-42"), tracers.Tracer("example.com/instrumentation/openai"))
	if err := errors.Join(tracers.Shutdown(ctx), audit.Close()); err != nil {
		return err
	}

	if err := show.Lines(ctx, out, path, "event", "session_id", "cost", "model", "input_t", "output_t", "reason", "otelaudit.span.name"); err != nil {
		return err
	}
	log, err := auditlog.NewReader(path)
	if err != nil {
		return err
	}
	spend, err := log.Spend(ctx, auditlog.Filter{}, auditlog.ByModel)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%d tokens in, %d out, %g USD, %d call without a price\n",
		spend.Total.InputTokens, spend.Total.OutputTokens, spend.Total.Cost, spend.Total.Unpriced)
	return err
}

// answer is what an agent with an instrumented client leaves.
func answer(ctx context.Context, tracer trace.Tracer) {
	ctx, agent := tracer.Start(ctx, "invoke_agent helper", trace.WithAttributes(attribute.String("gen_ai.operation.name", "invoke_agent")))
	_, call := tracer.Start(ctx, "chat gpt-4o", trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.String("gen_ai.operation.name", "chat"), attribute.String("gen_ai.response.model", "gpt-4o-2024-08-06"),
		attribute.Int("gen_ai.usage.input_tokens", 1500), attribute.Int("gen_ai.usage.output_tokens", 250),
		attribute.Float64("gen_ai.usage.cost", 0.00625)))
	call.End()
	_, failed := tracer.Start(ctx, "chat gpt-4o", trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.String("gen_ai.operation.name", "chat"), attribute.String("gen_ai.response.model", "gpt-4o-2024-08-06"),
		attribute.Int("gen_ai.usage.input_tokens", 900)))
	failed.SetStatus(codes.Error, "cut off")
	failed.End()
	agent.SetAttributes(attribute.Int("gen_ai.usage.input_tokens", 2400), attribute.Int("gen_ai.usage.output_tokens", 250))
	agent.End()
}

// Package recordtest makes log records for tests and benchmarks. Package random
// below it draws them, and is apart because it is for tests only.
package recordtest

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/trace"
)

// ModelCalls returns n records of a model call with 12 scalar attributes, as a
// GenAI instrumentation sends them.
func ModelCalls(n int) []sdklog.Record {
	var c Capturer
	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(&c), sdklog.WithResource(resource.NewSchemaless(
		attribute.String("service.name", "agent"), attribute.String("service.version", "1.8.0"),
		attribute.String("host.name", "build-7"))))
	logger := provider.Logger("example.com/instrumentation/openai", log.WithInstrumentationVersion("0.9.1"))
	span := trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{0x5b, 0x8e, 15: 1}, SpanID: trace.SpanID{0xee, 7: 1}, TraceFlags: trace.FlagsSampled,
	})
	ctx := trace.ContextWithSpanContext(context.Background(), span)
	for i := range n {
		var r log.Record
		r.SetEventName("gen_ai.client.inference.operation.details")
		r.SetTimestamp(time.Date(2026, 2, 13, 14, 30, 22, i*1000, time.UTC))
		r.SetSeverity(log.SeverityInfo)
		r.AddAttributes(
			attribute.String("gen_ai.operation.name", "chat"),
			attribute.String("gen_ai.provider.name", "openai"),
			attribute.String("gen_ai.request.model", "gpt-4o"),
			attribute.String("gen_ai.response.model", "gpt-4o-2024-08-06"),
			attribute.String("gen_ai.response.id", "chatcmpl-9J8K7L6M5N4B3V2C1X0Z"),
			attribute.String("gen_ai.conversation.id", "conv-5f0b4f5e9d43"),
			attribute.Int64("gen_ai.usage.input_tokens", 1500),
			attribute.Int64("gen_ai.usage.output_tokens", int64(i)),
			attribute.Float64("gen_ai.request.temperature", 0.2),
			attribute.Bool("gen_ai.request.stream", true),
			attribute.Float64("cost_usd", 0.0041),
			attribute.String("server.address", "api.openai.com"))
		logger.Emit(ctx, r)
	}
	return c.Records
}

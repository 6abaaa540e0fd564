// Package random draws log records such as the SDK can produce, for property
// tests: what providers with and without limits make of values of every kind, of
// keys that mean something to the audit line, and of spans in every state.
package random

import (
	"context"

	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/trace"
	"pgregory.net/rapid"
)

// Emit emits a record through a provider, both random, to p.
func Emit(rt *rapid.T, p sdklog.Processor) {
	options := []sdklog.LoggerProviderOption{
		sdklog.WithProcessor(p),
		sdklog.WithResource(resource.NewWithAttributes(
			rapid.SampledFrom([]string{"", "", "https://example.com/schema"}).Draw(rt, "resource schema"),
			attributesGen(2).Draw(rt, "resource")...)),
	}
	if rapid.Bool().Draw(rt, "duplicate keys") {
		options = append(options, sdklog.WithAllowKeyDuplication())
	}
	if rapid.IntRange(0, 3).Draw(rt, "limits") == 0 {
		options = append(options,
			sdklog.WithAttributeCountLimit(rapid.IntRange(0, 5).Draw(rt, "count")),
			sdklog.WithAttributeValueLengthLimit(rapid.IntRange(0, 20).Draw(rt, "length")),
			sdklog.WithAttributeValueDepthLimit(rapid.IntRange(1, 3).Draw(rt, "depth")))
	} else {
		options = append(options, sdklog.WithAttributeValueDepthLimit(-1), sdklog.WithAttributeCountLimit(-1))
	}
	provider := sdklog.NewLoggerProvider(options...)
	logger := provider.Logger(
		rapid.SampledFrom([]string{"", "scope", "litellm"}).Draw(rt, "scope"),
		log.WithInstrumentationVersion(rapid.SampledFrom([]string{"", "1.2.3"}).Draw(rt, "version")),
		log.WithSchemaURL(rapid.SampledFrom([]string{"", "https://example.com/scope"}).Draw(rt, "schema")),
		log.WithInstrumentationAttributes(attributesGen(2).Draw(rt, "scope attributes")...))

	var r log.Record
	r.SetTimestamp(timeGen.Draw(rt, "timestamp"))
	r.SetObservedTimestamp(timeGen.Draw(rt, "observed"))
	r.SetSeverity(log.Severity(rapid.IntRange(0, 24).Draw(rt, "severity")))
	r.SetSeverityText(rapid.SampledFrom([]string{"", "WARN", "\x7f\u202e"}).Draw(rt, "severity text"))
	r.SetEventName(rapid.SampledFrom([]string{"", "", "nav", "task.tokens", "x.api_error", "an \"event\"\n"}).Draw(rt, "event name"))
	r.SetBody(valueGen(3).Draw(rt, "body"))
	r.AddAttributes(attributesGen(3).Draw(rt, "attributes")...)
	if rapid.IntRange(0, 4).Draw(rt, "error") == 0 {
		r.SetErr(errRandom)
	}
	var span trace.SpanContextConfig
	if rapid.Bool().Draw(rt, "trace") {
		copy(span.TraceID[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(rt, "trace id"))
	}
	if rapid.Bool().Draw(rt, "span") {
		copy(span.SpanID[:], rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(rt, "span id"))
	}
	span.TraceFlags = trace.TraceFlags(rapid.Byte().Draw(rt, "flags"))
	logger.Emit(trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(span)), r)
}

type randomError struct{}

func (randomError) Error() string { return "something went wrong" }

var errRandom error = randomError{}

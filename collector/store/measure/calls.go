//go:build unix

package main

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/exporter"
)

// writeModelCalls emits n calls of models as an app does that has an audit log:
// one record after the other.
func writeModelCalls(ctx context.Context, path string, n int) error {
	auditLog, err := auditlog.Open(path)
	if err != nil {
		return err
	}
	var failure error // the first one: the SDK has nobody to return it to
	exp, err := exporter.New(auditLog, exporter.WithOnError(func(err error) {
		if failure == nil {
			failure = err
		}
	}))
	if err != nil {
		return errors.Join(err, auditLog.Close())
	}
	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(exporter.NewProcessor(exp)),
		sdklog.WithResource(resource.NewSchemaless(attribute.String("service.name", "agent"),
			attribute.String("service.version", "1.8.0"), attribute.String("host.name", "build-7"))))
	logger := provider.Logger("example.com/instrumentation/openai", log.WithInstrumentationVersion("0.9.1"))
	source := rand.NewChaCha8([32]byte{})                                                                  // the same calls each time
	c := calls{bytes: source, Rand: rand.New(source), at: time.Now().Add(-time.Duration(n) * time.Second)} //nolint:gosec // no secrets
	for range n {
		if ctx.Err() != nil {
			break
		}
		ctx, record := c.next(ctx)
		logger.Emit(ctx, record)
	}
	return errors.Join(failure, context.Cause(ctx), provider.Shutdown(ctx), auditLog.Close())
}

// calls makes model calls: those of 8 in a row belong to one turn of an agent.
type calls struct {
	*rand.Rand

	bytes io.Reader // of the same source; it has no end
	at    time.Time
	n     int
	trace trace.TraceID
	turn  string
}

func (c *calls) next(ctx context.Context) (context.Context, log.Record) {
	if c.n%8 == 0 {
		c.fill(c.trace[:])
		c.turn = "conv-" + c.id(6)
	}
	c.n++
	c.at = c.at.Add(time.Duration(c.IntN(2_000)) * time.Millisecond)
	var span trace.SpanID
	c.fill(span[:])
	model, price := "gpt-4o", 2.5e-6
	if c.IntN(4) == 0 {
		model, price = "gpt-4o-mini", 0.15e-6
	}
	input, output := c.Int64N(30_000), c.Int64N(2_000)
	var r log.Record
	r.SetEventName("gen_ai.client.inference.operation.details")
	r.SetTimestamp(c.at)
	r.SetSeverity(log.SeverityInfo)
	r.AddAttributes(
		attribute.String("gen_ai.operation.name", "chat"),
		attribute.String("gen_ai.provider.name", "openai"),
		attribute.String("gen_ai.request.model", model),
		attribute.String("gen_ai.response.model", model+"-2024-08-06"),
		attribute.String("gen_ai.response.id", "chatcmpl-"+c.id(10)),
		attribute.String("gen_ai.conversation.id", c.turn),
		attribute.Int64("gen_ai.usage.input_tokens", input),
		attribute.Int64("gen_ai.usage.output_tokens", output),
		attribute.Float64("gen_ai.request.temperature", 0.2),
		attribute.Bool("gen_ai.request.stream", true),
		attribute.Float64("cost_usd", price*float64(input+4*output)),
		attribute.String("server.address", "api.openai.com"))
	return trace.ContextWithSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: c.trace, SpanID: span, TraceFlags: trace.FlagsSampled,
	})), r
}

func (c *calls) id(bytes int) string {
	b := make([]byte, bytes)
	c.fill(b)
	return hex.EncodeToString(b)
}

func (c *calls) fill(b []byte) { _, _ = io.ReadFull(c.bytes, b) }

package exporter_test

import (
	"context"
	"testing"

	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/otelaudit/otelaudit/exporter"
)

// TestWhatHasNoLogReturnsErrors uses what no constructor made, as tests of the SDK do
// with its own.
func TestWhatHasNoLogReturnsErrors(t *testing.T) {
	ctx := t.Context()
	ends := func(of interface {
		ForceFlush(context.Context) error
		Shutdown(context.Context) error
	}) {
		for range 2 {
			if err := of.ForceFlush(ctx); err != nil {
				t.Errorf("%T: ForceFlush: %v", of, err)
			}
			if err := of.Shutdown(ctx); err != nil {
				t.Errorf("%T: Shutdown: %v", of, err)
			}
		}
	}
	for _, exp := range []*exporter.Exporter{nil, {}} {
		if err := exp.Export(ctx, make([]sdklog.Record, 1)); err == nil {
			t.Error("Export: got no error")
		}
		ends(exp)
		for _, opts := range [][]exporter.ProcessorOption{nil, {nil}, {exporter.WithErrorSummary(), exporter.WithWaitForDisk()}} {
			p := exporter.NewProcessor(exp, opts...)
			if err := p.OnEmit(ctx, new(sdklog.Record)); err == nil {
				t.Error("OnEmit: got no error")
			}
			p.Enabled(ctx, sdklog.EnabledParameters{})
			ends(p)
		}
	}
	var p exporter.Processor
	if err := p.OnEmit(ctx, new(sdklog.Record)); err == nil {
		t.Error("OnEmit of the zero Processor: got no error")
	}
	ends(&p)

	spans := new(exporter.SpanProcessor)
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	_, span := provider.Tracer("t").Start(exporter.ContextWithSession(ctx, "s"), "LLM")
	span.End()
	ends(provider)
	ends(spans)

	if _, err := exporter.New(nil, nil); err == nil {
		t.Error("New: got no error")
	}
	if _, err := exporter.NewSpanProcessor(nil, nil); err == nil {
		t.Error("NewSpanProcessor: got no error")
	}
	if err := exporter.CheckOptions(nil); err != nil {
		t.Errorf("CheckOptions: %v", err)
	}
}

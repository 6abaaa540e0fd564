package main

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/benchmarks/internal/contest"
	"github.com/otelaudit/otelaudit/exporter"
	"github.com/otelaudit/otelaudit/internal/recordtest"
)

// pipeline is what an app emits model calls to.
type pipeline struct {
	provider *sdklog.LoggerProvider
	log      *auditlog.Log // nil where nothing is written
	errs     failures
}

// openPipeline opens the log at path and puts the processor that newProcessor
// makes of its exporter behind a LoggerProvider. It takes over the error
// handler of OpenTelemetry, as Emit returns nothing.
func openPipeline(path string, newProcessor func(*exporter.Exporter) sdklog.Processor, opts ...auditlog.Option) (*pipeline, error) {
	l, err := auditlog.Open(path, append([]auditlog.Option{auditlog.WithMaxFileSize(never)}, opts...)...)
	if err != nil {
		return nil, err
	}
	exp, err := exporter.New(l)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	p := newPipeline(newProcessor(exp))
	p.log = l
	return p, nil
}

func newPipeline(processor sdklog.Processor) *pipeline {
	p := &pipeline{provider: sdklog.NewLoggerProvider(
		sdklog.WithProcessor(processor), sdklog.WithResource(recordtest.ModelCalls(1)[0].Resource()))}
	otel.SetErrorHandler(&p.errs)
	return p
}

// emitter returns what emits one model call. It is for one goroutine.
func (p *pipeline) emitter() func() {
	model := recordtest.ModelCalls(1)[0]
	var r log.Record
	r.SetEventName(model.EventName())
	r.SetTimestamp(model.Timestamp())
	r.SetSeverity(model.Severity())
	model.WalkAttributes(func(kv attribute.KeyValue) bool {
		r.AddAttributes(kv)
		return true
	})
	scope := model.InstrumentationScope()
	logger := p.provider.Logger(scope.Name, log.WithInstrumentationVersion(scope.Version))
	ctx := trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: model.TraceID(), SpanID: model.SpanID(), TraceFlags: model.TraceFlags(),
	}))
	return func() { logger.Emit(ctx, r) }
}

// close ends the pipeline and returns every error that there was.
func (p *pipeline) close() error {
	err := p.provider.Shutdown(context.Background())
	if p.log != nil {
		err = errors.Join(err, p.log.Close())
	}
	return errors.Join(err, p.errs.first())
}

// emitting emits single records from a number of goroutines.
func emitting(name string, goroutines int, open func(path string) (*pipeline, error)) contest.Contestant {
	return contest.Contestant{Name: name, Bench: func(b *testing.B, path string) error {
		p, err := open(path)
		if err != nil {
			return err
		}
		if goroutines == 1 {
			emit := p.emitter()
			for b.Loop() {
				emit()
			}
		} else {
			b.SetParallelism(max(1, goroutines/runtime.GOMAXPROCS(0)))
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				emit := p.emitter()
				for pb.Next() {
					emit()
				}
			})
		}
		b.StopTimer()
		return p.close()
	}, Lines: 1}
}

// failures keeps the first error of a pipeline.
type failures struct {
	mu  sync.Mutex
	err error
}

var _ otel.ErrorHandler = (*failures)(nil)

func (f *failures) Handle(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
	}
}

func (f *failures) first() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

func simple(e *exporter.Exporter) sdklog.Processor { return sdklog.NewSimpleProcessor(e) }

func batch(e *exporter.Exporter) sdklog.Processor { return sdklog.NewBatchProcessor(e) }

func waiting(e *exporter.Exporter) sdklog.Processor {
	return exporter.NewProcessor(e, exporter.WithWaitForDisk())
}

package exporter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"go.opentelemetry.io/otel"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/otelaudit/otelaudit/auditlog"
)

// SetupOption configures [Setup]. Every [Option], [ProcessorOption] and
// [SpanProcessorOption] is one too.
type SetupOption interface {
	applySetup(cfg setupConfig) setupConfig
}

type setupConfig struct {
	exporter  []Option
	processor []ProcessorOption
	log       []auditlog.Option
	provider  []sdklog.LoggerProviderOption
	spans     []SpanProcessorOption
	withSpans bool
	tracers   []sdktrace.TracerProviderOption
}

type setupOption func(setupConfig) setupConfig

func (o setupOption) applySetup(cfg setupConfig) setupConfig { return o(cfg) }

// WithLogOptions gives options to the audit log that Setup opens.
func WithLogOptions(opts ...auditlog.Option) SetupOption {
	opts = slices.Clone(opts)
	return setupOption(func(cfg setupConfig) setupConfig {
		cfg.log = append(slices.Clip(cfg.log), opts...)
		return cfg
	})
}

// WithProviderOptions gives options to the LoggerProvider that Setup makes: a
// resource, limits, processors that come after the audit log's.
func WithProviderOptions(opts ...sdklog.LoggerProviderOption) SetupOption {
	opts = slices.Clone(opts)
	return setupOption(func(cfg setupConfig) setupConfig {
		cfg.provider = append(slices.Clip(cfg.provider), opts...)
		return cfg
	})
}

// WithSpans has Setup also make a TracerProvider with a [SpanProcessor] that writes to
// the log, and make it the global one, so that calls of models which instrumentations
// report as spans are events too. Options of Setup are options of that processor as well;
// opts are those of the TracerProvider: a resource, a sampler, processors that export
// spans elsewhere. Spans that its sampler drops are not seen.
//
// A program that has a TracerProvider already opens the log itself, and gives it to
// [New] and [NewSpanProcessor] instead.
func WithSpans(opts ...sdktrace.TracerProviderOption) SetupOption {
	opts = slices.Clone(opts)
	return setupOption(func(cfg setupConfig) setupConfig {
		cfg.withSpans = true
		cfg.tracers = append(slices.Clip(cfg.tracers), opts...)
		return cfg
	})
}

// Setup opens the audit log at path ([auditlog.DefaultPath], for example) and
// makes a LoggerProvider with a [Processor] that writes to it the global one,
// so that every logger of otel.Logger, and every instrumentation that uses it,
// writes audit lines. [WithSpans] has it write the events of spans too.
//
// Call shutdown once the program is done: it shuts the providers down, which
// syncs, and closes the log. ctx bounds the wait for the disk; the log is closed
// in any case. If records could not be written, on a full disk for example, shutdown
// returns how many; otel.Handle is told why, as [WithErrorSummary] says. Further calls
// return what the first one did.
func Setup(ctx context.Context, path string, opts ...SetupOption) (shutdown func(context.Context) error, err error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("exporter: set up the audit log %s: %w", path, context.Cause(ctx))
	}
	var cfg setupConfig
	for _, opt := range opts {
		if opt != nil {
			cfg = opt.applySetup(cfg)
		}
	}
	log, err := auditlog.Open(path, cfg.log...)
	if err != nil {
		return nil, fmt.Errorf("exporter: %w", err)
	}
	exp, err := New(log, cfg.exporter...)
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	stopSpans := func(context.Context) error { return nil }
	if cfg.withSpans {
		for _, opt := range cfg.exporter {
			cfg.spans = append(cfg.spans, opt)
		}
		spans, err := NewSpanProcessor(log, cfg.spans...)
		if err != nil {
			return nil, errors.Join(err, exp.Shutdown(ctx), log.Close())
		}
		tracers := sdktrace.NewTracerProvider(append([]sdktrace.TracerProviderOption{sdktrace.WithSpanProcessor(spans)}, cfg.tracers...)...)
		otel.SetTracerProvider(tracers)
		stopSpans = tracers.Shutdown
	}
	processor := sdklog.WithProcessor(NewProcessor(exp, append(cfg.processor, WithErrorSummary())...))
	provider := sdklog.NewLoggerProvider(append([]sdklog.LoggerProviderOption{processor}, cfg.provider...)...)
	otel.SetLoggerProvider(provider)

	var once sync.Once
	return func(ctx context.Context) error {
		once.Do(func() { err = errors.Join(stopSpans(ctx), provider.Shutdown(ctx), log.Close(), lost(log)) })
		return err
	}, nil
}

// lost returns an error if records could not be written to log: a program whose
// log is not whole must not end as if it were.
func lost(log *auditlog.Log) error {
	failed := log.Stats().Failed
	if failed == 0 {
		return nil
	}
	return fmt.Errorf("exporter: records that could not be written to %s: %d; otel.Handle was told why", log.Path(), failed)
}

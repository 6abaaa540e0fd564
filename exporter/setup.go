package exporter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"go.opentelemetry.io/otel"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otelaudit/otelaudit/auditlog"
)

// SetupOption configures [Setup]. Every [Option] and [ProcessorOption] is one too.
type SetupOption interface {
	applySetup(cfg setupConfig) setupConfig
}

type setupConfig struct {
	exporter  []Option
	processor []ProcessorOption
	log       []auditlog.Option
	provider  []sdklog.LoggerProviderOption
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

// Setup opens the audit log at path ([auditlog.DefaultPath], for example) and
// makes a LoggerProvider with a [Processor] that writes to it the global one,
// so that every logger of otel.Logger, and every instrumentation that uses it,
// writes audit lines.
//
// Call shutdown once the program is done: it shuts the provider down, which
// syncs, and closes the log. ctx bounds the wait for the disk; the log is closed
// in any case. If records could not be written, on a full disk for example, shutdown
// returns how many; otel.Handle is told why, as [WithErrorSummary] says. Further calls
// return what the first one did.
//
// A program that also wants events of its spans ([SpanProcessor]) opens the log
// itself and gives it to both, instead.
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
	processor := sdklog.WithProcessor(NewProcessor(exp, append(cfg.processor, WithErrorSummary())...))
	provider := sdklog.NewLoggerProvider(append([]sdklog.LoggerProviderOption{processor}, cfg.provider...)...)
	otel.SetLoggerProvider(provider)

	var once sync.Once
	return func(ctx context.Context) error {
		once.Do(func() { err = errors.Join(provider.Shutdown(ctx), log.Close(), lost(log)) })
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

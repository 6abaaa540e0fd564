package exporter

import (
	"context"
	"slices"

	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
)

// ProcessorOption configures a [Processor], and that of [Setup].
type ProcessorOption interface {
	SetupOption
	applyProcessor(cfg processorConfig) processorConfig
}

type processorConfig struct {
	waitForDisk  bool
	errorSummary bool
	minSeverity  log.Severity
	filter       func(context.Context, sdklog.EnabledParameters) bool
}

type processorOption func(processorConfig) processorConfig

func (o processorOption) applyProcessor(cfg processorConfig) processorConfig { return o(cfg) }

func (o processorOption) applySetup(cfg setupConfig) setupConfig {
	cfg.processor = append(slices.Clip(cfg.processor), o)
	return cfg
}

// WithWaitForDisk makes Emit return only when the record is on stable storage,
// as [auditlog.Log.Sync] promises. Goroutines that wait share fsyncs.
func WithWaitForDisk() ProcessorOption {
	return processorOption(func(cfg processorConfig) processorConfig {
		cfg.waitForDisk = true
		return cfg
	})
}

// WithMinSeverity leaves out records of a lower severity. Records without a
// severity, as audit events are, are written. The default leaves out none.
func WithMinSeverity(severity log.Severity) ProcessorOption {
	return processorOption(func(cfg processorConfig) processorConfig {
		cfg.minSeverity = severity
		return cfg
	})
}

// WithFilter leaves out records for which want is false. It is asked for each
// record, and by Enabled, where fields may be empty that the record will have:
// say true when in doubt. It must be safe for concurrent use. The default
// leaves out none.
func WithFilter(want func(ctx context.Context, param sdklog.EnabledParameters) bool) ProcessorOption {
	return processorOption(func(cfg processorConfig) processorConfig {
		cfg.filter = want
		return cfg
	})
}

func (p *Processor) wants(ctx context.Context, param sdklog.EnabledParameters) bool {
	if param.Severity != log.SeverityUndefined && param.Severity < p.cfg.minSeverity {
		return false
	}
	return p.cfg.filter == nil || p.cfg.filter(ctx, param)
}

func parametersOf(record *sdklog.Record) sdklog.EnabledParameters {
	return sdklog.EnabledParameters{
		InstrumentationScope: record.InstrumentationScope(),
		Severity:             record.Severity(),
		EventName:            record.EventName(),
	}
}

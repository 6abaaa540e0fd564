package auditlogexporter

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"

	"github.com/otelaudit/otelaudit/collector/auditlogexporter/internal/metadata"
)

// NewFactory returns the factory of the exporter, whose type is auditlog.
func NewFactory() exporter.Factory {
	return exporter.NewFactory(
		metadata.Type,
		createDefaultConfig,
		exporter.WithLogs(createLogs, metadata.LogsStability),
		exporter.WithTraces(createTraces, metadata.TracesStability),
		exporter.WithMetrics(createMetrics, metadata.MetricsStability),
	)
}

func createLogs(ctx context.Context, set exporter.Settings, cfg component.Config) (exporter.Logs, error) {
	e := exporters.get(cfg.(*Config), set)
	return exporterhelper.NewLogs(ctx, set, cfg, e.pushLogs, e.helperOptions()...)
}

func createTraces(ctx context.Context, set exporter.Settings, cfg component.Config) (exporter.Traces, error) {
	e := exporters.get(cfg.(*Config), set)
	return exporterhelper.NewTraces(ctx, set, cfg, e.pushTraces, e.helperOptions()...)
}

func (e *auditExporter) helperOptions() []exporterhelper.Option {
	opts := []exporterhelper.Option{
		exporterhelper.WithStart(e.start),
		exporterhelper.WithShutdown(e.shutdown),
		exporterhelper.WithCapabilities(consumer.Capabilities{MutatesData: false}),
		// The sender's context bounds the wait. A limit of our own would tell it
		// to send again what the disk is about to have.
		exporterhelper.WithTimeout(exporterhelper.TimeoutConfig{Timeout: 0}),
	}
	// Options for what is off would have each error advise to turn it on.
	if e.cfg.Queue.HasValue() {
		opts = append(opts, exporterhelper.WithQueue(e.cfg.Queue))
	}
	if e.cfg.Retry.Enabled {
		opts = append(opts, exporterhelper.WithRetry(e.cfg.Retry))
	}
	return opts
}

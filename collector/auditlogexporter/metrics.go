package auditlogexporter

import (
	"context"
	"fmt"
	"sync/atomic"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/otelaudit/otelaudit/collector/auditlogexporter/internal/metadata"
)

// metricsCounter accepts metrics, counts their data points and drops them: an
// audit log has no lines for metrics, and senders treat an answer of 404 or
// UNIMPLEMENTED as a fault. It is safe for concurrent use.
type metricsCounter struct {
	component.StartFunc

	logger  *zap.Logger
	dropped atomic.Int64
	counter metric.Int64Counter
}

var _ exporter.Metrics = (*metricsCounter)(nil)

func createMetrics(_ context.Context, set exporter.Settings, _ component.Config) (exporter.Metrics, error) {
	counter, err := set.MeterProvider.Meter(metadata.ScopeName).Int64Counter("otelaudit.metrics.dropped",
		metric.WithUnit("{data_point}"), metric.WithDescription("Data points of metrics that were accepted and dropped."))
	if err != nil {
		return nil, fmt.Errorf("auditlog exporter: %w", err)
	}
	return &metricsCounter{logger: set.Logger, counter: counter}, nil
}

// Capabilities says that metrics are only read.
func (*metricsCounter) Capabilities() consumer.Capabilities {
	return consumer.Capabilities{MutatesData: false}
}

// ConsumeMetrics counts the data points of md. It has no error.
func (c *metricsCounter) ConsumeMetrics(ctx context.Context, md pmetric.Metrics) error {
	n := int64(md.DataPointCount())
	c.counter.Add(ctx, n)
	if n > 0 && c.dropped.Add(n) == n {
		c.logger.Info("Metrics are accepted, counted and dropped: an audit log holds log records and spans only")
	}
	return nil
}

// Shutdown logs how many data points were dropped.
func (c *metricsCounter) Shutdown(context.Context) error {
	if n := c.dropped.Load(); n > 0 {
		c.logger.Info("Dropped metrics", zap.Int64("data_points", n))
	}
	return nil
}

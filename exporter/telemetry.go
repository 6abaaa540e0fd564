package exporter

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/otelconv"

	"github.com/otelaudit/otelaudit/auditlog"
)

const (
	meterName = "github.com/otelaudit/otelaudit/exporter"
	// componentType is otel.component.type: for components that are not of the
	// SDK the semantic conventions ask for the name of the type.
	componentType = "github.com/otelaudit/otelaudit/exporter.Exporter"
	// observabilityEnv turns the metrics of the SDK's own exporters on.
	observabilityEnv = "OTEL_GO_X_OBSERVABILITY"
)

// WithMeterProvider has the exporter report metrics of itself to provider:
//
//   - otel.sdk.exporter.log.inflight, otel.sdk.exporter.log.exported and
//     otel.sdk.exporter.operation.duration of the semantic conventions, as the SDK's
//     exporters do;
//   - of the log: otelaudit.log.lines, otelaudit.log.size (bytes),
//     otelaudit.log.rotations, otelaudit.log.recoveries, otelaudit.log.failures (lines),
//     and otelaudit.log.sync.duration, a histogram of its fsyncs in seconds;
//   - otelaudit.calls.unknown: records with tokens or a cost of which no rule says
//     what they are. They are not counted as calls.
//
// The default is the global MeterProvider if OTEL_GO_X_OBSERVABILITY is true,
// as for the SDK's exporters, else none. Metrics cost nothing when they are
// off.
func WithMeterProvider(provider metric.MeterProvider) Option {
	return option(func(cfg config) config {
		cfg.meters = provider
		return cfg
	})
}

// meterProvider returns where metrics go, nil if nowhere.
func (c config) meterProvider() metric.MeterProvider {
	if c.meters == nil && strings.EqualFold(os.Getenv(observabilityEnv), "true") {
		return otel.GetMeterProvider()
	}
	return c.meters
}

// telemetry reports what an exporter does. A nil one reports nothing.
type telemetry struct {
	inflight metric.Int64UpDownCounter
	exported metric.Int64Counter
	duration metric.Float64Histogram
	preset   []attribute.KeyValue
	add      []metric.AddOption
	record   []metric.RecordOption
	stop     func() error
}

var components atomic.Int64

func newTelemetry(provider metric.MeterProvider, log *auditlog.Log, unknown *atomic.Int64) (*telemetry, error) {
	if provider == nil {
		return nil, nil
	}
	meter := provider.Meter(meterName, metric.WithSchemaURL(semconv.SchemaURL))
	inflight, err1 := otelconv.NewSDKExporterLogInflight(meter)
	exported, err2 := otelconv.NewSDKExporterLogExported(meter)
	duration, err3 := otelconv.NewSDKExporterOperationDuration(meter)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, fmt.Errorf("make metrics: %w", err)
	}
	t := &telemetry{inflight: inflight.Inst(), exported: exported.Inst(), duration: duration.Inst()}
	t.preset = []attribute.KeyValue{
		semconv.OTelComponentName(fmt.Sprintf("%s/%d", componentType, components.Add(1)-1)),
		semconv.OTelComponentTypeKey.String(componentType),
	}
	set := metric.WithAttributeSet(attribute.NewSet(t.preset...))
	t.add, t.record = []metric.AddOption{set}, []metric.RecordOption{set}
	if err := t.observeLog(meter, log, unknown, set); err != nil {
		return nil, fmt.Errorf("make metrics: %w", err)
	}
	return t, nil
}

// observeLog reports the counts of the log, and unknown, whenever metrics are
// collected.
func (t *telemetry) observeLog(meter metric.Meter, log *auditlog.Log, unknown *atomic.Int64, set metric.MeasurementOption) error {
	var errs []error
	counter := func(name, unit, description string) metric.Int64ObservableCounter {
		c, err := meter.Int64ObservableCounter(name, metric.WithUnit(unit), metric.WithDescription(description))
		errs = append(errs, err)
		return c
	}
	lines := counter("otelaudit.log.lines", "{line}", "Lines appended to the audit log.")
	size := counter("otelaudit.log.size", "By", "Bytes written to active files of the audit log.")
	rotations := counter("otelaudit.log.rotations", "{rotation}", "Rotations of the audit log.")
	recoveries := counter("otelaudit.log.recoveries", "{recovery}", "Torn lines ended and files repaired.")
	failures := counter("otelaudit.log.failures", "{line}", "Lines that could not be appended.")
	calls := counter("otelaudit.calls.unknown", "{record}", "Records with tokens or a cost that are of no known kind, and not counted as calls.")
	syncs, err := meter.Float64Histogram("otelaudit.log.sync.duration", metric.WithUnit("s"),
		metric.WithDescription("Duration of the audit log's fsyncs."),
		metric.WithExplicitBucketBoundaries(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5))
	if err := errors.Join(append(errs, err)...); err != nil {
		return err
	}
	registration, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		stats := log.Stats()
		o.ObserveInt64(lines, stats.Appended, set)
		o.ObserveInt64(size, stats.Bytes, set)
		o.ObserveInt64(rotations, stats.Rotated, set)
		o.ObserveInt64(recoveries, stats.Recovered, set)
		o.ObserveInt64(failures, stats.Failed, set)
		o.ObserveInt64(calls, unknown.Load(), set)
		return nil
	}, lines, size, rotations, recoveries, failures, calls)
	if err != nil {
		return err
	}
	unobserve := log.ObserveSyncs(func(d time.Duration, err error) {
		options := t.record
		if err != nil {
			options = []metric.RecordOption{t.withError(err)}
		}
		syncs.Record(context.Background(), d.Seconds(), options...)
	})
	t.stop = func() error {
		unobserve()
		return registration.Unregister()
	}
	return nil
}

func (t *telemetry) withError(err error) metric.MeasurementOption {
	attrs := append(append([]attribute.KeyValue{}, t.preset...), semconv.ErrorType(err))
	return metric.WithAttributeSet(attribute.NewSet(attrs...))
}

// start reports that n records are being exported.
func (t *telemetry) start(ctx context.Context, n int) time.Time {
	if t == nil {
		return time.Time{}
	}
	t.inflight.Add(ctx, int64(n), t.add...)
	return time.Now()
}

// end reports what became of n records, of which so many are written.
func (t *telemetry) end(ctx context.Context, start time.Time, n, written int, err error) {
	if t == nil {
		return
	}
	t.inflight.Add(ctx, -int64(n), t.add...)
	if err == nil {
		t.exported.Add(ctx, int64(n), t.add...)
		t.duration.Record(ctx, time.Since(start).Seconds(), t.record...)
		return
	}
	failed := t.withError(err)
	if written > 0 {
		t.exported.Add(ctx, int64(written), t.add...)
	}
	if written < n {
		t.exported.Add(ctx, int64(n-written), failed)
	}
	t.duration.Record(ctx, time.Since(start).Seconds(), failed)
}

// writtenOf returns how many of n records are in the file, after an error.
func writtenOf(n int, err error) int {
	if partly, ok := errors.AsType[*auditlog.BatchError](err); ok {
		return partly.Written
	}
	if _, ok := errors.AsType[*auditlog.SyncError](err); ok {
		return n
	}
	return 0
}

// close stops reporting on the log.
func (t *telemetry) close() error {
	if t == nil {
		return nil
	}
	return t.stop()
}

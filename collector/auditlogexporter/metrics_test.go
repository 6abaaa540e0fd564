package auditlogexporter

import (
	"os"
	"testing"

	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/pmetric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/otelaudit/otelaudit/collector/auditlogexporter/internal/metadata"
)

// TestMetricsAreCountedAndDropped and no file is made for them.
func TestMetricsAreCountedAndDropped(t *testing.T) {
	cfg := newConfig(t)
	reader := sdkmetric.NewManualReader()
	core, logged := observer.New(zap.InfoLevel)
	set := exportertest.NewNopSettings(metadata.Type)
	set.MeterProvider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	set.Logger = zap.New(core)
	e, err := NewFactory().CreateMetrics(t.Context(), set, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(t.Context(), componenttest.NewNopHost()); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		md := pmetric.NewMetrics()
		m := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
		points := m.SetEmptySum().DataPoints()
		points.AppendEmpty().SetIntValue(1)
		points.AppendEmpty().SetIntValue(2)
		md.MarkReadOnly()
		if err := e.ConsumeMetrics(t.Context(), md); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &got); err != nil {
		t.Fatal(err)
	}
	sum := got.ScopeMetrics[0].Metrics[0]
	if points := sum.Data.(metricdata.Sum[int64]).DataPoints; sum.Name != "otelaudit.metrics.dropped" || points[0].Value != 6 {
		t.Errorf("got %s %v, want otelaudit.metrics.dropped of 6", sum.Name, points)
	}
	lines := logged.All()
	if len(lines) != 2 || lines[1].ContextMap()["data_points"] != int64(6) {
		t.Errorf("got the lines %v, want one at the first metrics, and one with their number", lines)
	}
	if _, err := os.Stat(cfg.Path); !os.IsNotExist(err) {
		t.Errorf("got %v, want no file", err)
	}
}

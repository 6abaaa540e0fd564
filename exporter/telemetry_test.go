package exporter_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelaudit/otelaudit/exporter"
	"github.com/otelaudit/otelaudit/internal/recordtest"
)

// collect returns the sums and the counts of histograms by name, and by name
// and error type where there is one.
func collect(t *testing.T, reader *sdkmetric.ManualReader) map[string]int64 {
	t.Helper()
	var data metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &data); err != nil {
		t.Fatal(err)
	}
	got := make(map[string]int64)
	add := func(name string, attrs attribute.Set, n int64) {
		if _, ok := attrs.Value("otel.component.name"); !ok {
			t.Errorf("%s has no otel.component.name", name)
		}
		if _, failed := attrs.Value("error.type"); failed {
			name += " failed"
		}
		got[name] += n
	}
	for _, scope := range data.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch d := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range d.DataPoints {
					add(m.Name, p.Attributes, p.Value)
				}
			case metricdata.Histogram[float64]:
				for _, p := range d.DataPoints {
					add(m.Name, p.Attributes, int64(p.Count))
				}
			}
		}
	}
	return got
}

func TestTheExporterReportsOnItself(t *testing.T) {
	handleErrors(t)
	reader := sdkmetric.NewManualReader()
	exp, log := newExporter(t, exporter.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))))
	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(exporter.NewProcessor(exp)))
	if err := exp.Export(t.Context(), recordtest.ModelCalls(25)); err != nil {
		t.Fatal(err)
	}
	emit(t.Context(), exporter.NewProcessor(exp))
	got := collect(t, reader)
	if size := got["otelaudit.log.size"]; size < 26*300 {
		t.Errorf("otelaudit.log.size is %d, want that of 26 lines", size)
	}
	if got["otelaudit.log.sync.duration"] < 1 {
		t.Errorf("otelaudit.log.sync.duration has no fsync of 26 lines")
	}
	for _, name := range []string{"otelaudit.log.size", "otelaudit.log.sync.duration"} {
		delete(got, name)
	}
	want := map[string]int64{
		"otel.sdk.exporter.log.inflight": 0, "otel.sdk.exporter.log.exported": 26, "otel.sdk.exporter.operation.duration": 2,
		"otelaudit.log.lines": 26, "otelaudit.log.rotations": 0, "otelaudit.log.recoveries": 0, "otelaudit.log.failures": 0, "otelaudit.calls.unknown": 0,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	if err := exp.Export(t.Context(), recordtest.ModelCalls(3)); err == nil {
		t.Fatal("exporting to a closed log is no error")
	}
	got = collect(t, reader)
	if got["otel.sdk.exporter.log.exported"] != 26 || got["otel.sdk.exporter.log.exported failed"] != 3 ||
		got["otel.sdk.exporter.operation.duration failed"] != 1 || got["otel.sdk.exporter.log.inflight"] != 0 {
		t.Errorf("after a failure: %v", got)
	}
	if err := provider.Shutdown(context.WithoutCancel(t.Context())); err == nil {
		t.Error("the log is closed, and Shutdown could not sync it")
	}
}

// TestTheGlobalMeterProviderIsAskedFor is how the SDK's own exporters are told.
func TestTheGlobalMeterProviderIsAskedFor(t *testing.T) {
	t.Setenv("OTEL_GO_X_OBSERVABILITY", "true")
	exp, _ := newExporter(t)
	if err := exp.Export(t.Context(), recordtest.ModelCalls(1)); err != nil {
		t.Error(err)
	}
	if err := exp.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

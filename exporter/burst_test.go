package exporter_test

import (
	"sync"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/exporter"
	"github.com/otelaudit/otelaudit/internal/trials"
)

// TestABurstLosesNothing sends the same burst through the Processor and through
// the SDK's BatchProcessor, which drops what does not fit into its queue.
func TestABurstLosesNothing(t *testing.T) {
	const goroutines = 8
	each := trials.Of(12_500)
	burst := func(p func(*exporter.Exporter) sdklog.Processor) int {
		exp, l := newExporter(t)
		provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(p(exp)))
		logger := provider.Logger("burst")
		var wg sync.WaitGroup
		for g := range goroutines {
			wg.Go(func() {
				for n := range each {
					var r log.Record
					r.SetEventName("nav")
					r.AddAttributes(attribute.Int("n", g*each+n))
					logger.Emit(t.Context(), r)
				}
			})
		}
		wg.Wait()
		if err := provider.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		seen := make(map[int64]bool)
		for e, err := range l.Query(t.Context(), auditlog.Filter{}) {
			if err != nil {
				t.Fatal(err)
			}
			event, err := e.Event()
			if err != nil {
				t.Fatal(err)
			}
			n := event.Attributes["n"].(int64)
			if seen[n] {
				t.Fatalf("record %d is there twice", n)
			}
			seen[n] = true
		}
		return len(seen)
	}
	all := goroutines * each
	ours := burst(func(e *exporter.Exporter) sdklog.Processor { return exporter.NewProcessor(e) })
	batch := burst(func(e *exporter.Exporter) sdklog.Processor { return sdklog.NewBatchProcessor(e) })
	t.Logf("of %d records, exporter.Processor lost %d, the SDK's BatchProcessor %d", all, all-ours, all-batch)
	if ours != all {
		t.Errorf("got %d of %d records", ours, all)
	}
}

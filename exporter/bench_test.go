package exporter_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/exporter"
	"github.com/otelaudit/otelaudit/internal/alloctest"
	"github.com/otelaudit/otelaudit/internal/recordtest"
	"github.com/otelaudit/otelaudit/internal/trials"
)

const batchSize = 512

// unsynced has the disk left out of what is measured.
var unsynced = []auditlog.Option{auditlog.WithoutCadenceSync(), auditlog.WithMaxFileSize(1 << 40)}

func newUnsyncedExporter(tb testing.TB, opts ...exporter.Option) *exporter.Exporter {
	tb.Helper()
	l, err := auditlog.Open(filepath.Join(tb.TempDir(), "audit.jsonl"), unsynced...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := l.Close(); err != nil {
			tb.Error(err)
		}
	})
	exp, err := exporter.New(l, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	return exp
}

// TestExportDoesNotAllocate holds for records of scalar attributes.
func TestExportDoesNotAllocate(t *testing.T) {
	if trials.Race {
		t.Log("with the race detector, sync.Pool drops at random: measured without it by make bench")
	}
	exp := newUnsyncedExporter(t)
	records := recordtest.ModelCalls(batchSize)
	export := func() {
		if err := exp.Export(t.Context(), records); err != nil {
			t.Fatal(err)
		}
	}
	export()
	allocs := alloctest.PerRun(50, export)
	if !trials.Race && allocs != 0 {
		t.Errorf("Export of %d records allocates %v times, want 0", batchSize, allocs)
	}
}

// groupedCalls returns n records of a model call as a logger with groups sends
// them: an attribute of that name, which is a map of maps.
func groupedCalls(n int, name string) []sdklog.Record {
	var c recordtest.Capturer
	logger := sdklog.NewLoggerProvider(sdklog.WithProcessor(&c)).Logger("my-agent")
	for i := range n {
		var r log.Record
		r.SetBody(attribute.StringValue("llm.call"))
		r.SetTimestamp(time.Date(2026, 2, 13, 14, 30, 22, i*1000, time.UTC))
		r.AddAttributes(attribute.Map(name,
			attribute.Map("usage", attribute.Int("input_tokens", 1500), attribute.Int("output_tokens", i), attribute.Float64("cost", 0.0041)),
			attribute.Map("request", attribute.String("model", "gpt-4o"), attribute.Float64("temperature", 0.2)),
			attribute.Map("response", attribute.String("model", "gpt-4o-2024-08-06"), attribute.String("id", "chatcmpl-9J8K7L6M5N4B3V2C1X0Z"))))
		logger.Emit(context.Background(), r)
	}
	return c.Records
}

// TestLookingIntoGroupsDoesNotAllocate: the API gives out copies of maps, and
// encoding needs one of each in any case.
func TestLookingIntoGroupsDoesNotAllocate(t *testing.T) {
	allocs := func(name string) float64 {
		exp := newUnsyncedExporter(t)
		records := groupedCalls(batchSize, name)
		return alloctest.PerRun(50, func() {
			if err := exp.Export(t.Context(), records); err != nil {
				t.Fatal(err)
			}
		})
	}
	plain, searched := allocs("gen_aj"), allocs("gen_ai")
	if trials.Race {
		t.Log("with the race detector, sync.Pool drops at random: measured without it by make bench")
	} else if plain < batchSize || searched > plain {
		t.Errorf("Export of %d records allocates %v times with maps that hold fields, %v with others; want as many, one for each map", batchSize, searched, plain)
	}
}

// BenchmarkExportGroups exports batches of records that have all in a group.
func BenchmarkExportGroups(b *testing.B) {
	for _, name := range []string{"gen_ai", "gen_aj"} {
		b.Run(name, func(b *testing.B) {
			exp := newUnsyncedExporter(b)
			records := groupedCalls(batchSize, name)
			b.ReportAllocs()
			for b.Loop() {
				if err := exp.Export(b.Context(), records); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/batchSize, "ns/record")
		})
	}
}

// BenchmarkExport exports batches of records with resource, scope, record uid
// and derived fields: with the table of all emitters, and with the conventions
// alone, which is what there was before it.
func BenchmarkExport(b *testing.B) {
	for _, table := range []struct {
		name string
		opts []exporter.Option
	}{{"all", nil}, {"conventions", []exporter.Option{exporter.WithoutEmitters()}}} {
		b.Run(table.name, func(b *testing.B) {
			exp := newUnsyncedExporter(b, table.opts...)
			records := recordtest.ModelCalls(batchSize)
			b.ReportAllocs()
			for b.Loop() {
				if err := exp.Export(b.Context(), records); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/batchSize, "ns/record")
		})
	}
}

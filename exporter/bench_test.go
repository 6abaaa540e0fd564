package exporter_test

import (
	"path/filepath"
	"testing"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/exporter"
	"github.com/otelaudit/otelaudit/internal/recordtest"
)

const batchSize = 512

// unsynced has the disk left out of what is measured.
var unsynced = []auditlog.Option{auditlog.WithoutCadenceSync(), auditlog.WithMaxFileSize(1 << 40)}

func newUnsyncedExporter(tb testing.TB) *exporter.Exporter {
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
	exp, err := exporter.New(l)
	if err != nil {
		tb.Fatal(err)
	}
	return exp
}

// TestExportDoesNotAllocate holds for records of scalar attributes.
func TestExportDoesNotAllocate(t *testing.T) {
	if raceEnabled {
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
	allocs := testing.AllocsPerRun(50, export)
	if !raceEnabled && allocs != 0 {
		t.Errorf("Export of %d records allocates %v times, want 0", batchSize, allocs)
	}
}

// BenchmarkExport exports batches of records with resource, scope, record uid
// and derived fields.
func BenchmarkExport(b *testing.B) {
	exp := newUnsyncedExporter(b)
	records := recordtest.ModelCalls(batchSize)
	b.ReportAllocs()
	for b.Loop() {
		if err := exp.Export(b.Context(), records); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/batchSize, "ns/record")
}

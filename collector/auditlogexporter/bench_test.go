package auditlogexporter

import (
	"testing"

	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelaudit/otelaudit/internal/recordtest"
)

// BenchmarkPushLogs writes requests of 512 calls of a model, without syncing.
func BenchmarkPushLogs(b *testing.B) {
	cfg := newConfig(b)
	cfg.Sync.Mode = SyncNever
	cfg.Rotation.MaxBytes = 1 << 40
	e := startLogs(b, cfg)
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	records := recordtest.ModelCalls(512)
	putAll(rl.Resource().Attributes(), records[0].Resource().Attributes())
	sl := rl.ScopeLogs().AppendEmpty()
	sl.Scope().SetName(records[0].InstrumentationScope().Name)
	for i := range records {
		put(sl.LogRecords().AppendEmpty(), &records[i])
	}
	ld.MarkReadOnly()
	b.ReportAllocs()
	for b.Loop() {
		if err := e.ConsumeLogs(b.Context(), ld); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/512, "ns/record")
}

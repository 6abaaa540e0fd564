package otlpwire_test

import (
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/exporter"
	"github.com/otelaudit/otelaudit/internal/audittest"
	"github.com/otelaudit/otelaudit/internal/otelline"
	"github.com/otelaudit/otelaudit/internal/recordtest"
	"github.com/otelaudit/otelaudit/internal/recordtest/random"
)

// TestAnyRecordIsSentAsOTLPHTTPSendsIt takes random records through the exporter
// and holds the requests of whole batches, of their parts and of single records
// against the other way.
func TestAnyRecordIsSentAsOTLPHTTPSendsIt(t *testing.T) {
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "host.name=replayer,service.name=replayer")
	log := audittest.Open(t, filepath.Join(t.TempDir(), "audit.jsonl"), auditlog.WithSessionID("process"))
	exp, err := exporter.New(log)
	if err != nil {
		t.Fatal(err)
	}
	plain, derived := newBoth(t, otelline.DecoderConfig{}), newBoth(t, otelline.DecoderConfig{Derived: true})
	rapid.Check(t, func(rt *rapid.T) {
		b := plain
		if rapid.Bool().Draw(rt, "derived") {
			b = derived
		}
		b.reset()
		var c recordtest.Capturer
		for range rapid.IntRange(1, 12).Draw(rt, "records") {
			random.Emit(rt, &c)
		}
		if err := exp.Export(t.Context(), c.Records); err != nil {
			rt.Fatal(err)
		}
		last, err := log.LastEvents(t.Context(), len(c.Records), "")
		if err != nil || len(last) != len(c.Records) {
			rt.Fatal(last, err)
		}
		for _, entry := range last {
			if err := b.add(t, entry.Raw, entry.Offset); err != nil {
				rt.Fatal(err)
			}
		}
		from := rapid.IntRange(0, len(last)-1).Draw(rt, "from")
		to := rapid.IntRange(from, len(last)).Draw(rt, "to")
		b.compare(t, 0, len(last))
		b.compare(t, from, to)
		b.compare(t, from, from+1)
		if t.Failed() {
			for _, entry := range last {
				rt.Logf("%s", entry.Raw)
			}
			rt.FailNow()
		}
	})
}

package otlpwire_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/otelaudit/otelaudit/exporter"
	"github.com/otelaudit/otelaudit/internal/alloctest"
	"github.com/otelaudit/otelaudit/internal/audittest"
	"github.com/otelaudit/otelaudit/internal/otelline"
	"github.com/otelaudit/otelaudit/internal/otlpwire"
	"github.com/otelaudit/otelaudit/internal/recordtest"
)

const batchSize = 512

// ownLines are lines of model calls with 12 attributes, as exporter writes them.
func ownLines(tb testing.TB) (all [][]byte) {
	tb.Helper()
	log := audittest.Open(tb, filepath.Join(tb.TempDir(), "audit.jsonl"))
	exp, err := exporter.New(log)
	if err != nil {
		tb.Fatal(err)
	}
	if err := exp.Export(context.Background(), recordtest.ModelCalls(batchSize)); err != nil {
		tb.Fatal(err)
	}
	last, err := log.LastEvents(context.Background(), batchSize, "")
	if err != nil {
		tb.Fatal(err)
	}
	for _, entry := range last {
		all = append(all, entry.Raw)
	}
	return all
}

// foreignLines are lines of about 335 bytes that another writer made.
func foreignLines() (all [][]byte) {
	for i := range batchSize {
		all = append(all, fmt.Appendf(nil, `{"ts":"2026-02-13T14:%02d:22.123Z","event":"llm.call","session_id":"3f0f9a1e-5f0b-4f5e-9d43-%012d","cost":%.6f,`+
			`"model":"claude-sonnet-4-6","input_t":%d,"output_t":%d,"duration_ms":%d,"log.record.uid":"019c5a50-7b5e-7e58-8%03x-%012x",`+
			`"trace_id":"%016x%016x","span_id":"%016x","trace_flags":"01"}`, i%60, i, float64(i)*3e-6, i*31, i*7, i*13, i, i*12345, i+1, i+2, i+3))
	}
	return all
}

// shortLines are lines of exporter of about 335 bytes.
func shortLines() (all [][]byte) {
	for i := range batchSize {
		all = append(all, fmt.Appendf(nil, `{"ts":"2026-02-13T14:30:22.123Z","event":"llm.call","session_id":"4f0c2e9a","cost":%.6f,"model":"gpt-4o-2024-08-06",`+
			`"input_t":%d,"output_t":%d,"log.record.uid":"019c4f3e-5f1b-7a51-8%03x-%012x",`+
			`"otel":{"time_unix_nano":"17709930221234%05d","severity_number":9,"scope":{"name":"agent"},"resource":{"attributes":{"service.name":"agent"}}}}`,
			float64(i)*3e-6, i*31, i*7, i, i*12345, i))
	}
	return all
}

func TestOwnAndForeignLinesAreSentWithoutAllocating(t *testing.T) {
	for name, lines := range map[string][][]byte{"own": ownLines(t), "short": shortLines(), "foreign": foreignLines()} {
		e := otlpwire.NewEncoder(otelline.DecoderConfig{})
		var body []byte
		batch := func() {
			e.Reset()
			for i, line := range lines {
				if err := e.Add(line, int64(i)); err != nil {
					t.Fatal(err)
				}
			}
			body = e.AppendRequest(body[:0], 0, e.Len())
		}
		batch()
		if allocs := alloctest.PerRun(20, batch); allocs > 0 {
			t.Errorf("%s: %v allocations for a batch of %d lines, want none", name, allocs, len(lines))
		}
	}
}

// BenchmarkRequest makes requests of batches of lines.
func BenchmarkRequest(b *testing.B) {
	for _, kind := range []struct {
		name  string
		lines [][]byte
	}{{"own", ownLines(b)}, {"short", shortLines()}, {"foreign", foreignLines()}} {
		size := 0
		for _, line := range kind.lines {
			size += len(line)
		}
		report := func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/batchSize, "ns/line")
			b.ReportMetric(float64(size)/batchSize, "bytes/line")
		}
		b.Run(kind.name+"/otlpwire", func(b *testing.B) {
			e := otlpwire.NewEncoder(otelline.DecoderConfig{})
			var body []byte
			for b.Loop() {
				e.Reset()
				for i, line := range kind.lines {
					if err := e.Add(line, int64(i)); err != nil {
						b.Fatal(err)
					}
				}
				body = e.AppendRequest(body[:0], 0, e.Len())
			}
			report(b)
		})
		b.Run(kind.name+"/otlploghttp", func(b *testing.B) {
			o := newOracle(b, otelline.DecoderConfig{})
			for b.Loop() {
				o.records = o.records[:0]
				for i, line := range kind.lines {
					if err := o.add(line, int64(i)); err != nil {
						b.Fatal(err)
					}
				}
				if err := o.export.Export(b.Context(), o.records); err != nil {
					b.Fatal(err)
				}
			}
			report(b)
		})
	}
}

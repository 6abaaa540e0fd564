package auditlog_test

import (
	"bytes"
	"context"
	"math"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/otelaudit/otelaudit/auditlog"
)

// tenFields is an event of ten fields, about 300 bytes as a line.
func tenFields() auditlog.Event {
	return auditlog.Event{
		Name: "llm.call", SessionID: "4f0c2e9a-9c1d-4f7a-8f59-0d3b7c3f2b61", Cost: new(0.0041), Model: "gpt-4o-2024-08-06",
		InputTokens: new(int64(1500)), OutputTokens: new(int64(250)), Files: []string{"internal/server/handler.go"},
		Reason: "cost_exceeds_limit", TraceID: "5b8efff798038103d269b633813fc60c", SpanID: "eee19b7ec3c1b174",
	}
}

func benchmarkWriter(b *testing.B, opts ...auditlog.Option) *auditlog.Log {
	b.Helper()
	log, err := auditlog.Open(filepath.Join(b.TempDir(), "audit.jsonl"),
		append([]auditlog.Option{auditlog.WithMaxFileSize(math.MaxInt64 / 2)}, opts...)...)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := log.Close(); err != nil {
			b.Error(err)
		}
	})
	return log
}

// BenchmarkAppend is one goroutine that never waits for the disk.
func BenchmarkAppend(b *testing.B) {
	for name, opts := range map[string][]auditlog.Option{
		"sole":   {auditlog.WithoutCadenceSync(), auditlog.WithSoleOwner()},
		"shared": {auditlog.WithoutCadenceSync()},
	} {
		for _, lines := range []int{1, 512} {
			b.Run(name+"/"+map[int]string{1: "1", 512: "512"}[lines], func(b *testing.B) {
				log := benchmarkWriter(b, opts...)
				batch := make([]auditlog.Event, lines)
				for i := range batch {
					batch[i] = tenFields()
				}
				ctx := context.Background()
				b.ReportAllocs()
				for b.Loop() {
					if err := log.Append(ctx, batch...); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*lines), "ns/line")
			})
		}
	}
}

// BenchmarkDisk is what waits for the disk, each beside the bare system calls.
func BenchmarkDisk(b *testing.B) {
	bare := func(writes, lines int) func(b *testing.B) {
		return func(b *testing.B) {
			f, err := os.OpenFile(filepath.Join(b.TempDir(), "bare"), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close() //nolint:errcheck // only measured
			line := bytes.Repeat(append(bytes.Repeat([]byte{'x'}, 330), '\n'), lines)
			for b.Loop() {
				for range writes {
					if _, err := f.Write(line); err != nil {
						b.Fatal(err)
					}
				}
				if err := f.Sync(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*writes*lines), "ns/line")
		}
	}
	appends := func(calls, lines int, opts ...auditlog.Option) func(b *testing.B) {
		return func(b *testing.B) {
			log := benchmarkWriter(b, opts...)
			batch := make([]auditlog.Event, lines)
			for i := range batch {
				batch[i] = tenFields()
			}
			b.ReportAllocs()
			for b.Loop() {
				for range calls {
					if err := log.Append(b.Context(), batch...); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*calls*lines), "ns/line")
		}
	}
	b.Run("ten/bare", bare(10, 1))
	b.Run("ten/sole", appends(10, 1, auditlog.WithSoleOwner()))
	b.Run("ten/shared", appends(10, 1))
	b.Run("512/bare", bare(1, 512))
	b.Run("512/sole", appends(1, 512, auditlog.WithSoleOwner(), auditlog.WithSyncLines(1)))
	b.Run("512/shared", appends(1, 512, auditlog.WithSyncLines(1)))
	b.Run("strict/1", appends(1, 1, auditlog.WithSyncLines(1)))
	b.Run("strict/64", func(b *testing.B) {
		log := benchmarkWriter(b, auditlog.WithSyncLines(1))
		var left atomic.Int64
		left.Store(int64(b.N))
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				event := tenFields()
				for left.Add(-1) >= 0 {
					if err := log.Append(b.Context(), event); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N), "ns/line")
	})
}

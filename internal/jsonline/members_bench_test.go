package jsonline_test

import (
	"testing"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// usualLine is a line as exporter writes it.
const usualLine = `{"ts":"2026-02-13T14:30:22.123Z","event":"llm.call","session_id":"3f0f9a1e-5f0b-4f5e-9d43-000000000007","cost":0.0041,` +
	`"model":"gpt-4o","input_t":1500,"output_t":250,"gen_ai.request.model":"gpt-4o","log.record.uid":"019c4f3e-5f1b-7a51-8f5e-0d6c1f0a9b11",` +
	`"trace_id":"5b8efff798038103d269b633813fc60c","otel":{"time_unix_nano":"1770993022123456789","scope":{"name":"agent"}}}`

// BenchmarkScan finds three members among many and checks all of a line.
func BenchmarkScan(b *testing.B) {
	text := []byte(usualLine)
	b.Run("Keys", func(b *testing.B) {
		keys := jsonline.NewKeys("cost", "input_t", "output_t", "ts", "event", "session_id", "model", "trace_id", "reason", "confidence")
		values := make([][]byte, 10)
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		for b.Loop() {
			if err := keys.Scan(text, values); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("EachMember", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		n := 0
		for b.Loop() {
			if err := jsonline.EachMember(text, func(_, _ []byte) bool { n++; return true }); err != nil {
				b.Fatal(err)
			}
		}
	})
}

package bridge_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/otelaudit/otelaudit/bridge"
)

// BenchmarkReplay sends a log of lines of 335 bytes to a collector that takes
// everything and looks at nothing.
func BenchmarkReplay(b *testing.B) {
	const lines = 50_000
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // the client reports what goes wrong
	}))
	b.Cleanup(s.Close)
	const text = `{"ts":"2026-02-13T11:00:02.123Z","event":"nav","session_id":"4b1f8c1e-7c1b-4c1e-9d1f-000000000000","model":"llama-3.1-8b-instruct",` +
		`"cost":0.000042,"input_t":1234,"output_t":321,"duration_ms":987,"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"00f067aa0ba902b7",` +
		`"reason":"ok","q":"what happened, and how much did it cost, they asked"}` + "\n"
	path := logPath(b)
	write(b, path, strings.Repeat(text, lines))
	b.SetBytes(int64(len(text) * lines))
	b.ReportAllocs()
	for b.Loop() {
		if stats := run(b, path, s.URL, bridge.WithFromStart(), bridge.WithInFlight(bridge.DefaultInFlight)); stats.Sent != lines {
			b.Fatalf("got %+v, want %d sent", stats, lines)
		}
	}
	b.ReportMetric(float64(lines*b.N)/b.Elapsed().Seconds(), "lines/s")
}

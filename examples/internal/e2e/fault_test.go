package e2e

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/bridge"
	"github.com/otelaudit/otelaudit/internal/audittest"
)

// newProxy starts a proxy to url that does what its toxics say.
func newProxy(t *testing.T, url string) (p *toxiproxy.Proxy, through string) {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	p = toxiproxy.NewProxy(server, "collector", "127.0.0.1:0", strings.TrimPrefix(url, "http://"))
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p, "http://" + p.Listen
}

// writeEvents appends n events with names of their own.
func writeEvents(t *testing.T, log *auditlog.Log, prefix string, n int) {
	t.Helper()
	events := make([]auditlog.Event, n)
	for i := range events {
		events[i] = auditlog.Event{Name: fmt.Sprintf("%s-%d", prefix, i), Reason: strings.Repeat("why ", 50)}
	}
	if err := log.Append(t.Context(), events...); err != nil {
		t.Fatal(err)
	}
}

// arrived counts how often each event came.
func arrived(r *receiver) map[string]int {
	times := map[string]int{}
	for _, request := range r.take() {
		for _, resource := range request.GetResourceLogs() {
			for _, scope := range resource.GetScopeLogs() {
				for _, record := range scope.GetLogRecords() {
					times[record.GetEventName()]++
				}
			}
		}
	}
	return times
}

// on calls f with each message that is logged.
type on func(message string)

func (f on) Enabled(context.Context, slog.Level) bool { return true }
func (f on) WithAttrs([]slog.Attr) slog.Handler       { return f }
func (f on) WithGroup(string) slog.Handler            { return f }
func (f on) Handle(_ context.Context, r slog.Record) error {
	f(r.Message)
	return nil
}

const sentAgain = "collector did not take a batch; it is sent again"

// TestABadNetworkLosesNothing puts each fault between bridge and collector. Those
// that let nothing through are taken away when a request was sent again.
func TestABadNetworkLosesNothing(t *testing.T) {
	const events, batch, inFlight = 300, 20, 4
	for _, tt := range []struct {
		name, toxic string
		blocks      bool
	}{
		{"latency", `{"type":"latency","stream":"upstream","attributes":{"latency":20,"jitter":20}}`, false},
		{"bandwidth", `{"type":"bandwidth","stream":"upstream","attributes":{"rate":50}}`, false},
		{"slices", `{"type":"slicer","stream":"upstream","attributes":{"average_size":100,"size_variation":50,"delay":10}}`, false},
		{"reset of all connections", `{"type":"reset_peer","stream":"downstream","attributes":{"timeout":0}}`, true},
		{"requests cut off", `{"type":"limit_data","stream":"upstream","attributes":{"bytes":700}}`, true},
		{"answers cut off", `{"type":"limit_data","stream":"downstream","attributes":{"bytes":30}}`, true},
		{"requests that never arrive", `{"type":"timeout","stream":"upstream","attributes":{"timeout":0}}`, true},
		{"answers that never arrive", `{"type":"timeout","stream":"downstream","attributes":{"timeout":0}}`, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "500")
			r, url := serve(t)
			proxy, through := newProxy(t, url)
			path := filepath.Join(t.TempDir(), "audit.jsonl")
			log := audittest.Open(t, path, auditlog.WithMaxFileSize(20<<10))
			writeEvents(t, log, "e", events)
			if _, err := proxy.Toxics.AddToxicJson(strings.NewReader(strings.Replace(tt.toxic, "{", `{"name":"fault",`, 1))); err != nil {
				t.Fatal(err)
			}
			var once sync.Once
			var wait sync.WaitGroup
			b, err := bridge.New(path, bridge.WithEndpoint(through), bridge.WithBatchSize(batch), bridge.WithInFlight(inFlight),
				bridge.WithBackoff(5*time.Millisecond, 20*time.Millisecond),
				bridge.WithLogger(slog.New(on(func(message string) {
					if tt.blocks && message == sentAgain {
						once.Do(func() {
							wait.Go(func() {
								if err := proxy.Toxics.RemoveToxic(context.Background(), "fault"); err != nil {
									t.Error(err)
								}
							})
						})
					}
				}))))
			if err != nil {
				t.Fatal(err)
			}
			stats, err := b.Run(t.Context())
			wait.Wait()
			if err != nil || stats.Sent != events || stats.Rejected > 0 {
				t.Errorf("got %+v, %v, want %d sent", stats, err, events)
			}
			if tt.blocks && stats.Retried == 0 {
				t.Error("nothing was sent again: the fault did nothing")
			}
			times, twice := arrived(r), 0
			for i := range events {
				name := fmt.Sprintf("e-%d", i)
				if times[name] == 0 {
					t.Errorf("%s is lost", name)
				}
				twice += max(0, times[name]-1)
			}
			// What was sent again may have been taken before.
			if bound := int(stats.Retried) * batch; twice > bound {
				t.Errorf("got %d events twice, want at most %d", twice, bound)
			}
		})
	}
}

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/bridge"
	"github.com/otelaudit/otelaudit/examples/internal/collector"
	"github.com/otelaudit/otelaudit/internal/audittest"
)

// limitedConfig is a collector that refuses everything: its memory limit is
// less than any program has in use.
const limitedConfig = `
receivers:
  otlp:
    protocols:
      http:
        endpoint: ${env:OTELAUDIT_OTLP_ENDPOINT}
processors:
  memory_limiter:
    check_interval: 10ms
    limit_mib: 2
    spike_limit_mib: 1
exporters:
  file:
    path: ${env:OTELAUDIT_COLLECTOR_OUTPUT}
    append: true
service:
  telemetry:
    logs:
      output_paths: ["${env:OTELAUDIT_COLLECTOR_LOG}"]
    metrics:
      level: none
  pipelines:
    logs:
      receivers: [otlp]
      processors: [memory_limiter]
      exporters: [file]
`

// namesIn counts the events in what a collector wrote.
func namesIn(t *testing.T, c aCollector) map[string]int {
	t.Helper()
	r := new(receiver)
	r.requests = c.received(t)
	return arrived(r)
}

func wantOnce(t *testing.T, times map[string]int, prefix string, n int) {
	t.Helper()
	for i := range n {
		if name := fmt.Sprintf("%s-%d", prefix, i); times[name] != 1 {
			t.Errorf("%s came %d times, want once", name, times[name])
		}
	}
}

// TestACollectorShortOfMemoryGetsEverythingLater lets a real collector refuse
// with its memory limiter, restarts it without, and counts what it received.
func TestACollectorShortOfMemoryGetsEverythingLater(t *testing.T) {
	const events = 2000
	dir := t.TempDir()
	file := filepath.Join(dir, "limited.yaml")
	if err := os.WriteFile(file, []byte(limitedConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := collector.Config{File: file, Output: filepath.Join(dir, "received.jsonl"), Log: filepath.Join(dir, "collector.log")}
	limited, err := collector.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "audit.jsonl")
	log := audittest.Open(t, path, auditlog.WithMaxFileSize(100<<10))
	refused := make(chan struct{})
	var once sync.Once
	var passed atomic.Int64
	b, err := bridge.New(path, bridge.WithEndpoint(limited.URL()), bridge.WithFollow(), bridge.WithBatchSize(100),
		bridge.WithProgress(func(p bridge.Progress) { passed.Store(p.Records) }),
		bridge.WithBackoff(10*time.Millisecond, 50*time.Millisecond),
		bridge.WithLogger(slog.New(on(func(message string) {
			if message == sentAgain {
				once.Do(func() { close(refused) })
			}
		}))))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var stats bridge.Stats
	var runErr error
	var wait sync.WaitGroup
	wait.Go(func() { stats, runErr = b.Run(ctx) })
	sent := 0
	for waiting := true; waiting; {
		// The limiter may take some before it has looked at the memory once.
		writeEvents(t, log, fmt.Sprintf("early%d", sent), 1)
		sent++
		select {
		case <-refused:
			waiting = false
		case <-time.After(5 * time.Millisecond):
		}
	}
	writeEvents(t, log, "e", events)
	if err := limited.Stop(); err != nil {
		t.Fatal(err)
	}
	again := collector.Config{Endpoint: strings.TrimPrefix(limited.URL(), "http://"), Output: cfg.Output, Log: cfg.Log}
	c, err := collector.Start(t.Context(), again)
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); passed.Load() < int64(events+sent) && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	cancel()
	wait.Wait()
	if runErr != nil || stats.Retried == 0 || stats.Rejected > 0 {
		t.Errorf("got %+v, %v, want retries, nothing rejected and no error", stats, runErr)
	}
	times := namesIn(t, aCollector{c, cfg.Output})
	wantOnce(t, times, "e", events)
	for i := range sent {
		wantOnce(t, times, fmt.Sprintf("early%d", i), 1)
	}
}

// TestABodyOverTheCollectorsLimitCostsOneRecord: this collector takes 20 MiB of
// uncompressed body, the receiver's default, and answers 400 to more.
func TestABodyOverTheCollectorsLimitCostsOneRecord(t *testing.T) {
	const events = 50
	text, err := os.ReadFile(filepath.Join("..", "..", "..", collector.ConfigFile))
	if err != nil {
		t.Fatal(err)
	}
	const limit = "max_request_body_size: 67108864"
	if !bytes.Contains(text, []byte(limit)) {
		t.Fatalf("%s has no %s", collector.ConfigFile, limit)
	}
	file := filepath.Join(t.TempDir(), "default-limit.yaml")
	if err := os.WriteFile(file, bytes.Replace(text, []byte(limit), nil, 1), 0o600); err != nil {
		t.Fatal(err)
	}
	c := startCollectorWith(t, file)
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	log := audittest.Open(t, path, auditlog.WithMaxFileSize(64<<20))
	writeEvents(t, log, "before", events)
	if err := log.Append(t.Context(), auditlog.Event{Name: "huge", Reason: strings.Repeat("x", 21<<20)}); err != nil {
		t.Fatal(err)
	}
	writeEvents(t, log, "after", events)
	b, err := bridge.New(path, bridge.WithEndpoint(c.URL()))
	if err != nil {
		t.Fatal(err)
	}
	stats, err := b.Run(t.Context())
	if want := (bridge.Stats{Read: 2*events + 1, Sent: 2 * events, Rejected: 1}); err != nil || stats != want {
		t.Errorf("got %+v, %v, want %+v", stats, err, want)
	}
	refused, err := os.ReadFile(b.RejectFile())
	if err != nil || !strings.Contains(string(refused), `"status":400,"reason":"http: request body too large"`) {
		t.Errorf("reject file: got %.200s, %v", refused, err)
	}
	times := namesIn(t, c)
	wantOnce(t, times, "before", events)
	wantOnce(t, times, "after", events)
}

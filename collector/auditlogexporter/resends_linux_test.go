package auditlogexporter

import (
	"context"
	"errors"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"
)

// TestARequestThatComesAgainDuringItsWriteIsWrittenOnce has another process's
// lock keep the write from its end, as a slow disk does.
func TestARequestThatComesAgainDuringItsWriteIsWrittenOnce(t *testing.T) {
	for _, mode := range []SyncMode{SyncAlways, SyncCadence, SyncNever} {
		t.Run(string(mode), func(t *testing.T) {
			cfg := newConfig(t)
			cfg.Sync.Mode = mode
			l := startLogs(t, cfg)
			testResend(t, cfg.Path, func(ctx context.Context) error { return l.ConsumeLogs(ctx, events("a", "b")) })
		})
	}
	t.Run("spans", func(t *testing.T) {
		cfg := newConfig(t)
		tr := startTraces(t, cfg)
		testResend(t, cfg.Path, func(ctx context.Context) error { return tr.ConsumeTraces(ctx, modelCalls("x", "y")) })
	})
}

// testResend sends a request of two lines, gives up before they are written, and
// sends it again.
func testResend(t *testing.T, path string, send func(context.Context) error) {
	t.Helper()
	r := &onlyExporter(t).resends
	unlock := lockFile(t, path)
	ctx, cancel := context.WithCancel(t.Context())
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { first <- send(ctx) }()
	await(t, func() bool { return attempts(r) == 1 })
	cancel()
	go func() { second <- send(t.Context()) }()
	// The second one hashes the first before it waits for it.
	await(t, func() bool { return hashed(r) })
	if n := attempts(r); n != 1 {
		t.Errorf("%d requests are being written, want 1", n)
	}
	unlock()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the end of its context", err)
	}
	if err := <-second; err != nil {
		t.Error(err)
	}
	if lines := decodedLines(t, path); len(lines) != 2 {
		t.Errorf("got %d lines, want 2", len(lines))
	}
}

// TestEqualRequestsOfTwoSendersAreWrittenTwice if both wait for their answers.
func TestEqualRequestsOfTwoSendersAreWrittenTwice(t *testing.T) {
	cfg := newConfig(t)
	l := startLogs(t, cfg)
	r := &onlyExporter(t).resends
	unlock := lockFile(t, cfg.Path)
	answers := make(chan error, 2)
	for range 2 {
		go func() { answers <- l.ConsumeLogs(t.Context(), events("a")) }()
	}
	await(t, func() bool { return attempts(r) == 2 })
	unlock()
	if err := errors.Join(<-answers, <-answers); err != nil {
		t.Error(err)
	}
	if got := namesOf(decodedLines(t, cfg.Path)); !slices.Equal(got, []string{"a", "a"}) {
		t.Errorf("got %q, want a twice", got)
	}
}

// onlyExporter returns the exporter that was started.
func onlyExporter(t *testing.T) *auditExporter {
	t.Helper()
	exporters.mu.Lock()
	defer exporters.mu.Unlock()
	if len(exporters.byConfig) != 1 {
		t.Fatalf("there are %d exporters, want 1", len(exporters.byConfig))
	}
	for _, e := range exporters.byConfig {
		return e
	}
	return nil
}

// hashed reports whether a request that is being written has been compared with
// another.
func hashed(r *resends) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, list := range r.running {
		for _, a := range list {
			if a.key.Load() != nil {
				return true
			}
		}
	}
	return false
}

// lockFile takes the lock of an audit log's file, as another process does.
func lockFile(t *testing.T, path string) (unlock func()) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_UN); err != nil {
			t.Error(err)
		}
	}
}

// await waits until ok.
func await(t *testing.T, ok func() bool) {
	t.Helper()
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	for !ok() {
		select {
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		case <-poll.C:
		}
	}
}

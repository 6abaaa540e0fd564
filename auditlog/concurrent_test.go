package auditlog_test

import (
	"errors"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/audittest"
	"github.com/otelaudit/otelaudit/internal/trials"
)

// TestLogConcurrentSafe calls all methods of one Log that write from several
// goroutines, and closes it under them.
func TestLogConcurrentSafe(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]auditlog.Option{
		"shared": nil, "sole owner": {auditlog.WithSoleOwner()}, "each line on disk": {auditlog.WithSyncLines(1)},
	} {
		t.Run(name, func(t *testing.T) {
			for range trials.Of(3) {
				closeUnderUse(t, opts...)
			}
		})
	}
}

func closeUnderUse(t *testing.T, opts ...auditlog.Option) {
	t.Helper()
	log := audittest.Open(t, filepath.Join(t.TempDir(), "audit.jsonl"), append(opts, auditlog.WithMaxFileSize(4000))...)
	var acked [4]int // the first of each writer's events that were appended
	var total atomic.Int64
	enough, due := make(chan struct{}), make(chan struct{}, 1) // to close, to rotate
	var wg sync.WaitGroup
	until := func(what string, call func() error) {
		wg.Go(func() {
			for {
				err := call()
				if errors.Is(err, auditlog.ErrClosed) {
					return
				}
				if err != nil {
					t.Errorf("%s: %v", what, err)
					return
				}
			}
		})
	}
	for w := range acked {
		until("Append", func() error {
			err := log.Append(t.Context(), numbered(strconv.Itoa(w), acked[w]))
			if err == nil {
				acked[w]++
				switch n := total.Add(1); {
				case n == 200:
					close(enough)
				case n < 200 && n%20 == 0:
					select {
					case due <- struct{}{}:
					default: // it is at it still
					}
				}
			}
			return err
		})
	}
	until("Sync", func() error { return log.Sync(t.Context()) })
	until("Rotate", func() error {
		select {
		case <-due:
		case <-enough: // one after the other now, into Close
		}
		return log.Rotate(t.Context())
	})
	var last auditlog.Stats
	until("Stats", func() error {
		s := log.Stats()
		if s.Appended < last.Appended || s.Rotated < last.Rotated {
			t.Errorf("Stats() = %+v behind %+v", s, last)
		}
		last = s
		select {
		case <-enough:
			return auditlog.ErrClosed
		default:
			return nil
		}
	})
	<-enough
	for range 2 {
		wg.Go(func() {
			if err := log.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
	wg.Wait()
	if log.Stats().Rotated == 0 {
		t.Error("no rotation")
	}

	next := map[string]int64{}
	for _, entry := range entries(t, log.Reader) {
		e, err := entry.Event()
		if err != nil {
			t.Fatal(err)
		}
		if e.Attributes["n"] != next[e.SessionID] {
			t.Fatalf("writer %s: event %v where %d was expected", e.SessionID, e.Attributes["n"], next[e.SessionID])
		}
		next[e.SessionID]++
	}
	for w, want := range acked {
		if got := next[strconv.Itoa(w)]; got != int64(want) {
			t.Errorf("writer %d: found %d events, want the %d that were acknowledged", w, got, want)
		}
	}
	if got, want := log.Stats().Appended, total.Load(); got != want {
		t.Errorf("Stats().Appended = %d, want %d", got, want)
	}
}

package main

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/audittest"
)

// arrivals checks that the events of each writer arrive once and in order, and
// calls done when all have.
type arrivals struct {
	t    *testing.T
	next []int64 // of each writer
	left int
	done func()
	rest []byte // a part of a line
}

func (a *arrivals) Write(p []byte) (int, error) {
	a.rest = append(a.rest, p...)
	for {
		line, rest, ok := bytes.Cut(a.rest, []byte{'\n'})
		if !ok {
			return len(p), nil
		}
		a.rest = rest
		e, err := auditlog.Entry{Raw: line}.Event()
		if err != nil {
			return 0, err
		}
		var w int
		if _, err := fmt.Sscanf(e.SessionID, "w%d", &w); err != nil {
			return 0, fmt.Errorf("session %q: %w", e.SessionID, err)
		}
		if e.Attributes["n"] != a.next[w] {
			a.t.Errorf("got event %v of writer %d, want %d", e.Attributes["n"], w, a.next[w])
			a.done()
		}
		a.next[w]++
		if a.left--; a.left == 0 {
			a.done()
		}
	}
}

// TestFollowingPrintsEveryEventOnceWhileFilesRotate has writers with a Log of
// their own, as processes have, that rotate all the time and compress.
func TestFollowingPrintsEveryEventOnceWhileFilesRotate(t *testing.T) {
	const writers, events = 3, 500
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var errs bytes.Buffer
	out := &arrivals{t: t, next: make([]int64, writers), left: writers * events, done: cancel}
	var running sync.WaitGroup
	running.Go(func() {
		if code := run(ctx, []string{"query", "--follow", "--path", path}, streams{out: out, err: &errs}); code != codeDone {
			t.Errorf("got exit code %d, want 0", code)
		}
	})
	for w := range writers {
		log := audittest.Open(t, path, auditlog.WithMaxFileSize(4<<10), auditlog.WithSyncLines(events+1))
		running.Go(func() {
			for n := range events {
				e := auditlog.Event{Name: "nav", SessionID: fmt.Sprint("w", w), Attributes: map[string]any{"n": n}}
				if err := log.Append(t.Context(), e); err != nil {
					t.Error(err)
					cancel()
					return
				}
			}
		})
	}
	running.Wait()
	if out.left > 0 {
		t.Errorf("%d events did not arrive: %s", out.left, errs.String())
	}
}

package main

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/audittest"
)

// TestFollowingEndsWhenNobodyReadsAnyMore appends nothing after the reader has
// left, so that no write can tell.
func TestFollowingEndsWhenNobodyReadsAnyMore(t *testing.T) {
	log := filepath.Join(t.TempDir(), "audit.jsonl")
	if err := audittest.Open(t, log).Append(t.Context(), auditlog.Event{Name: "nav"}); err != nil {
		t.Fatal(err)
	}
	none := filepath.Join(t.TempDir(), "audit.jsonl")
	for name, tt := range map[string]struct {
		args  []string
		lines int // that are read
	}{
		"tail":               {[]string{"tail", "-f", "--path", log}, 1},
		"tail, nothing read": {[]string{"tail", "-f", "-n", "0", "--path", log}, 0},
		"query":              {[]string{"query", "-f", "--path", log}, 1},
		"query as csv":       {[]string{"query", "-f", "--format", "csv", "--path", log}, 2},
		"no match":           {[]string{"query", "-f", "--event", "budget", "--path", log}, 0},
		"no log":             {[]string{"tail", "-f", "--path", none}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := w.Close(); err != nil {
					t.Error(err)
				}
			}()
			var errs bytes.Buffer
			code := make(chan int, 1)
			go func() { code <- run(t.Context(), tt.args, streams{out: w, err: &errs}) }()
			lines := bufio.NewScanner(r)
			for range tt.lines {
				if !lines.Scan() {
					t.Fatalf("the output ends: %v", lines.Err())
				}
			}
			select {
			case got := <-code:
				t.Fatalf("it ends with %d while somebody reads: %s", got, errs.String())
			default:
			}
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			select {
			case got := <-code:
				if got != codeDone {
					t.Errorf("got exit code %d, want 0: %s", got, errs.String())
				}
			case <-time.After(10 * time.Minute):
				t.Fatal("it goes on for a minute though nobody reads")
			}
		})
	}
}

package auditlog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/jsonline"
	"github.com/otelaudit/otelaudit/internal/vfs/memfs"
)

// largeLines are n events, from first on, of more bytes than are copied.
func largeLines(lines *jsonline.Lines, first, n int) {
	for i := range n {
		lines.Commit(fmt.Appendf(lines.Buffer(), `{"ts":"2026-02-13T16:30:22.123Z","event":"nav","session_id":"s","w":"s","n":%d,"x":%q}`+"\n",
			first+i, strings.Repeat("x", 1000)))
	}
}

// TestLargeLinesOfWhichNothingIsInTheFileAreWhatTheyWere: whoever gave them may
// try them again.
func TestLargeLinesOfWhichNothingIsInTheFileAreWhatTheyWere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStory(t, auditlog.WithMaxFileSize(1<<30))
		s.fs.Err = syscall.ENOSPC
		if err := s.open(); err != nil {
			t.Fatal(err)
		}
		var lines jsonline.Lines
		for try := range 3 { // behind one that was kept, too
			lines.Reset()
			largeLines(&lines, 100*try, 100)
			before := bytes.Clone(lines.Bytes())
			s.fs.Fault = func(_ int, op, _ string) memfs.Fault {
				if op == "write" {
					return memfs.Refused
				}
				return memfs.None
			}
			if err := auditlog.AppendLines(t.Context(), s.log, &lines); !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("AppendLines on a full disk = %v", err)
			}
			s.fs.Fault = nil
			if !bytes.Equal(lines.Bytes(), before) {
				t.Fatal("after an error that says nothing is in the file, the lines are others")
			}
			if err := auditlog.AppendLines(t.Context(), s.log, &lines); err != nil {
				t.Fatal(err)
			}
			for i := range 100 {
				s.inFile = append(s.inFile, 100*try+i)
			}
		}
		s.next = len(s.inFile)
		s.finish()
		if found, damage := s.found(); !slices.Equal(found, s.inFile) || damage > 0 {
			t.Errorf("found %d events and %d damaged lines, want %d events", len(found), damage, len(s.inFile))
		}
	})
}

// TestARepairWritesWhatWasAppendedThoughItsLinesAreUsedAgain: the fsync of a large
// append fails after whoever waited for it left, and encoded something else.
func TestARepairWritesWhatWasAppendedThoughItsLinesAreUsedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStory(t, auditlog.WithMaxFileSize(1<<30))
		disk := &slowDisk{s.fs, make(chan struct{}), make(chan struct{})}
		log, err := auditlog.Open(s.path(), append(slices.Clone(s.opts), auditlog.WithFS(disk))...)
		if err != nil {
			t.Fatal(err)
		}
		s.log = log
		var failures atomic.Int64
		s.fs.Evict = true
		s.fs.Fault = func(_ int, op, name string) memfs.Fault {
			if op == "fsync" && name == s.path() && failures.Add(1) == 1 {
				return memfs.Refused
			}
			return memfs.None
		}
		var lines jsonline.Lines
		largeLines(&lines, 0, 100)
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan error)
		go func() { left <- auditlog.AppendLinesToDisk(ctx, log, &lines) }()
		<-disk.syncing
		cancel()
		if _, ok := errors.AsType[*auditlog.SyncError](<-left); !ok {
			t.Error("it did not leave with a *SyncError")
		}
		lines.Reset()
		largeLines(&lines, 1000, 90) // in the same memory, if it still had it

		disk.proceed <- struct{}{}
		synctest.Wait()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for {
				select {
				case <-disk.syncing:
					disk.proceed <- struct{}{}
				case <-t.Context().Done():
					return
				}
			}
		}()
		if err := log.Sync(context.Background()); err != nil {
			t.Error(err)
		}
		if err := log.Close(); err != nil {
			t.Error(err)
		}
		if failures.Load() == 0 {
			t.Error("no fsync failed")
		}
		for i := range 100 {
			s.inFile = append(s.inFile, i)
		}
		if found, _ := s.read(); !slices.Equal(found, s.inFile) {
			t.Errorf("found %d events, want %d: %v", len(found), len(s.inFile), found)
		}
	})
}

// TestARepairKnowsWhatWasWrittenOfLargeLines: of a batch that a full disk took in
// part, and of what others appended before and behind it, all lines being used
// again at once.
func TestARepairKnowsWhatWasWrittenOfLargeLines(t *testing.T) {
	type batch struct{ lines, taken int } // taken in part if less
	for name, batches := range map[string][]batch{
		"a large one and a small one":        {{100, 100}, {1, 1}},
		"a small one and a large one":        {{1, 1}, {100, 100}},
		"two large ones":                     {{100, 100}, {90, 90}},
		"a large one in part":                {{100, 50}},
		"a large one in part, and more":      {{100, 50}, {1, 1}, {90, 90}},
		"a large one in part behind another": {{90, 90}, {100, 50}, {100, 100}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStory(t, auditlog.WithMaxFileSize(1<<30), auditlog.WithSyncLines(1000), auditlog.WithSyncInterval(time.Hour))
				s.fs.Err, s.fs.Evict = syscall.ENOSPC, true
				if err := s.open(); err != nil {
					t.Fatal(err)
				}
				var lines jsonline.Lines
				for _, b := range batches {
					lines.Reset()
					largeLines(&lines, s.next, b.lines)
					s.fs.Fault = func(_ int, op, _ string) memfs.Fault {
						if op == "write" && b.taken < b.lines {
							return memfs.Short
						}
						return memfs.None
					}
					err := auditlog.AppendLines(t.Context(), s.log, &lines)
					written := b.lines
					if partly, ok := errors.AsType[*auditlog.BatchError](err); ok {
						written = partly.Written
					} else if err != nil {
						t.Fatal(err)
					}
					if written != b.taken {
						t.Fatalf("%d of %d lines are in the file, want %d", written, b.lines, b.taken)
					}
					for i := range written {
						s.inFile = append(s.inFile, s.next+i)
					}
					s.next += b.lines
					memory := lines.Bytes()
					clear(memory[:cap(memory)])
				}
				failed := false
				s.fs.Fault = func(_ int, op, name string) memfs.Fault {
					if op == "fsync" && name == s.path() && !failed {
						failed = true
						return memfs.Refused
					}
					return memfs.None
				}
				if err := s.log.Sync(t.Context()); err != nil || !failed {
					t.Errorf("Sync = %v; that an fsync failed is %v", err, failed)
				}
				s.finish()
				if found, damage := s.found(); !slices.Equal(found, s.inFile) || damage > 0 {
					t.Errorf("found %d events and %d damaged lines, want %d events", len(found), damage, len(s.inFile))
				}
			})
		})
	}
}

package auditlog_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/audittest"
	"github.com/otelaudit/otelaudit/internal/vfs"
	"github.com/otelaudit/otelaudit/internal/vfs/memfs"
)

func TestSoleOwnerExcludesOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "audit.jsonl")
		owner, err := auditlog.Open(path, auditlog.WithSoleOwner(), auditlog.WithMaxFileSize(500))
		if err != nil {
			t.Fatal(err)
		}
		for n := range 10 { // the lock goes from file to file
			if err := owner.Append(t.Context(), numbered("w", n)); err != nil {
				t.Fatal(err)
			}
			if n%5 > 0 {
				continue
			}
			for _, opts := range [][]auditlog.Option{nil, {auditlog.WithSoleOwner()}} {
				if log, err := auditlog.Open(path, opts...); !errors.Is(err, auditlog.ErrLocked) {
					t.Errorf("Open of an owned file = %v, %v, want ErrLocked", log, err)
				}
			}
		}
		if err := owner.Close(); err != nil {
			t.Fatal(err)
		}
		log, err := auditlog.Open(path)
		if err != nil {
			t.Fatalf("Open after the owner closed: %v", err)
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// lockActive takes the lock as another process would.
func lockActive(t *testing.T, s *story) vfs.File {
	t.Helper()
	f, err := s.fs.Open(s.path(), vfs.Append)
	if err != nil {
		t.Fatal(err)
	}
	if free, err := f.Lock(false); err != nil || !free {
		t.Fatalf("Lock = %v, %v", free, err)
	}
	return f
}

// TestAppendsThatWaitShareOneWrite lets 20 goroutines wait for the lock of
// another process.
func TestAppendsThatWaitShareOneWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStory(t, auditlog.WithMaxFileSize(1<<20))
		if err := s.open(); err != nil {
			t.Fatal(err)
		}
		writes, syncs := 0, 0
		s.fs.Fault = func(_ int, op, _ string) memfs.Fault {
			switch op {
			case "write":
				writes++
			case "fsync":
				syncs++
			}
			return memfs.None
		}
		other := lockActive(t, s)
		var wg sync.WaitGroup
		for n := range 20 {
			wg.Go(func() {
				if err := s.log.Append(t.Context(), numbered("w", 2*n), numbered("w", 2*n+1)); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if writes > 0 {
			t.Errorf("%d writes without the lock", writes)
		}
		if err := other.Unlock(); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		if writes != 1 || syncs != 1 {
			t.Errorf("%d writes and %d fsyncs, want one of each", writes, syncs)
		}
		if err := s.log.Close(); err != nil {
			t.Fatal(err)
		}
		found, _ := s.read()
		if len(found) != 40 {
			t.Fatalf("found %d events, want 40", len(found))
		}
		for i := 0; i < len(found); i += 2 {
			if found[i]%2 != 0 || found[i+1] != found[i]+1 {
				t.Errorf("the events of one Append are apart: %v", found)
			}
		}
	})
}

func TestContextBoundsTheWaitingForTheLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStory(t)
		if err := s.open(); err != nil {
			t.Fatal(err)
		}
		other := lockActive(t, s)
		var wg sync.WaitGroup
		for range 3 { // the first one leads
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				start := time.Now()
				err := s.log.Append(ctx, numbered("w", 0))
				if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
					t.Errorf("Append = %v after %v, want its context's error after 1s", err, time.Since(start))
				}
			})
			synctest.Wait()
		}
		wg.Wait()
		start := time.Now()
		err := s.log.Append(t.Context(), numbered("w", 1))
		if waited := time.Since(start); !errors.Is(err, auditlog.ErrLocked) || waited < 9*time.Second || waited > 11*time.Second {
			t.Errorf("Append = %v after %v, want ErrLocked after 10s", err, waited)
		}
		if err := other.Unlock(); err != nil {
			t.Fatal(err)
		}
		s.next = 5
		s.finish()
		if found, _ := s.found(); !slices.Equal(found, []int{5}) {
			t.Errorf("found %v, want only the event that was not given up", found)
		}
	})
}

func TestCloseDoesNotWaitForALockForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStory(t)
		if err := s.open(); err != nil {
			t.Fatal(err)
		}
		if err := s.append(1); err != nil {
			t.Fatal(err)
		}
		other := lockActive(t, s)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.log.Append(ctx, numbered("w", 1)); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Append = %v, want its context's error", err)
		}
		if err := s.log.Close(); !errors.Is(err, auditlog.ErrLocked) {
			t.Errorf("Close = %v, want ErrLocked", err)
		}
		if got := auditlog.Unsynced(s.log); got != 0 {
			t.Errorf("%d lines are not synced", got)
		}
		if err := other.Close(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // or the goroutines of the log outlive the bubble
	})
}

// TestAppendsGoOnWhileTheDiskSyncs, in this Log and in others.
func TestAppendsGoOnWhileTheDiskSyncs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStory(t, auditlog.WithMaxFileSize(1<<20))
		disk := newSlowDisk(s.fs)
		log, err := auditlog.Open(s.path(), append(slices.Clone(s.opts), auditlog.WithFS(disk))...)
		if err != nil {
			t.Fatal(err)
		}
		other, err := auditlog.Open(s.path(), append(slices.Clone(s.opts), auditlog.WithFS(s.fs))...)
		if err != nil {
			t.Fatal(err)
		}
		synced := make(chan error, 1)
		if err := log.Append(t.Context(), numbered("w", 0)); err != nil {
			t.Fatal(err)
		}
		go func() { synced <- log.Sync(t.Context()) }()
		<-disk.syncing
		for n := 1; n < storySyncLines-1; n++ { // fewer than would have to wait
			if err := log.Append(t.Context(), numbered("w", n)); err != nil {
				t.Fatal(err)
			}
			if err := other.Append(t.Context(), numbered("other", n)); err != nil {
				t.Fatal(err)
			}
		}
		waiting := make(chan error, 1)
		go func() { waiting <- log.Append(t.Context(), numbered("w", storySyncLines-1)) }()
		synctest.Wait()
		select {
		case err := <-waiting:
			t.Errorf("Append = %v while %d lines were unsynced", err, storySyncLines)
		default:
		}
		disk.proceed <- struct{}{}
		if err := <-synced; err != nil {
			t.Error(err)
		}
		// The round that ended covered the first line, which is enough for it.
		if err := <-waiting; err != nil {
			t.Error(err)
		}
		go func() {
			<-disk.syncing
			disk.proceed <- struct{}{}
		}()
		for _, l := range []*auditlog.Log{log, other} {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		}
		if found, _ := s.read(); len(found) != 2*storySyncLines-2 {
			t.Errorf("found %v", found)
		}
	})
}

func TestFileGrowsBeyondItsLimitWhenItCannotBeRotated(t *testing.T) {
	for _, op := range []string{"create", "rename", "fsyncdir"} {
		t.Run(op, func(t *testing.T) {
			eachMode(t, func(t *testing.T, opts ...auditlog.Option) {
				synctest.Test(t, func(t *testing.T) {
					s := newStory(t, opts...)
					if err := s.open(); err != nil {
						t.Fatal(err)
					}
					if err := s.append(1); err != nil {
						t.Fatal(err)
					}
					if err := s.sync(); err != nil { // the name of the first file is durable
						t.Fatal(err)
					}
					var possible atomic.Bool
					s.fs.Fault = func(_ int, o, _ string) memfs.Fault {
						if !possible.Load() && o == op {
							return memfs.Refused
						}
						return memfs.None
					}
					for range 30 {
						if err := s.append(1); err != nil {
							t.Fatalf("Append while no rotation is possible: %v", err)
						}
					}
					if err := s.log.Rotate(t.Context()); err == nil {
						t.Error("Rotate = nil")
					}
					if got := s.log.Stats(); got.Rotated != 0 || got.RotationsFailed == 0 {
						t.Errorf("Stats() = %+v, want failed rotations", got)
					}
					possible.Store(true)
					time.Sleep(time.Second)
					s.finish()
					if got := s.log.Stats().Rotated; got != 1 {
						t.Errorf("%d rotations when they are possible again, want 1", got)
					}
					if found, damage := s.found(); !slices.Equal(found, s.inFile) || damage > 0 {
						t.Errorf("found %v, want %v", found, s.inFile)
					}
				})
			})
		})
	}
}

func TestRotateNow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	log := audittest.Open(t, path)
	for n := range 3 {
		for range 2 { // the second time the file is empty
			if err := log.Rotate(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := log.Append(t.Context(), numbered("w", n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	names := files(t, filepath.Dir(path))
	if len(names) != 3 || strings.Count(strings.Join(names, " "), ".jsonl.gz") != 2 {
		t.Errorf("files %v, want 2 archives and the active file", names)
	}
	if got := len(entries(t, log.Reader)); got != 3 {
		t.Errorf("found %d events, want 3", got)
	}
	if err := log.Rotate(t.Context()); !errors.Is(err, auditlog.ErrClosed) {
		t.Errorf("Rotate after Close = %v, want ErrClosed", err)
	}
}

func TestWithoutCadenceSyncOnlySyncWaitsForTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStory(t, auditlog.WithoutCadenceSync(), auditlog.WithMaxFileSize(1<<20))
		if err := s.open(); err != nil {
			t.Fatal(err)
		}
		for range 50 {
			if err := s.append(1); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := s.log.Stats().Synced; got != 0 {
			t.Errorf("%d lines are synced", got)
		}
		if err := s.sync(); err != nil || s.log.Stats().Synced != 50 {
			t.Errorf("Sync = %v, Stats() = %+v", err, s.log.Stats())
		}
		stop := failSyncs(s.fs, memfs.New().Err)
		if err := s.append(2); err != nil {
			t.Fatal(err)
		}
		if err := s.sync(); err == nil {
			t.Error("Sync = nil while it fails")
		}
		stop()
		time.Sleep(time.Second)
		s.finish()
		if found, damage := s.found(); !slices.Equal(found, s.inFile) || damage > 0 {
			t.Errorf("found %v, want %v", found, s.inFile)
		}
	})
}

package auditlog_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/jsonline"
	"github.com/otelaudit/otelaudit/internal/vfs/memfs"
)

// strictStory is a log whose appends wait for the disk, which waits to be let
// go. writes counts the writes.
func strictStory(t *testing.T) (s *story, disk *slowDisk, writes *atomic.Int64) {
	t.Helper()
	s = newStory(t, auditlog.WithMaxFileSize(1<<20), auditlog.WithSyncLines(1))
	disk = newSlowDisk(s.fs)
	log, err := auditlog.Open(s.path(), append(slices.Clone(s.opts), auditlog.WithFS(disk))...)
	if err != nil {
		t.Fatal(err)
	}
	s.log = log
	writes = new(atomic.Int64)
	s.fs.Fault = func(_ int, op, _ string) memfs.Fault {
		if op == "write" {
			writes.Add(1)
		}
		return memfs.None
	}
	return s, disk, writes
}

func TestAppendsThatWaitForTheDiskShareOneWriteAndOneSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, disk, writes := strictStory(t)
		var wg sync.WaitGroup
		start := func(n int) {
			wg.Go(func() {
				if err := s.log.Append(t.Context(), numbered("w", n)); err != nil {
					t.Error(err)
				}
			})
		}
		start(0)
		<-disk.syncing
		for n := range 20 {
			start(n + 1)
		}
		synctest.Wait()
		if got := writes.Load(); got != 1 {
			t.Errorf("%d writes while the first line was being synced, want its own only", got)
		}
		disk.proceed <- struct{}{}
		disk.letGo()
		wg.Wait()
		if got := writes.Load(); got != 2 {
			t.Errorf("%d writes, want one for the first line and one for the 20 that waited", got)
		}
		if err := s.log.Close(); err != nil {
			t.Fatal(err)
		}
		if found, _ := s.read(); len(found) != 21 {
			t.Errorf("found %v, want 21 events", found)
		}
	})
}

// TestContextBoundsTheWaitingForACommit: before the write nothing is in the
// file, after it the error says that it is.
func TestContextBoundsTheWaitingForACommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, disk, _ := strictStory(t)
		var wg sync.WaitGroup
		bounded := func(n int, inFile bool) {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				start := time.Now()
				err := s.log.Append(ctx, numbered("w", n))
				if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
					t.Errorf("Append(%d) = %v after %v, want its context's error after 1s", n, err, time.Since(start))
				}
				var unknown *auditlog.SyncError
				if errors.As(err, &unknown) != inFile {
					t.Errorf("Append(%d) = %v: want a *SyncError: %v", n, err, inFile)
				}
			})
			synctest.Wait()
		}
		patient := func(n int) {
			wg.Go(func() {
				if err := s.log.Append(t.Context(), numbered("w", n)); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		patient(0)
		<-disk.syncing
		patient(1)
		bounded(2, false)
		time.Sleep(2 * time.Second) // of the bubble
		bounded(3, true)            // goes with the commit that 1 leads
		patient(4)
		disk.proceed <- struct{}{}
		<-disk.syncing
		time.Sleep(2 * time.Second)
		disk.proceed <- struct{}{}
		wg.Wait()

		bounded(5, true) // leads, and leaves the fsync to itself
		<-disk.syncing
		time.Sleep(2 * time.Second)
		patient(6)
		disk.proceed <- struct{}{}
		disk.letGo()
		wg.Wait()
		if err := s.log.Close(); err != nil {
			t.Fatal(err)
		}
		if found, _ := s.read(); !slices.Equal(found, []int{0, 1, 3, 4, 5, 6}) {
			t.Errorf("found %v, want all but 2", found)
		}
	})
}

func TestAppendsGoOnWhileACommitSyncs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStory(t, auditlog.WithMaxFileSize(1<<20))
		disk := newSlowDisk(s.fs)
		log, err := auditlog.Open(s.path(), append(slices.Clone(s.opts), auditlog.WithFS(disk))...)
		if err != nil {
			t.Fatal(err)
		}
		var lines jsonline.Lines
		lines.Commit([]byte(`{"ts":"2026-02-13T16:30:22.123Z","event":"nav","session_id":"s","n":1}` + "\n"))
		done := make(chan error, 1)
		go func() { done <- auditlog.AppendLinesToDisk(t.Context(), log, &lines) }()
		<-disk.syncing
		if err := log.Append(t.Context(), numbered("w", 2)); err != nil {
			t.Fatal(err)
		}
		disk.proceed <- struct{}{}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if got := auditlog.Unsynced(log); got != 1 {
			t.Errorf("%d lines are unsynced, want the one that waited for no disk", got)
		}
		go disk.letGo()
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestNobodyWaitsTwiceForALock: those that wait for a commit are told with the
// one that leads it, and do not begin to wait for the lock in their turn.
func TestNobodyWaitsTwiceForALock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStory(t, auditlog.WithSyncLines(1))
		if err := s.open(); err != nil {
			t.Fatal(err)
		}
		other := lockActive(t, s)
		var wg sync.WaitGroup
		for n := range 5 {
			wg.Go(func() {
				start := time.Now()
				err := s.log.Append(t.Context(), numbered("w", n))
				if waited := time.Since(start); !errors.Is(err, auditlog.ErrLocked) || waited < 9*time.Second || waited > 12*time.Second {
					t.Errorf("Append = %v after %v, want ErrLocked after 10s", err, waited)
				}
			})
			time.Sleep(100 * time.Millisecond)
		}
		wg.Wait()
		if err := other.Unlock(); err != nil {
			t.Fatal(err)
		}
		if err := s.append(1); err != nil {
			t.Errorf("Append after the lock was free: %v", err)
		}
		if err := s.log.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestACommitWhoseSyncFailsIsRepairedForAll that went with it.
func TestACommitWhoseSyncFailsIsRepairedForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStory(t, auditlog.WithMaxFileSize(1<<20), auditlog.WithSyncLines(1))
		if err := s.open(); err != nil {
			t.Fatal(err)
		}
		failed := false
		s.fs.Fault = func(_ int, op, name string) memfs.Fault {
			if op == "fsync" && name == s.path() && !failed {
				failed = true
				return memfs.Refused
			}
			return memfs.None
		}
		other := lockActive(t, s)
		var wg sync.WaitGroup
		for n := range 5 {
			wg.Go(func() {
				if err := s.log.Append(t.Context(), numbered("w", n)); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if err := other.Close(); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		if !failed {
			t.Error("no fsync failed")
		}
		if err := s.log.Close(); err != nil {
			t.Fatal(err)
		}
		if found, _ := s.read(); len(found) != 5 {
			t.Errorf("found %v, want 5 events, each once", found)
		}
	})
}

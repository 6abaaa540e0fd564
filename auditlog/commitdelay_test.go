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
)

// timedLog returns a log whose appends wait for the disk.
func timedLog(t *testing.T) (*auditlog.Log, *timedDisk) {
	t.Helper()
	_, log, disk := timedStory(t)
	return log, disk
}

// timedStory is timedLog with the story, which reads it.
func timedStory(t *testing.T) (*story, *auditlog.Log, *timedDisk) {
	t.Helper()
	s := newStory(t, auditlog.WithMaxFileSize(1<<20), auditlog.WithSyncLines(1))
	disk := newTimedDisk(s.fs, time.Millisecond)
	log, err := auditlog.Open(s.path(), append(slices.Clone(s.opts), auditlog.WithFS(disk))...)
	if err != nil {
		t.Fatal(err)
	}
	return s, log, disk
}

// gathers makes log gather with its next commit, for 2 ms: five have come together
// for the one before. It returns how many events it appends.
func gathers(t *testing.T, log *auditlog.Log) int {
	t.Helper()
	var wg sync.WaitGroup
	for n := range 5 {
		wg.Go(func() {
			times := 1
			if n == 0 {
				times++ // by itself, and then with the others
			}
			for range times {
				if err := log.Append(t.Context(), numbered("w", n)); err != nil {
					t.Error(err)
				}
			}
		})
		synctest.Wait()
	}
	wg.Wait()
	return 6
}

// TestCloseDoesNotWaitForACommitThatGathers, and the commit ends, as do those that
// joined it; none of them is in the file.
func TestCloseDoesNotWaitForACommitThatGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, log, _ := timedStory(t)
		before := gathers(t, log)
		start := time.Now()
		var wg sync.WaitGroup
		for n := range 2 {
			wg.Go(func() {
				if err := log.Append(t.Context(), numbered("w", 100+n)); !errors.Is(err, auditlog.ErrClosed) {
					t.Errorf("Append = %v, want ErrClosed", err)
				}
				if took := time.Since(start); took > 10*time.Millisecond {
					t.Errorf("Append to a closed log took %v", took)
				}
			})
		}
		synctest.Wait()
		if err := log.Close(); err != nil || time.Since(start) != 0 {
			t.Errorf("Close = %v, after %v; want it at once", err, time.Since(start))
		}
		wg.Wait()
		if found, _ := s.read(); len(found) != before {
			t.Errorf("found %v, want the %d of before", found, before)
		}
	})
}

// TestContextBoundsTheGathering of who leads a commit, which writes all the same, and
// of who has joined it, which is not written.
func TestContextBoundsTheGathering(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, log, _ := timedStory(t)
		before := gathers(t, log)
		start := time.Now()
		var wg sync.WaitGroup
		for n, tt := range []struct {
			within time.Duration
			inFile bool
		}{{600 * time.Microsecond, true}, {300 * time.Microsecond, false}, {time.Hour, true}} {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), tt.within)
				defer cancel()
				err := log.Append(ctx, numbered("w", 100+n))
				_, inFile := errors.AsType[*auditlog.SyncError](err)
				switch took := time.Since(start); {
				case tt.within == time.Hour:
					if err != nil || took != 1600*time.Microsecond {
						t.Errorf("Append = %v after %v, want nil when the disk has it, 1 ms after the write", err, took)
					}
				case !errors.Is(err, context.DeadlineExceeded) || inFile != tt.inFile || took != tt.within:
					t.Errorf("Append = %v after %v, want the end of its context after %v; in the file: %v", err, took, tt.within, tt.inFile)
				}
			})
			synctest.Wait()
		}
		wg.Wait()
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
		if found, _ := s.read(); !slices.Equal(found[before:], []int{100, 102}) {
			t.Errorf("found %v, want 100 and 102 behind the first %d", found, before)
		}
	})
}

// TestWhoLeavesBeforeTheSyncSaysNothingOfHowLongItTakes, or the next commit would
// not wait for the others.
func TestWhoLeavesBeforeTheSyncSaysNothingOfHowLongItTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, disk := timedLog(t)
		gathers(t, log)
		ctx, leave := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for n := range 5 {
			wg.Go(func() {
				if n > 0 {
					if err := log.Append(t.Context(), numbered("w", n)); err != nil {
						t.Error(err)
					}
				} else if err := log.Append(ctx, numbered("w", n)); !errors.Is(err, context.Canceled) {
					t.Errorf("Append = %v when its context ended in the sync", err)
				}
			})
			synctest.Wait() // the first one leads
		}
		leave()
		wg.Wait()
		start := time.Now()
		if err := log.Append(t.Context(), numbered("w", 5)); err != nil {
			t.Error(err)
		}
		if took, want := time.Since(start), 2*disk.takes; took != want {
			t.Errorf("the next commit took %v, want %v: it waits for the others until two syncs after the one before", took, want)
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestOneSyncCoversThoseThatTheOneBeforeWoke: they come back one after the other,
// and the first of them waits for the last.
func TestOneSyncCoversThoseThatTheOneBeforeWoke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, disk := timedLog(t)
		const goroutines, rounds = 8, 50
		var wg sync.WaitGroup
		for g := range goroutines {
			wg.Go(func() {
				for range rounds {
					time.Sleep(time.Duration(g) * 100 * time.Microsecond)
					if err := log.Append(t.Context(), numbered("w", g)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		// Each by itself would need 400 of them, and with whom it meets by chance 100.
		if got := disk.syncs.Load(); got > rounds+5 {
			t.Errorf("%d fsyncs for %d rounds, want about one for each", got, rounds)
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestNobodyWaitsForLongForThoseThatDoNotComeBack: of four that append at once,
// three then have something else to do, each time.
func TestNobodyWaitsForLongForThoseThatDoNotComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, disk := timedLog(t)
		var wg sync.WaitGroup
		done := make(chan struct{})
		for range 3 {
			wg.Go(func() {
				for {
					select {
					case <-done:
						return
					case <-time.After(4500 * time.Microsecond):
					}
					if err := log.Append(t.Context(), numbered("w", 1)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		const appends = 1000
		start := time.Now()
		for range appends {
			if err := log.Append(t.Context(), numbered("w", 0)); err != nil {
				t.Error(err)
			}
		}
		took := time.Since(start)
		close(done)
		wg.Wait()
		if most := appends * disk.takes * 11 / 10; took > most {
			t.Errorf("%d appends took %v, want at most %v: it waited for the others in vain", appends, took, most)
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestNobodyWaitsForThoseOfLongAgo: of many that came back each time, one does so
// after a while.
func TestNobodyWaitsForThoseOfLongAgo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, disk := timedLog(t)
		var wg sync.WaitGroup
		var stop atomic.Bool
		for n := range 20 {
			wg.Go(func() {
				for !stop.Load() {
					if err := log.Append(t.Context(), numbered("w", n)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		time.Sleep(100 * disk.takes)
		stop.Store(true)
		wg.Wait()
		time.Sleep(time.Minute)
		start := time.Now()
		if err := log.Append(t.Context(), numbered("w", 20)); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took != disk.takes {
			t.Errorf("an append took %v, want the %v of its fsync", took, disk.takes)
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

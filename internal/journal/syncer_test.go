package journal

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var errDisk = errors.New("disk error")

// timedSyncer returns a syncer whose fsyncs take 1 ms of the bubble and return *err, and
// counts the fsyncs.
func timedSyncer(cfg syncerConfig, err *error) (*syncer, *atomic.Int64) {
	c, fsyncs := new(syncer), new(atomic.Int64)
	cfg.logger = slog.New(slog.DiscardHandler)
	cfg.fsync = func(syncTarget) error {
		fsyncs.Add(1)
		time.Sleep(time.Millisecond)
		return *err
	}
	c.init(cfg)
	c.setFile(closedFile{})
	return c, fsyncs
}

func TestAnFsyncCoversTheLinesWrittenBeforeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var err error
		c, fsyncs := timedSyncer(syncerConfig{interval: time.Hour}, &err)
		start := time.Now()
		var wg sync.WaitGroup
		for n, want := range []time.Duration{1, 2, 2, 2} { // ms: those written during the first wait for the second
			last, _ := c.markWritten(1)
			wg.Go(func() {
				if err := c.wait(t.Context(), last); err != nil || time.Since(start) != want*time.Millisecond {
					t.Errorf("line %d is synced after %v (%v), want %d ms", n, time.Since(start), err, want)
				}
			})
			synctest.Wait()
		}
		wg.Wait()
		if fsyncs.Load() != 2 {
			t.Errorf("%d fsyncs, want 2", fsyncs.Load())
		}
		if err := c.wait(t.Context(), 4); err != nil || fsyncs.Load() != 2 {
			t.Errorf("wait for a synced line = %v, after %d fsyncs", err, fsyncs.Load())
		}
	})
}

func TestAppendsBlockAtTheLimitOfUnsyncedLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var err error
		c, fsyncs := timedSyncer(syncerConfig{limit: 3, interval: time.Hour}, &err)
		for n, want := range []int64{0, 0, 1, 1, 1, 2} {
			last, _ := c.markWritten(1)
			if err := c.waitBelowLimit(t.Context(), last); err != nil || fsyncs.Load() != want {
				t.Errorf("line %d: %v, %d fsyncs, want %d", n+1, err, fsyncs.Load(), want)
			}
		}
	})
}

func TestTheOldestLineIsSyncedAfterTheInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var err error
		c, fsyncs := timedSyncer(syncerConfig{interval: time.Second}, &err)
		c.markWritten(1)
		time.Sleep(900 * time.Millisecond)
		c.markWritten(1)
		time.Sleep(99 * time.Millisecond)
		synctest.Wait()
		if fsyncs.Load() != 0 {
			t.Error("an fsync before the interval")
		}
		time.Sleep(3 * time.Millisecond)
		synctest.Wait()
		if c.syncedLines() != 2 || fsyncs.Load() != 1 {
			t.Errorf("%d lines are synced after %d fsyncs, want 2 after 1", c.syncedLines(), fsyncs.Load())
		}
		time.Sleep(time.Minute) // idle
		synctest.Wait()
		if fsyncs.Load() != 1 {
			t.Errorf("%d fsyncs without a new line", fsyncs.Load())
		}
	})
}

func TestAContextEndsTheWaitAndNotTheFsync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var err error
		c, _ := timedSyncer(syncerConfig{interval: time.Hour}, &err)
		last, _ := c.markWritten(1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Microsecond)
		defer cancel()
		if err := c.wait(ctx, last); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("wait = %v, want the error of the context", err)
		}
		time.Sleep(time.Millisecond)
		if c.syncedLines() != 1 {
			t.Error("the fsync did not go on")
		}
	})
}

func TestAfterAFailedFsyncOneWaiterRepairsForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		err := errDisk
		var c *syncer
		repairs, fails := 0, true
		var repairing sync.Mutex // as the write lock
		c, fsyncs := timedSyncer(syncerConfig{interval: time.Hour, repair: func(context.Context, bool) error {
			repairing.Lock()
			defer repairing.Unlock()
			if c.failed() == nil {
				return nil
			}
			repairs++
			if fails {
				return c.failed()
			}
			c.repaired(nil)
			return nil
		}}, &err)
		last, _ := c.markWritten(1)
		for range 2 {
			if err := c.wait(t.Context(), last); !errors.Is(err, errDisk) {
				t.Errorf("wait = %v, want %v", err, errDisk)
			}
		}
		if fsyncs.Load() != 1 || repairs != 2 || c.known() != 0 {
			t.Errorf("%d fsyncs, %d repairs, %d lines known to be synced; want 1, 2, 0", fsyncs.Load(), repairs, c.known())
		}
		fails = false
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if err := c.wait(t.Context(), last); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if fsyncs.Load() != 1 || repairs != 3 || c.known() != 1 {
			t.Errorf("%d fsyncs, %d repairs, %d lines known to be synced; want 1, 3, 1", fsyncs.Load(), repairs, c.known())
		}
	})
}

// TestIndeterminateLinesAreNeverAcknowledged, and those after them are.
func TestIndeterminateLinesAreNeverAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var err error
		var c *syncer
		c, _ = timedSyncer(syncerConfig{interval: time.Hour, repair: func(context.Context, bool) error {
			c.markIndeterminate(c.failed())
			c.setFile(closedFile{n: 1})
			return nil
		}}, &err)
		synced, _ := c.markWritten(2)
		if err := c.wait(t.Context(), synced); err != nil {
			t.Fatal(err)
		}
		err = errDisk
		lost, _ := c.markWritten(3)
		for range 2 {
			if err := c.wait(t.Context(), lost); !errors.Is(err, errDisk) {
				t.Errorf("wait for an indeterminate line = %v, want %v", err, errDisk)
			}
		}
		if err := c.wait(t.Context(), synced); err != nil {
			t.Errorf("wait for a line synced before = %v", err)
		}
		if c.failed() != nil || c.known() != 2 {
			t.Errorf("failure %v, %d lines known to be synced; want nil, 2", c.failed(), c.known())
		}
		err = nil
		next, _ := c.markWritten(4)
		if err := c.wait(t.Context(), next); err != nil || c.known() != 6 {
			t.Errorf("wait for the next lines = %v, %d lines known to be synced; want nil, 6", err, c.known())
		}
	})
}

func TestACarryoverIsAFailureUntilItIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var err error
		var c *syncer
		c, fsyncs := timedSyncer(syncerConfig{interval: time.Hour, repair: func(context.Context, bool) error {
			c.setFile(closedFile{n: 1})
			c.carryoverWritten()
			return nil
		}}, &err)
		last, _ := c.markWritten(1)
		c.markCarryover(true)
		if c.failed() == nil || c.syncedLines() != 0 {
			t.Errorf("failure %v with %d lines synced, want one with none", c.failed(), c.syncedLines())
		}
		if err := c.wait(t.Context(), last); err != nil || fsyncs.Load() != 1 {
			t.Errorf("wait = %v after %d fsyncs, want nil after 1", err, fsyncs.Load())
		}
		c.markWritten(1)
		c.markCarryover(false)
		if c.failed() != nil || c.syncedLines() != 2 {
			t.Errorf("failure %v with %d lines synced, want nil with 2: all of them are in the repaired file", c.failed(), c.syncedLines())
		}
	})
}

func TestTheErrorOfAFileThatWasReplacedMeanwhileIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		err := errDisk
		c, fsyncs := timedSyncer(syncerConfig{interval: time.Hour}, &err)
		last, _ := c.markWritten(1)
		waited := make(chan error)
		go func() { waited <- c.wait(t.Context(), last) }()
		synctest.Wait()
		c.setFile(closedFile{n: 1})
		c.repaired(nil)
		if got := <-waited; got != nil || c.failed() != nil || fsyncs.Load() != 1 {
			t.Errorf("wait = %v with the failure %v after %d fsyncs, want nil, nil, 1", got, c.failed(), fsyncs.Load())
		}
	})
}

func TestStopSyncsAndEndsTheTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var err error
		c, fsyncs := timedSyncer(syncerConfig{interval: time.Second}, &err)
		c.markWritten(1)
		if err := c.stop(); err != nil || c.known() != 1 {
			t.Errorf("stop = %v, %d lines synced", err, c.known())
		}
		if _, stopped := c.lastWritten(); !stopped {
			t.Error("it says nothing of the stop")
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if fsyncs.Load() != 1 {
			t.Errorf("%d fsyncs, want 1", fsyncs.Load())
		}
	})
}

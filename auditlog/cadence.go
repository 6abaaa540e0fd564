package auditlog

import (
	"context"
	"os"
	"sync"
	"time"
)

// cadence decides when the active file is synced, and lets all who wait for
// the disk share one fsync.
//
// Lines are counted, not marked: written lines are in the kernel, the first
// synced of them on disk. One fsync runs at a time (a round); it covers every
// line that was written before it began, and runs without the lock of the
// log, so that appends go on meanwhile. Who needs a line on disk waits for the
// running round, then, if that began too early, starts the next.
type cadence struct {
	lines    int64
	interval time.Duration
	log      *Log

	mu      sync.Mutex
	file    *os.File // to sync
	written int64
	synced  int64
	round   *round
	failure error // of an fsync: nothing is known to be durable after it
	timer   *time.Timer
	armed   bool // the timer runs
	stopped bool
}

// round is one fsync in progress.
type round struct{ done chan struct{} }

func (c *cadence) init(l *Log) {
	c.lines, c.interval, c.log = int64(l.cfg.syncLines), l.cfg.syncInterval, l
	c.timer = time.AfterFunc(time.Hour, c.tick)
	c.timer.Stop()
}

// use makes f the file to sync. What was written to the one before it has been
// synced, or lies outside our reach.
func (c *cadence) use(f *os.File) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.file = f
}

// failed returns the error that ended the log's durability, if there was one.
// After a failed fsync the kernel may have thrown the pages away and marked
// them clean: a second fsync would succeed and mean nothing.
func (c *cadence) failed() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failure
}

// wrote counts n lines that are now in the kernel and returns the number of
// the last one.
func (c *cadence) wrote(n int) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.written += int64(n)
	if !c.armed && c.written > c.synced {
		// The oldest unsynced line is at most as old as the timer: whatever
		// is unsynced when it fires is synced then.
		c.armed = true
		c.timer.Reset(c.interval)
	}
	return c.written
}

// keep waits until fewer than the allowed number of lines up to last are
// unsynced.
func (c *cadence) keep(ctx context.Context, last int64) error {
	return c.wait(ctx, last-c.lines+1)
}

// sync waits until everything that is written now is on disk.
func (c *cadence) sync(ctx context.Context) error {
	c.mu.Lock()
	stopped, last := c.stopped, c.written
	c.mu.Unlock()
	if stopped {
		return ErrClosed
	}
	return c.wait(ctx, last)
}

// wait returns when the first last lines are on disk.
func (c *cadence) wait(ctx context.Context, last int64) error {
	for {
		c.mu.Lock()
		switch {
		case c.failure != nil:
			defer c.mu.Unlock()
			return &SyncError{Err: c.failure}
		case c.synced >= last:
			c.mu.Unlock()
			return nil
		}
		r := c.round
		if r != nil {
			c.mu.Unlock()
		} else {
			r = &round{done: make(chan struct{})}
			c.round = r
			f, covers := c.file, c.written
			c.mu.Unlock()
			if ctx.Done() == nil {
				c.run(r, f, covers) // no need for a goroutine: nobody can call us off
			} else {
				go c.run(r, f, covers)
			}
		}
		select {
		case <-r.done:
		case <-ctx.Done():
			return &SyncError{Err: context.Cause(ctx)}
		}
	}
}

// run does the fsync of a round. covers is the number of lines that were
// written before it.
func (c *cadence) run(r *round, f *os.File, covers int64) {
	err := f.Sync()
	c.mu.Lock()
	defer c.mu.Unlock()
	// A rotation may have synced and closed f before we came to it.
	if err != nil && c.synced < covers {
		c.failure = err
	}
	if err == nil {
		c.synced = max(c.synced, covers)
	}
	c.round = nil
	close(r.done)
}

// syncNow syncs the active file while the caller holds the log's writing lock,
// so that nothing is written meanwhile.
func (c *cadence) syncNow() error {
	c.mu.Lock()
	last := c.written
	c.mu.Unlock()
	return c.wait(context.Background(), last)
}

// tick is run by the timer: lines may have been waiting for an interval.
func (c *cadence) tick() {
	c.mu.Lock()
	c.armed = false
	last := c.written
	idle := c.synced >= last || c.failure != nil
	c.mu.Unlock()
	if idle {
		return
	}
	if err := c.wait(context.Background(), last); err != nil {
		c.log.log.Error("auditlog: sync in the background", "path", c.log.path, "error", err)
	}
}

// stop syncs what is unsynced and ends the timer. The caller holds the log's
// writing lock, so no line follows.
func (c *cadence) stop() error {
	err := c.syncNow()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timer.Stop()
	c.file, c.stopped = nil, true
	return err
}

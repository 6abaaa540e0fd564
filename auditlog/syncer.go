package auditlog

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/otelaudit/otelaudit/internal/vfs"
)

// cadence decides when the active file is synced, and lets all who wait for
// the disk share one fsync.
//
// Lines are counted, not marked: written lines are in the kernel, the first
// synced of them on disk. One fsync runs at a time (a round); it covers every
// line that was written before it began, and runs without the turn and the
// lock of the log, so that appends go on meanwhile. Who needs a line on disk
// waits for the running round, then, if that began too early, starts the next.
//
// After a failed fsync no round begins until the log is repaired, by whoever
// of those that wait comes first.
type syncer struct {
	lines    int64 // how many may be unsynced, and one more; 0 for any number
	interval time.Duration
	log      *Log

	observers syncObservers

	mu        sync.Mutex
	file      vfs.File   // to sync
	folder    vfs.Folder // to sync too, unless named
	named     bool       // the name of file is durable
	written   int64
	synced    int64
	inflight  *inflightSync
	followers int         // how many waited for the round before
	failure   error       // nothing is known to be durable of what is unsynced
	failing   atomic.Bool // failure != nil, for a look at it before each write
	// Of the lines up to doubtful some may not be on disk, and nothing can be
	// done about it.
	indeterminate      int64
	indeterminateErr   error
	indeterminateLines int64 // how many they were, in all
	timer              *time.Timer
	armed              bool // the timer runs
	stopped            bool
}

// round is one fsync in progress.
type inflightSync struct {
	done      chan struct{}
	followers int // how many wait for it, besides who began it
}

func (c *syncer) init(l *Log) {
	c.lines, c.interval, c.log = int64(l.cfg.syncLines), l.cfg.syncInterval, l
	if l.cfg.withoutCadence {
		c.lines, c.armed = 0, true // never to be armed again
		l.unsynced.discard = true
	}
	c.timer = time.AfterFunc(time.Hour, c.tick)
	c.timer.Stop()
}

// use makes f the file to sync. What was written to the one before it has been
// synced, is owed, or lies outside our reach.
func (c *syncer) setFile(f vfs.File) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.file, c.named = f, false
}

// useFolder makes f the folder to sync: the name of the active file is in it.
func (c *syncer) useFolder(f vfs.Folder) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.folder, c.named = f, false
}

// failed returns the error after which the log has to be repaired, if there
// was one.
func (c *syncer) failed() error {
	if !c.failing.Load() {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failure
}

// fail sets or clears the failure. The caller has mu.
func (c *syncer) fail(err error) {
	c.failure = err
	c.failing.Store(err != nil)
}

// covers counts the lines that are known to be on disk. The caller has mu.
func (c *syncer) covers(lines int64) {
	c.synced = max(c.synced, lines)
	c.log.counts.synced.Store(c.synced - c.indeterminateLines)
}

// syncedLines returns how many lines are on disk.
func (c *syncer) syncedLines() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.synced
}

// errOwed stands for a failure while lines wait to be written to the next
// file.
var errCarryover = errors.New("lines of a lost file are not written again yet")

// owe tells that unsynced lines are in no file any more, but about to be
// written to the next one if the log owes any.
func (c *syncer) markCarryover() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.log.carryover) == 0 {
		c.fail(nil)
		c.covers(c.written)
	} else if c.failure == nil {
		c.fail(errCarryover)
	}
}

// settled tells that the lines that were owed are in the file.
func (c *syncer) carryoverWritten() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fail(nil)
}

// repaired tells that everything that was written is in the file and synced,
// if err, of syncing the folder, is nil.
func (c *syncer) repaired(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fail(err)
	if err == nil {
		c.named = true
		c.covers(c.written)
	}
}

// doubt gives up on knowing whether what is unsynced reached the disk.
func (c *syncer) markIndeterminate(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.indeterminate, c.indeterminateErr = c.written, err
	c.indeterminateLines += c.written - c.synced
	c.fail(nil)
	c.covers(c.written)
}

// wrote counts n lines that are now in the kernel and returns the number of
// the last one, and that of the last one on disk.
func (c *syncer) markWritten(n int) (written, synced int64) {
	c.mu.Lock()
	c.written += int64(n)
	if !c.armed && c.written > c.synced {
		// The oldest unsynced line is at most as old as the timer: whatever
		// is unsynced when it fires is synced then.
		c.armed = true
		c.timer.Reset(c.interval)
	}
	written, synced = c.written, c.synced
	c.mu.Unlock()
	return written, synced
}

// keep waits until fewer than the allowed number of lines up to last are
// unsynced.
func (c *syncer) waitBelowLimit(ctx context.Context, last int64) error {
	if c.lines == 0 {
		return nil
	}
	return syncError(c.wait(ctx, last-c.lines+1, false))
}

// await waits until the lines up to last are on disk.
func (c *syncer) await(ctx context.Context, last int64) error {
	return syncError(c.wait(ctx, last, false))
}

// sync waits until everything that is written now is on disk.
func (c *syncer) sync(ctx context.Context) error {
	c.mu.Lock()
	stopped, last := c.stopped, c.written
	c.mu.Unlock()
	if stopped {
		return ErrClosed
	}
	return syncError(c.wait(ctx, last, false))
}

// syncError says what an error means for lines that are in the file.
func syncError(err error) error {
	if err == nil {
		return nil
	}
	return &SyncError{Err: err}
}

// syncNow is sync for who has the turn, so that nothing is written meanwhile.
// Its error is no SyncError: it is not about the lines of the caller.
func (c *syncer) syncNow() error {
	c.mu.Lock()
	last := c.written
	c.mu.Unlock()
	return c.wait(context.Background(), last, true)
}

// finish is syncNow without a repair.
func (c *syncer) finish() error {
	c.mu.Lock()
	last := c.written
	c.mu.Unlock()
	_, err := c.syncUpTo(context.Background(), last)
	return err
}

// wait returns when the first last lines are on disk.
func (c *syncer) wait(ctx context.Context, last int64, haveTurn bool) error {
	for {
		failed, err := c.syncUpTo(ctx, last)
		if err == nil {
			return nil
		}
		if failed {
			if err = c.repair(ctx, haveTurn); err == nil {
				continue
			}
		}
		return err
	}
}

// repair repairs the log, unless somebody else did meanwhile.
func (c *syncer) repair(ctx context.Context, haveTurn bool) error {
	if !haveTurn {
		if err := c.log.queue.acquire(ctx); err != nil {
			return errors.Join(c.failed(), err)
		}
		defer c.log.queue.release()
		if c.log.closed {
			return errors.Join(c.failed(), ErrClosed)
		}
	}
	if c.failed() == nil {
		return nil
	}
	return c.log.repair()
}

// rounds returns nil when the first last lines are on disk. Otherwise failed
// tells an error that a repair may mend.
func (c *syncer) syncUpTo(ctx context.Context, last int64) (failed bool, err error) {
	for {
		c.mu.Lock()
		switch {
		case c.failure != nil && c.synced < last:
			defer c.mu.Unlock()
			return true, c.failure
		case c.indeterminateErr != nil && last <= c.indeterminate:
			defer c.mu.Unlock()
			return false, c.indeterminateErr
		case c.synced >= last:
			c.mu.Unlock()
			return false, nil
		}
		r := c.inflight
		if r != nil {
			r.followers++
			c.mu.Unlock()
		} else {
			r = &inflightSync{done: make(chan struct{})}
			c.inflight = r
			c.mu.Unlock()
			if ctx.Done() == nil {
				c.run(r) // no need for a goroutine: nobody can call us off
			} else {
				go c.run(r)
			}
		}
		select {
		case <-r.done:
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
}

// run does the fsync of a round, and that of the folder if the file's name is
// not durable yet.
func (c *syncer) run(r *inflightSync) {
	c.mu.Lock()
	if c.followers > 0 {
		// Those who waited for the round before are awake now and about to
		// append again. Behind their writes, one fsync covers all of them;
		// before, it would cover the line of the first.
		c.mu.Unlock()
		runtime.Gosched()
		c.mu.Lock()
	}
	f, folder, named, covers := c.file, c.folder, c.named, c.written
	c.mu.Unlock()
	var err error
	if f != nil { // it is nil after Close, when there is nothing left to sync
		err = c.observers.sync(f.Sync)
	}
	if err == nil && f != nil && !named {
		if err = folder.Sync(); err == nil {
			_, err = c.log.fs.Stat(c.log.dir + "/.") // a file in no folder at the path is in no log
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.file == f && c.folder == folder {
		if err != nil {
			c.fail(err)
		} else {
			c.named = true
			c.covers(covers)
		}
	}
	c.inflight, c.followers = nil, r.followers
	close(r.done)
}

// tick is run by the timer: lines may have been waiting for an interval.
func (c *syncer) tick() {
	c.mu.Lock()
	c.armed = false
	last := c.written
	idle := c.synced >= last || c.failure != nil // watch repairs
	c.mu.Unlock()
	if idle {
		return
	}
	if err := c.wait(context.Background(), last, false); err != nil {
		c.log.log.Error("auditlog: sync in the background", slog.String("path", c.log.path), slog.Any("error", err))
	}
}

// stop syncs what is unsynced and ends the timer. The caller has the turn, so
// no line follows.
func (c *syncer) stop() error {
	c.log.repairAgain = time.Time{} // the last chance
	err := c.syncNow()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timer.Stop()
	c.armed = true
	c.file, c.folder, c.stopped = nil, nil, true
	return err
}

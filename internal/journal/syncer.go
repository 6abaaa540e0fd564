package journal

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

// syncer decides when the active file is synced, and shares one fsync between all
// goroutines that wait for the disk. It knows no Log: fsync and repair are functions.
//
// Invariants:
//
//   - Lines are numbered from 1 in the order of writing. Lines up to written are in the
//     kernel, lines up to synced are on disk, or given up by markIndeterminate.
//   - At most one fsync is in flight. It covers the lines that were written before it
//     began. It holds no lock, so that appends go on meanwhile.
//   - After a failed fsync no other begins until a repair succeeded.
//
// A goroutine that needs line n on disk waits for the fsync in flight. If that began
// before the write of n, the first waiter starts the next one. After a failure the first
// waiter repairs the log.
type syncer struct {
	syncerConfig

	mu        sync.Mutex // guards the fields below
	target    syncTarget
	written   int64
	synced    int64
	inflight  *inflightSync
	followers int         // number of goroutines that waited for the last fsync
	failure   error       // of the last fsync; no unsynced line is known to be durable
	failing   atomic.Bool // failure != nil; an append loads it without mu
	// Lines after indeterminateFrom, up to indeterminate, may be missing on disk, and no
	// repair can change that.
	indeterminateFrom  int64
	indeterminate      int64
	indeterminateErr   error
	indeterminateLines int64 // number of such lines, in all
	timer              *time.Timer
	armed              bool // the timer runs
	stopped            bool
}

type syncerConfig struct {
	limit    int64         // waitBelowLimit blocks at this many unsynced lines; 0: never
	interval time.Duration // after this time an unsynced line is synced; 0: never

	fsync func(t syncTarget) error
	// repair replaces the file after a failed fsync, and clears the failure by repaired,
	// carryoverWritten or markIndeterminate. locked: the caller holds the write lock.
	repair func(ctx context.Context, locked bool) error
	logger *slog.Logger // for errors of the timer's syncs
}

// syncTarget is what an fsync makes durable.
type syncTarget struct {
	file   vfs.File
	folder vfs.Folder // of the file's name
	named  bool       // the name is durable; folder needs no sync
}

// inflightSync is one fsync in progress.
type inflightSync struct {
	done      chan struct{}
	followers int // number of waiters besides the one that began it
}

func (c *syncer) init(cfg syncerConfig) {
	c.syncerConfig = cfg
	c.armed = cfg.interval == 0 // the timer is never started then
	c.timer = time.AfterFunc(time.Hour, c.tick)
	c.timer.Stop()
}

// setFile makes f the file to sync. The lines in the file before it are synced, are to
// be written to f, or are indeterminate.
func (c *syncer) setFile(f vfs.File) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.target.file, c.target.named = f, false
}

// setFolder makes f the folder to sync: it holds the name of the active file.
func (c *syncer) setFolder(f vfs.Folder) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.target.folder, c.target.named = f, false
}

// failed returns the error after which a repair is due, or nil.
func (c *syncer) failed() error {
	if !c.failing.Load() {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failure
}

// setFailure sets or clears the failure. The caller must hold c.mu.
func (c *syncer) setFailure(err error) {
	c.failure = err
	c.failing.Store(err != nil)
}

// lastWritten returns the number of the last line written.
func (c *syncer) lastWritten() (last int64, stopped bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.written, c.stopped
}

// syncedLines returns the number of the last line that needs no fsync any more.
func (c *syncer) syncedLines() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.synced
}

// known returns how many lines are known to be on disk.
func (c *syncer) known() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.synced - c.indeterminateLines
}

// errCarryover is the failure between the loss of a file and the write of its lines to
// the next one.
var errCarryover = errors.New("lines of a lost file are not written again yet")

// markCarryover records that the unsynced lines are in no file. pending: some of them
// are to be written to the next one; the others are on disk.
func (c *syncer) markCarryover(pending bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !pending {
		c.setFailure(nil)
		c.synced = c.written
		return
	}
	c.target.file = nil // the outcome of an fsync in flight no longer counts
	if c.failure == nil {
		c.setFailure(errCarryover)
	}
}

// carryoverWritten records that those lines are in the next file.
func (c *syncer) carryoverWritten() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.setFailure(nil)
}

// repaired records that all lines are in the file and synced. err is that of syncing the
// folder.
func (c *syncer) repaired(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.setFailure(err)
	if err == nil {
		c.target.named = true
		c.synced = c.written
	}
}

// markIndeterminate records that nobody will know whether the unsynced lines reached the
// disk. Waiters for them get err.
func (c *syncer) markIndeterminate(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.indeterminateLines == 0 {
		c.indeterminateFrom = c.synced
	}
	c.indeterminate, c.indeterminateErr = c.written, err
	c.indeterminateLines += c.written - c.synced
	c.setFailure(nil)
	c.synced = c.written
}

// markWritten counts n lines that are in the kernel now. It returns the number of the
// last of them, and that of the last line on disk.
func (c *syncer) markWritten(n int) (written, synced int64) {
	c.mu.Lock()
	c.written += int64(n)
	if !c.armed && c.written > c.synced {
		// The oldest unsynced line is at most as old as the timer, and the timer syncs
		// all lines.
		c.armed = true
		c.timer.Reset(c.interval)
	}
	written, synced = c.written, c.synced
	c.mu.Unlock()
	return written, synced
}

// waitBelowLimit returns when fewer than limit lines up to last are unsynced. Earlier
// lines that are indeterminate do not fail the caller, whose line is last.
func (c *syncer) waitBelowLimit(ctx context.Context, last int64) error {
	if c.limit == 0 {
		return nil
	}
	return c.waitRepairing(ctx, last-c.limit+1, last, false)
}

// wait returns when the lines up to last are on disk. It repairs the log after a failed
// fsync.
func (c *syncer) wait(ctx context.Context, last int64) error {
	return c.waitRepairing(ctx, last, last, false)
}

// syncNow syncs all lines, and repairs the log after a failed fsync. locked: the caller
// holds the write lock.
func (c *syncer) syncNow(locked bool) error {
	last, _ := c.lastWritten()
	return c.waitRepairing(context.Background(), last, last, locked)
}

// syncWithoutRepair syncs all lines. The caller must hold the write lock.
func (c *syncer) syncWithoutRepair() error {
	last, _ := c.lastWritten()
	_, err := c.syncUpTo(context.Background(), last, last)
	return err
}

func (c *syncer) waitRepairing(ctx context.Context, last, own int64, locked bool) error {
	for {
		repairable, err := c.syncUpTo(ctx, last, own)
		if repairable {
			err = c.repair(ctx, locked)
		}
		if err != nil || !repairable {
			return err
		}
	}
}

// syncUpTo returns nil when the lines up to last are on disk. It waits for fsyncs, and
// begins one when none is in flight. It returns an error if line own is indeterminate.
// repairable: a repair may put an end to err.
func (c *syncer) syncUpTo(ctx context.Context, last, own int64) (repairable bool, err error) {
	for {
		c.mu.Lock()
		switch {
		case c.failure != nil && c.synced < last:
			defer c.mu.Unlock()
			return true, c.failure
		case c.indeterminateFrom < own && own <= c.indeterminate:
			defer c.mu.Unlock()
			return false, c.indeterminateErr
		case c.synced >= last:
			c.mu.Unlock()
			return false, nil
		}
		s := c.inflight
		if s != nil {
			s.followers++
			c.mu.Unlock()
		} else {
			s = &inflightSync{done: make(chan struct{})}
			c.inflight = s
			c.mu.Unlock()
			if ctx.Done() == nil {
				c.run(s) // such a context never ends, so this needs no goroutine
			} else {
				go c.run(s)
			}
		}
		select {
		case <-s.done:
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
}

// run does the fsync s.
func (c *syncer) run(s *inflightSync) {
	c.mu.Lock()
	if c.followers > 0 {
		// The waiters of the last fsync are awake and about to append again. After
		// their writes one fsync covers all of them, before only the first.
		c.mu.Unlock()
		runtime.Gosched()
		c.mu.Lock()
	}
	t, covered := c.target, c.written
	c.mu.Unlock()
	err := ErrClosed
	if t.file != nil {
		err = c.fsync(t)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.target.file == t.file && c.target.folder == t.folder {
		if err != nil {
			c.setFailure(err)
		} else {
			c.target.named = true
			c.synced = max(c.synced, covered)
		}
	}
	c.inflight, c.followers = nil, s.followers
	close(s.done)
}

// tick syncs all lines. The timer calls it one interval after the oldest of them.
func (c *syncer) tick() {
	c.mu.Lock()
	c.armed = false
	last := c.written
	idle := c.synced >= last || c.failure != nil // the monitor repairs
	c.mu.Unlock()
	if idle {
		return
	}
	if err := c.wait(context.Background(), last); err != nil {
		c.logger.Error("auditlog: sync in the background", slog.Any("error", err))
	}
}

// stop syncs all lines and ends the timer. The caller must hold the write lock, so that
// no line follows.
func (c *syncer) stop() error {
	err := c.syncNow(true)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timer.Stop()
	c.armed = true
	c.target, c.stopped = syncTarget{}, true
	return err
}

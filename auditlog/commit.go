package auditlog

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// commits is the queue of appends that return when their lines are on disk.
// Who has its turn writes the lines of all that wait here with its own, in one
// write, and syncs them: one commit. Lines that come meanwhile wait for the next
// one, unwritten: written now they would need the next fsync all the same, and
// make this one slower. The turn to write is free during the fsync, so appends
// that wait for no disk go on.
type commitGroup struct {
	writeQueue

	// The commit of who has the turn: who goes with it, and whether all of
	// that is in the kernel.
	followers []*request
	spare     []*request // the memory for riders; of who has the turn
	written   bool

	commitDelay
}

// appendToDisk appends lines, which are on disk when it returns nil.
func (l *Log) appendToDisk(ctx context.Context, lines *jsonline.Lines) error {
	r := l.queue.request(lines)
	defer l.queue.free(r)
	w, err := l.commitGroup.enqueue(ctx, r)
	if err == nil && w == leader {
		err = l.commit(ctx, r)
	}
	if err := l.outcome(r, err); err != nil || r.written == 0 {
		return err
	}
	return l.syncer.await(ctx, r.last)
}

// commit writes and syncs the lines of r, which has the turn of commits, and of
// those that wait behind it. The error is that of ctx, and r was not written
// then.
func (l *Log) commit(ctx context.Context, r *request) error {
	l.commitGroup.waitForGroup(ctx)
	r.leadsCommit = true
	err := l.writeShared(ctx, r)
	if err == nil && r.written > 0 {
		start := time.Now()
		// All of them look at the outcome themselves: each has a context of its own.
		if l.syncer.await(ctx, r.last) == nil {
			l.commitGroup.syncTook(time.Since(start))
		}
	}
	l.commitGroup.end(r.err)
	return err
}

// join waits until r has the turn, or its lines are written and synced. With an
// error it is not written. When ctx ends while they are being synced, join
// returns as if they were; whoever looks will wait for the fsync, and ctx.
func (c *commitGroup) enqueue(ctx context.Context, r *request) (wakeup, error) {
	c.mu.Lock()
	if !c.held {
		c.held = true
		c.mu.Unlock()
		return leader, nil
	}
	r.since = time.Now()
	c.waiting = append(c.waiting, r)
	c.notify(len(c.waiting) + 1)
	c.mu.Unlock()
	if ctx.Done() == nil {
		return <-r.wake, nil // at a third of what it costs to select
	}
	select {
	case w := <-r.wake:
		return w, nil
	case <-ctx.Done():
	}
	if c.remove(r) {
		return 0, context.Cause(ctx)
	}
	if c.detach(r) {
		return done, nil
	}
	// It is being written, or has been woken.
	return <-r.wake, nil
}

// leave takes r out of the commit if its lines are written, and else makes
// wrote wake it.
func (c *commitGroup) detach(r *request) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.Index(c.followers, r)
	if i < 0 || !c.written {
		r.canceled = true
		return false
	}
	c.followers = slices.Delete(c.followers, i, i+1)
	return true
}

// maxCommit is maxShared for a commit, of which there is one at a time. With more,
// all would wait for the disk together, and then all for the processor.
const maxCommit = 2 << 20

// board adds to batch those that wait, for the write that is about to be made.
func (c *commitGroup) takeFollowers(batch []*request) []*request {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.written = false
	c.followers = c.drainLocked(c.spare, maxCommit)
	return append(batch, c.followers...)
}

// wrote tells that the write was made.
func (c *commitGroup) markWritten() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.written = true
	c.followers = slices.DeleteFunc(c.followers, func(r *request) bool {
		leaves := r.canceled // not to be read once r is awake
		if leaves {
			r.wake <- done
		}
		return leaves
	})
}

// end ends the commit, wakes who went with it, and gives the turn to the next.
// err is why the lines of who had the turn are not in the file.
func (c *commitGroup) end(err error) {
	if errors.Is(err, ErrLocked) {
		// Who waited as long as that need not wait for a turn of its own.
		for _, r := range c.expired(time.Now().Add(-lockLimit)) {
			r.err = ErrLocked
			r.wake <- done
		}
	}
	c.mu.Lock()
	c.groupSize, c.ended = len(c.followers)+1+len(c.waiting), time.Now()
	riders := c.followers
	c.followers = nil
	c.mu.Unlock()
	for _, r := range riders { // without mu, for which they would wait when they come back
		r.wake <- done
	}
	clear(riders)
	c.spare = riders[:0]
	c.release()
}

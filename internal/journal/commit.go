package journal

import (
	"context"
	"errors"
	"slices"
	"time"
)

// commitGroup is the queue of appends that return when their lines are on disk. Its lock
// is the right to commit. The holder (the leader) writes the lines of all that wait here
// (the followers) with its own in one write, and then waits for the fsync: one commit.
//
// Requests that arrive during the fsync wait for the next commit, unwritten: they need
// the next fsync in any case, and their writes would slow this one down. The write lock
// is free during the fsync, so that appends that wait for no disk go on.
type commitGroup struct {
	writeQueue

	// The commit in progress. mu guards these fields.
	followers []*request
	written   bool       // the write of the followers returned
	spare     []*request // memory for followers; only the leader uses it

	commitDelay
}

// commit writes the lines of r and has them synced, together with those of others. An
// error is that of ctx, and nothing was written then. After nil the caller waits until
// r.last is synced: the error of the fsync, and the end of ctx, show there.
func (q *queue) commit(ctx context.Context, r *request) error {
	w, err := q.commits.enqueue(ctx, r)
	if err != nil || w != leader {
		return err
	}
	q.commits.waitForGroup(ctx)
	r.leadsCommit = true
	err = q.write(ctx, r)
	if err == nil && r.written > 0 {
		start := time.Now()
		if q.env.waitSynced(ctx, r.last) == nil {
			q.commits.syncTook(time.Since(start))
		}
	}
	q.commits.end(r.err)
	return err
}

// enqueue waits until r may commit, or is written and synced. After an error r is not
// written. If ctx ends during the fsync, enqueue returns done at once.
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
		return <-r.wake, nil // a receive costs a third of a select
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
	return <-r.wake, nil // its write is in progress, or it has been woken
}

// detach takes r out of the commit if its lines are written. Otherwise it has
// markWritten wake r.
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

// maxCommit is maxShared for a commit. There is one commit at a time, and after a larger
// one all its requests would compete for the processors.
const maxCommit = 2 << 20

// takeFollowers moves the waiting requests into the commit, and appends them to batch.
func (c *commitGroup) takeFollowers(batch []*request) []*request {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.written = false
	c.followers = c.drainLocked(c.spare, maxCommit)
	return append(batch, c.followers...)
}

// markWritten records that the write of the followers returned. It wakes the followers
// whose contexts ended meanwhile.
func (c *commitGroup) markWritten() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.written = true
	c.followers = slices.DeleteFunc(c.followers, func(r *request) bool {
		canceled := r.canceled // r may not be read after the wakeup
		if canceled {
			r.wake <- done
		}
		return canceled
	})
}

// end ends the commit: it wakes the followers and releases the lock. err is the error of
// the leader's write.
func (c *commitGroup) end(err error) {
	if errors.Is(err, ErrLocked) {
		c.expire(time.Now().Add(-lockLimit)) // they have waited for that lock long enough
	}
	c.mu.Lock()
	c.groupSize, c.ended = len(c.followers)+1+len(c.waiting), time.Now()
	followers := c.followers
	c.followers = nil
	c.mu.Unlock()
	for _, r := range followers { // without c.mu, which they lock when they append again
		r.wake <- done
	}
	clear(followers)
	c.spare = followers[:0]
	c.release()
}

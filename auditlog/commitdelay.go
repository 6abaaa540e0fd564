package auditlog

import (
	"context"
	"time"
)

// gathering is how one commit comes to cover those that the commit before woke:
// awake, they are about to append again, and behind the first of them, which has
// the turn, the others would wait for two fsyncs. So it waits for them, but not for
// long: they may have something else to do.
//
// It waits in a select and does not let others run in a loop: the scheduler would
// run the loop in turn with what it has on this processor, and not take over what
// waits for another one.
type commitDelay struct {
	groupSize   int           // how many the last commit and its end found
	ended       time.Time     // when that was
	delay       time.Duration // for how long from then on to wait
	complete    chan struct{} // tells that they came; with room for one
	timer       *time.Timer
	awaitsGroup bool

	backoff, nextBackoff int // in how many commits not to wait, after it was in vain
}

const (
	// mostPatience bounds the wait where an fsync takes long.
	maxDelay = 2 * time.Millisecond
	// leastPatience is what the wait itself costs: where an fsync is as fast, or who
	// was woken had as much time to come, it is not worth it.
	minDelay = 20 * time.Microsecond
	// mostSkipped is in how many commits not to wait where it is always in vain.
	maxBackoff = 64
)

// syncTook tells how long the last fsync took. Who has the turn calls it.
func (g *commitDelay) syncTook(d time.Duration) { g.delay = min(2*d, maxDelay) }

// cameFor tells that n are here, who has the turn among them. The caller has mu.
func (g *commitDelay) notify(n int) {
	if g.awaitsGroup && n >= g.groupSize {
		g.awaitsGroup = false
		g.complete <- struct{}{}
	}
}

// gather waits for as many as the commit before had, unless ctx ends. The caller
// has the turn.
func (c *commitGroup) waitForGroup(ctx context.Context) {
	left := c.delay - time.Since(c.ended)
	if left < minDelay || !c.expectMore() {
		return
	}
	if c.timer == nil {
		c.timer = time.NewTimer(left)
	} else {
		c.timer.Reset(left)
	}
	select {
	case <-c.complete:
	case <-c.timer.C:
	case <-ctx.Done():
	}
	c.timer.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.awaitsGroup {
		c.awaitsGroup = false
		c.nextBackoff = min(max(2*c.nextBackoff, 1), maxBackoff)
		c.backoff = c.nextBackoff
		return
	}
	c.nextBackoff = 0
	select {
	case <-c.complete: // when it was as late
	default:
	}
}

// expectMore reports whether to wait for others, and has the last of them tell.
func (c *commitGroup) expectMore() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case len(c.waiting)+1 >= c.groupSize:
		return false
	case c.backoff > 0:
		c.backoff--
		return false
	}
	if c.complete == nil {
		c.complete = make(chan struct{}, 1)
	}
	c.awaitsGroup = true
	return true
}

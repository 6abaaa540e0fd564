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
type gathering struct {
	crowd    int           // how many the last commit and its end found
	ended    time.Time     // when that was
	patience time.Duration // for how long from then on to wait
	here     chan struct{} // tells that they came; with room for one
	late     *time.Timer
	waits    bool

	skip, skipNext int // in how many commits not to wait, after it was in vain
}

const (
	// mostPatience bounds the wait where an fsync takes long.
	mostPatience = 2 * time.Millisecond
	// leastPatience is what the wait itself costs: where an fsync is as fast, or who
	// was woken had as much time to come, it is not worth it.
	leastPatience = 20 * time.Microsecond
	// mostSkipped is in how many commits not to wait where it is always in vain.
	mostSkipped = 64
)

// syncTook tells how long the last fsync took. Who has the turn calls it.
func (g *gathering) syncTook(d time.Duration) { g.patience = min(2*d, mostPatience) }

// cameFor tells that n are here, who has the turn among them. The caller has mu.
func (g *gathering) cameFor(n int) {
	if g.waits && n >= g.crowd {
		g.waits = false
		g.here <- struct{}{}
	}
}

// gather waits for as many as the commit before had, unless ctx ends. The caller
// has the turn.
func (c *commits) gather(ctx context.Context) {
	left := c.patience - time.Since(c.ended)
	if left < leastPatience || !c.expectMore() {
		return
	}
	if c.late == nil {
		c.late = time.NewTimer(left)
	} else {
		c.late.Reset(left)
	}
	select {
	case <-c.here:
	case <-c.late.C:
	case <-ctx.Done():
	}
	c.late.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waits {
		c.waits = false
		c.skipNext = min(max(2*c.skipNext, 1), mostSkipped)
		c.skip = c.skipNext
		return
	}
	c.skipNext = 0
	select {
	case <-c.here: // when it was as late
	default:
	}
}

// expectMore reports whether to wait for others, and has the last of them tell.
func (c *commits) expectMore() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case len(c.waiting)+1 >= c.crowd:
		return false
	case c.skip > 0:
		c.skip--
		return false
	}
	if c.here == nil {
		c.here = make(chan struct{}, 1)
	}
	c.waits = true
	return true
}

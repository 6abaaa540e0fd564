package journal

import (
	"context"
	"time"
)

// commitDelay: the leader waits briefly for goroutines that the last commit released, so
// that one fsync covers all of them. Without it every other fsync would cover one
// goroutine, and the others would wait for two.
//
// The wait is a select. In a loop over runtime.Gosched the scheduler runs the goroutines
// of this processor, and does not steal those of another one.
type commitDelay struct {
	groupSize   int           // number of goroutines at the end of the last commit
	ended       time.Time     // when the last commit ended
	delay       time.Duration // the wait ends this long after ended
	complete    chan struct{} // receives when the group is complete; has room for one
	timer       *time.Timer
	awaitsGroup bool // guarded by commitGroup.mu

	backoff, nextBackoff int // number of commits without a wait, after a wait in vain
}

const (
	// maxDelay bounds the wait where an fsync takes long.
	maxDelay = 2 * time.Millisecond
	// minDelay is what the wait itself costs. A shorter one is not worth it.
	minDelay = 20 * time.Microsecond
	// maxBackoff bounds backoff.
	maxBackoff = 64
)

// syncTook records the duration of the last fsync. Only the leader calls it.
func (g *commitDelay) syncTook(d time.Duration) { g.delay = min(2*d, maxDelay) }

// notify records that n goroutines have arrived, the leader among them. The caller must
// hold commitGroup.mu.
func (g *commitDelay) notify(n int) {
	if g.awaitsGroup && n >= g.groupSize {
		g.awaitsGroup = false
		g.complete <- struct{}{}
	}
}

// waitForGroup waits until as many goroutines have arrived as the last commit had, until
// the delay is over or ctx ends. Only the leader calls it.
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
	case <-c.complete: // the group and the timer were complete at once
	default:
	}
}

// expectMore reports whether to wait. If so, notify signals the last arrival.
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

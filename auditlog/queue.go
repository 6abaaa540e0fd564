package auditlog

import (
	"context"
	"sync"
	"time"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// turns passes the right to write from goroutine to goroutine, in the order in
// which they asked. Whoever has the turn may serve others that wait with lines
// along with its own, so that they share one write; these never get the turn.
type writeQueue struct {
	mu      sync.Mutex
	held    bool
	waiting []*request
	// A pool of each Log, since a channel that was made in a bubble of
	// testing/synctest may not be used outside.
	pool sync.Pool
}

// request is one goroutine that waits for the turn, or for its lines to be
// written by who has it.
type request struct {
	lines *jsonline.Lines // nil to get the turn in any case
	since time.Time       // when it began to wait, first for a commit
	wake  chan wakeup     // with room for one

	// The outcome, set before it is woken.
	written int   // how many of lines are in the file
	last    int64 // the running number of the last of them
	err     error

	leadsCommit bool // it has the turn of commits, and takes along those that wait for it
	canceled    bool // its context ended while it was being written for a commit
}

type wakeup int

const (
	leader wakeup = iota
	done
)

func (t *writeQueue) request(lines *jsonline.Lines) *request {
	r, ok := t.pool.Get().(*request)
	if !ok {
		r = &request{wake: make(chan wakeup, 1)}
	}
	*r = request{lines: lines, wake: r.wake}
	return r
}

// free takes r back; nobody may know it any more.
func (t *writeQueue) free(r *request) {
	r.lines, r.err = nil, nil
	t.pool.Put(r)
}

// join waits until r has the turn or is served. With an error it is neither.
func (t *writeQueue) enqueue(ctx context.Context, r *request) (wakeup, error) {
	t.mu.Lock()
	if !t.held {
		t.held = true
		t.mu.Unlock()
		return leader, nil
	}
	if r.since.IsZero() {
		r.since = time.Now()
	}
	t.waiting = append(t.waiting, r)
	t.mu.Unlock()
	return t.await(ctx, r)
}

// await waits for r, which is among those waiting.
func (t *writeQueue) await(ctx context.Context, r *request) (wakeup, error) {
	select {
	case w := <-r.wake:
		return w, nil
	case <-ctx.Done():
	}
	if t.remove(r) {
		return 0, context.Cause(ctx)
	}
	// Somebody is at it: the write is not torn.
	return <-r.wake, nil
}

// remove takes r back, unless somebody took it up.
func (t *writeQueue) remove(r *request) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, w := range t.waiting {
		if w == r {
			t.waiting = append(t.waiting[:i], t.waiting[i+1:]...)
			return true
		}
	}
	return false
}

// take waits for the turn.
func (t *writeQueue) acquire(ctx context.Context) error {
	r := t.request(nil)
	_, err := t.enqueue(ctx, r)
	t.free(r)
	return err
}

// again puts r, which has the turn and leaves it to another goroutine, before
// all who wait.
func (t *writeQueue) requeueFront(r *request) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.since.IsZero() {
		r.since = time.Now()
	}
	t.waiting = append(t.waiting, nil)
	copy(t.waiting[1:], t.waiting)
	t.waiting[0] = r
}

// maxShared is the number of bytes from which on a write takes up no further
// requests: everybody in it waits for all of it.
const maxShared = 1 << 20

// collect appends to batch the requests with lines that wait, up to the first
// that wants the turn, for the one who has it to serve.
func (t *writeQueue) drain(batch []*request) []*request {
	t.mu.Lock()
	if len(t.waiting) > 0 {
		batch = t.drainLocked(batch, maxShared)
	}
	t.mu.Unlock()
	return batch
}

// next is collect for who has mu, which takes up requests to that many bytes.
func (t *writeQueue) drainLocked(batch []*request, most int) []*request {
	size, n := 0, 0
	for n < len(t.waiting) && t.waiting[n].lines != nil && size < most {
		size += t.waiting[n].lines.Size()
		n++
	}
	batch = append(batch, t.waiting[:n]...)
	t.drop(n)
	return batch
}

// expired is collect for requests that wait since then or longer.
func (t *writeQueue) expired(then time.Time) (batch []*request) {
	t.mu.Lock()
	defer t.mu.Unlock()
	kept := t.waiting[:0]
	for _, r := range t.waiting {
		if r.lines != nil && !r.since.After(then) {
			batch = append(batch, r)
		} else {
			kept = append(kept, r)
		}
	}
	clear(t.waiting[len(kept):])
	t.waiting = kept
	return batch
}

// drop removes the first n requests.
func (t *writeQueue) drop(n int) {
	rest := copy(t.waiting, t.waiting[n:])
	clear(t.waiting[rest:])
	t.waiting = t.waiting[:rest]
}

// release gives the turn to the next that waits.
func (t *writeQueue) release() {
	t.mu.Lock()
	if len(t.waiting) == 0 {
		t.held = false
		t.mu.Unlock()
		return
	}
	r := t.waiting[0]
	t.drop(1)
	t.mu.Unlock()
	r.wake <- leader
}

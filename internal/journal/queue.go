package journal

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// queue orders the writes to the file. It knows no Log: it writes through a queueEnv.
//
// Invariants:
//
//   - At most one goroutine holds the write lock. Only it calls queueEnv, but for
//     waitSynced.
//   - The lock goes to waiting goroutines in the order of their requests. Its holder
//     writes the lines of waiting requests with its own, in that order; their goroutines
//     never get the lock.
//   - A request is in one place: waiting, or with the goroutine that took it out of
//     waiting. That goroutine sends exactly one wakeup.
//   - A request whose context ends leaves while it waits. Once it is taken out, its
//     goroutine waits for the wakeup: a write is not torn.
type queue struct {
	env     queueEnv
	lock    writeQueue
	commits commitGroup
	// A channel made in a bubble of testing/synctest must not leave it, so each queue
	// has its own pool.
	pool sync.Pool
}

// queueEnv is the part of the log that the queue needs. The caller must hold the write
// lock, but for waitSynced.
type queueEnv interface {
	// lockActive locks the file against other processes. It returns false if another
	// process holds that lock and wait is false.
	lockActive(wait bool) (bool, error)
	// write writes the lines of batch in order and sets the outcome of each request. The
	// file must be locked.
	write(batch []*request)
	// unlockActive releases the lock of lockActive.
	unlockActive()
	// waitSynced returns nil when the lines up to number last are on disk.
	waitSynced(ctx context.Context, last int64) error
}

func (q *queue) init(env queueEnv) { q.env = env }

// request is one goroutine that waits for the write lock, or for the write of its lines.
type request struct {
	lines *jsonline.Lines // nil: the goroutine only wants the lock
	since time.Time       // when it began to wait
	wake  chan wakeup     // has room for one

	// The outcome, set before the wakeup.
	written int   // number of lines that are in the file
	last    int64 // the number of the last of them
	err     error // of the first line that is not in the file

	batch       []*request // the requests whose lines it writes, while it holds the lock
	leadsCommit bool       // its write takes along the requests that wait for a commit
	canceled    bool       // its context ended during the write of its commit; guarded by commitGroup.mu
}

// wakeup says why a waiting goroutine goes on.
type wakeup int

const (
	leader wakeup = iota // it holds the write lock
	done                 // its outcome is set
)

func (q *queue) newRequest(lines *jsonline.Lines) *request {
	r, ok := q.pool.Get().(*request)
	if !ok {
		r = &request{wake: make(chan wakeup, 1)}
	}
	*r = request{lines: lines, wake: r.wake, batch: r.batch}
	return r
}

// free takes r back. No other goroutine may hold r.
func (q *queue) free(r *request) {
	clear(r.batch)
	r.lines, r.err, r.batch = nil, nil, r.batch[:0]
	q.pool.Put(r)
}

// acquire waits for the write lock.
func (q *queue) acquire(ctx context.Context) error {
	r := q.newRequest(nil)
	_, err := q.lock.enqueue(ctx, r)
	q.free(r)
	return err
}

// release releases the write lock.
func (q *queue) release() { q.lock.release() }

// write writes the lines of r, together with those of others. An error is that of ctx,
// and nothing was written.
func (q *queue) write(ctx context.Context, r *request) error {
	w, err := q.lock.enqueue(ctx, r)
	if err == nil && w == leader {
		err = q.lead(ctx, r)
	}
	return err
}

// lead writes the lines of r and of the waiting requests. The caller must hold the write
// lock, which lead releases.
func (q *queue) lead(ctx context.Context, r *request) error {
	free, err := q.env.lockActive(false)
	if err == nil && !free {
		// Another process has the lock. A wait in flock(2) cannot be called off, so it
		// happens in a goroutine of its own, and ctx bounds the wait for that.
		q.lock.requeueFront(r)
		go q.leadLater()
		w, err := q.lock.await(ctx, r)
		if err == nil && w == leader { // leadLater served others, and passed the lock on
			return q.lead(ctx, r)
		}
		return err
	}
	if err != nil {
		r.err = err
		q.release()
		return nil
	}
	r.batch = q.lock.drain(append(r.batch, r))
	q.serve(r.batch, r)
	return nil
}

// serve writes the lines of batch, and of the followers of a commit in it. It unlocks
// the file, releases the write lock and wakes all of batch but own.
func (q *queue) serve(batch []*request, own *request) {
	commits := slices.ContainsFunc(batch, func(r *request) bool { return r.leadsCommit })
	if commits {
		q.env.write(q.commits.takeFollowers(batch))
	} else {
		q.env.write(batch)
	}
	q.env.unlockActive()
	q.release()
	if commits {
		q.commits.markWritten() // followers are woken after the fsync
	}
	for _, r := range batch {
		if r != own {
			r.wake <- done
		}
	}
}

// lockLimit is how long an append waits for the lock of another process, which holds it
// for a write, a rotation or a repair.
const lockLimit = 10 * time.Second

// leadLater waits for the lock of the file, and then serves the waiting requests. The
// caller passes on the write lock, which leadLater releases.
func (q *queue) leadLater() {
	locked := make(chan struct{})
	go q.expire(locked)
	_, err := q.env.lockActive(true)
	close(locked)

	batch := q.lock.drain(nil)
	if err == nil {
		q.serve(batch, nil)
		return
	}
	q.release()
	for _, r := range batch {
		r.err = err
		r.wake <- done
	}
}

// expire ends requests that waited for lockLimit, until locked is closed.
func (q *queue) expire(locked <-chan struct{}) {
	late := time.NewTimer(lockLimit)
	defer late.Stop()
	for {
		select {
		case <-locked:
			return
		case <-late.C:
		}
		q.lock.expire(time.Now().Add(-lockLimit))
		late.Reset(time.Second)
	}
}

// writeQueue is a lock with a queue of requests. Its holder may serve waiting requests
// that have lines, instead of passing the lock on to each.
type writeQueue struct {
	mu      sync.Mutex // guards the fields below
	held    bool
	waiting []*request
}

// enqueue waits until r holds the lock or is served. After an error it is neither.
func (t *writeQueue) enqueue(ctx context.Context, r *request) (wakeup, error) {
	t.mu.Lock()
	if !t.held {
		t.held = true
		t.mu.Unlock()
		return leader, nil
	}
	if r.since.IsZero() { // the leader of a commit has waited before
		r.since = time.Now()
	}
	t.waiting = append(t.waiting, r)
	t.mu.Unlock()
	return t.await(ctx, r)
}

// await waits for the wakeup of r, which is in waiting.
func (t *writeQueue) await(ctx context.Context, r *request) (wakeup, error) {
	select {
	case w := <-r.wake:
		return w, nil
	case <-ctx.Done():
	}
	if t.remove(r) {
		return 0, context.Cause(ctx)
	}
	return <-r.wake, nil
}

// remove takes r out of waiting. It returns false if another goroutine did.
func (t *writeQueue) remove(r *request) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.Index(t.waiting, r)
	if i < 0 {
		return false
	}
	t.waiting = slices.Delete(t.waiting, i, i+1)
	return true
}

// requeueFront puts r, whose goroutine passes the lock on, before all waiting requests.
func (t *writeQueue) requeueFront(r *request) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.since.IsZero() {
		r.since = time.Now()
	}
	t.waiting = slices.Insert(t.waiting, 0, r)
}

// maxShared is the size in bytes at which a write takes no further requests: all of them
// wait for the whole write.
const maxShared = 1 << 20

// drain moves waiting requests to batch, up to the first that only wants the lock. The
// caller must hold the lock.
func (t *writeQueue) drain(batch []*request) []*request {
	t.mu.Lock()
	if len(t.waiting) > 0 {
		batch = t.drainLocked(batch, maxShared)
	}
	t.mu.Unlock()
	return batch
}

// drainLocked is drain up to the first most bytes. The caller must hold t.mu.
func (t *writeQueue) drainLocked(batch []*request, most int) []*request {
	size, n := 0, 0
	for n < len(t.waiting) && t.waiting[n].lines != nil && size < most {
		size += t.waiting[n].lines.Size()
		n++
	}
	batch = append(batch, t.waiting[:n]...)
	t.waiting = slices.Delete(t.waiting, 0, n)
	return batch
}

// expire ends the waiting requests with lines since then or earlier, with ErrLocked.
func (t *writeQueue) expire(then time.Time) {
	t.mu.Lock()
	var expired []*request
	t.waiting = slices.DeleteFunc(t.waiting, func(r *request) bool {
		late := r.lines != nil && !r.since.After(then)
		if late {
			expired = append(expired, r)
		}
		return late
	})
	t.mu.Unlock()
	for _, r := range expired {
		r.err = ErrLocked
		r.wake <- done
	}
}

// release passes the lock to the first waiting request, or leaves it free.
func (t *writeQueue) release() {
	t.mu.Lock()
	if len(t.waiting) == 0 {
		t.held = false
		t.mu.Unlock()
		return
	}
	r := t.waiting[0]
	t.waiting = slices.Delete(t.waiting, 0, 1)
	t.mu.Unlock()
	r.wake <- leader
}

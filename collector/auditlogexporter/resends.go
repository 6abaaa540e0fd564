package auditlogexporter

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

const (
	// resendWithin is how long a request may take to come again: exporters of
	// OpenTelemetry give up after a minute to five.
	resendWithin = 10 * time.Minute
	// maxResends bounds what is remembered.
	maxResends = 1024
)

// resends keeps a request that its sender sends again from being written again.
//
// A sender sends a request again if it got an error, or if it gave up waiting.
// While a request is being written although its sender gave up, an equal one
// waits for the end of that write. When a write ends without an answer of success
// that the sender can receive, resends remembers how many lines are in the file.
// The next equal request leaves those out, and takes the memory with it. So of
// equal requests of several senders none is lost.
//
// It lives in memory. The lines that a killed collector had written of a request
// are doubled when that request comes again.
//
// The content of a request is hashed only if something is remembered, or if the
// sender of a request that looks like it gave up.
type resends struct {
	mu      sync.Mutex
	running map[glance][]*attempt
	seen    map[request]written
}

// request is the hash of a request.
type request [sha256.Size]byte

// written is what the file holds of a request.
type written struct {
	lines    int
	complete bool // a write of the whole request returned nil
	until    time.Time
}

// glance is what is cheap to compare of a request: the number of its records or
// spans, and what tells the first one from others. Equal requests have equal
// glances.
type glance struct {
	count       int
	time, other pcommon.Timestamp
	trace       pcommon.TraceID
	span        pcommon.SpanID
}

// attempt is a request that is being written, or that is about to be.
type attempt struct {
	ctx    context.Context // of the sender; it has ended when the sender gave up
	glance glance
	before written // what an earlier attempt left in the file
	ended  chan struct{}

	key     atomic.Pointer[request] // nil until somebody needed it
	mu      sync.Mutex              // guards content, and its being read
	content func() ([]byte, error)  // nil once ended is closed: its owner may then reuse what it reads
}

// begin returns an attempt to write a request, once no equal request is being
// written whose sender gave up. Call end after it. The error is that of ctx, or
// that of content.
func (r *resends) begin(ctx context.Context, g glance, content func() ([]byte, error)) (*attempt, error) {
	a := &attempt{ctx: ctx, glance: g, content: content, ended: make(chan struct{})}
	for {
		equal, unknown := r.register(a)
		switch {
		case unknown != nil:
			if err := unknown.hash(); err != nil {
				return nil, err
			}
		case equal != nil:
			select {
			case <-equal.ended:
			case <-ctx.Done():
				return nil, fmt.Errorf("waiting for the same request, which is being written: %w", context.Cause(ctx))
			}
		default:
			return a, nil
		}
	}
}

// register makes a an attempt that others see. It fails if a must wait for an
// equal one, or if the hash of an attempt is needed first, and returns that one.
func (r *resends) register(a *attempt) (equal, unknown *attempt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, other := range r.running[a.glance] {
		if other.ctx.Err() == nil {
			continue // its sender waits for the answer, so that a is another request
		}
		key, otherKey := a.key.Load(), other.key.Load()
		switch {
		case key == nil:
			return nil, a
		case otherKey == nil:
			return nil, other
		case *otherKey == *key:
			return other, nil
		}
	}
	if len(r.seen) > 0 {
		key := a.key.Load()
		if key == nil {
			return nil, a
		}
		r.forgetOld(time.Now())
		a.before = r.seen[*key]
		delete(r.seen, *key)
	}
	if r.running == nil {
		r.running = make(map[glance][]*attempt)
	}
	r.running[a.glance] = append(r.running[a.glance], a)
	return nil, nil
}

// hash sets the key of a, unless a ended meanwhile.
func (a *attempt) hash() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.content == nil || a.key.Load() != nil {
		return nil
	}
	text, err := a.content()
	if err != nil {
		return fmt.Errorf("recognise a request: %w", err)
	}
	key := request(sha256.Sum256(text))
	a.key.Store(&key)
	return nil
}

// end lets those go on that wait for a. remember is what the file holds of the
// request, for the next equal one; without lines nothing is remembered. The
// request may be reused when end returns.
func (r *resends) end(a *attempt, remember written) error {
	var err error
	if remember.lines > 0 {
		err = a.hash()
	}
	r.mu.Lock()
	if key := a.key.Load(); key != nil && remember.lines > 0 {
		r.remember(*key, remember)
	}
	others := r.running[a.glance]
	if len(others) == 1 {
		delete(r.running, a.glance)
	} else {
		r.running[a.glance] = slices.DeleteFunc(others, func(o *attempt) bool { return o == a })
	}
	r.mu.Unlock()

	a.mu.Lock() // others may be reading the content
	a.content = nil
	a.mu.Unlock()
	close(a.ended)
	return err
}

// remember keeps w for ten minutes. The caller holds r.mu.
func (r *resends) remember(key request, w written) {
	now := time.Now()
	r.forgetOld(now)
	if r.seen == nil {
		r.seen = make(map[request]written)
	}
	if len(r.seen) >= maxResends {
		r.forgetOldest()
	}
	w.until = now.Add(resendWithin)
	r.seen[key] = w
}

func (r *resends) forgetOld(now time.Time) {
	for key, w := range r.seen {
		if now.After(w.until) {
			delete(r.seen, key)
		}
	}
}

func (r *resends) forgetOldest() {
	var oldest request
	var until time.Time
	for key, w := range r.seen {
		if until.IsZero() || w.until.Before(until) {
			oldest, until = key, w.until
		}
	}
	delete(r.seen, oldest)
}

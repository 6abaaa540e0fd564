package auditlogexporter

import (
	"crypto/sha256"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// resendWithin is how long a request may take to come again: exporters of
	// OpenTelemetry give up after a minute to five.
	resendWithin = 10 * time.Minute
	// maxResends bounds what is remembered.
	maxResends = 1024
)

// resends remembers how many lines of a request are in the file although its
// sender was told of an error, or perhaps nothing: of the same request, sent
// again, those are not written once more. It lives in memory: what a collector
// that ended had written in part is doubled when it is sent again.
//
// While nothing is remembered, which is nearly always, it costs nothing.
type resends struct {
	n    atomic.Int64 // len(seen)
	mu   sync.Mutex
	seen map[request]written
}

// request is the hash of a request.
type request [sha256.Size]byte

type written struct {
	lines int
	until time.Time
}

// take returns how many lines of a request are in the file, and forgets it.
func (r *resends) take(content func() ([]byte, error)) (lines int, err error) {
	if r.n.Load() == 0 {
		return 0, nil
	}
	key, err := hash(content)
	if err != nil {
		return 0, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forgetOld(time.Now())
	lines = r.seen[key].lines
	delete(r.seen, key)
	r.n.Store(int64(len(r.seen)))
	return lines, nil
}

// remember keeps that so many lines of a request are in the file.
func (r *resends) remember(content func() ([]byte, error), lines int) error {
	if lines == 0 {
		return nil
	}
	key, err := hash(content)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.forgetOld(now)
	if r.seen == nil {
		r.seen = make(map[request]written)
	}
	if len(r.seen) >= maxResends {
		r.forgetOldest()
	}
	r.seen[key] = written{lines, now.Add(resendWithin)}
	r.n.Store(int64(len(r.seen)))
	return nil
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

func hash(content func() ([]byte, error)) (request, error) {
	text, err := content()
	if err != nil {
		return request{}, fmt.Errorf("recognise a request: %w", err)
	}
	return sha256.Sum256(text), nil
}

package bridge

import (
	"context"
	"sync"
	"time"
)

// gate lets requests through: any number while the collector takes them, one
// at a time before its first answer and from the moment it asks for another
// try. So a collector that is away, or a wrong address, meets one request and
// not a window of them, and what waits in the window is sent as soon as that
// one arrived.
type gate struct {
	turn chan struct{} // has the value of whoever may try while it is shut

	mu        sync.Mutex
	open      bool
	answered  bool      // the endpoint answered in this run
	notBefore time.Time // the collector asked to wait until then
}

func newGate() *gate {
	g := &gate{turn: make(chan struct{}, 1)}
	g.turn <- struct{}{}
	return g
}

// enter waits until a request may be made, which is at once while the gate is open,
// whatever ctx says. If it returns true the caller is the only one who may, and
// has to call leave.
func (g *gate) enter(ctx context.Context) (alone bool, err error) {
	if g.isOpen() {
		return false, nil
	}
	if err := ctx.Err(); err != nil {
		return false, err
	}
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case <-g.turn:
	}
	if g.isOpen() {
		g.leave()
		return false, nil
	}
	return true, nil
}

func (g *gate) leave() { g.turn <- struct{}{} }

func (g *gate) isOpen() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open
}

func (g *gate) hasAnswered() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.answered
}

// note takes down what a request came to. It reports whether this shut the gate.
func (g *gate) note(v verdict) (shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.answered = g.answered || v.status != 0
	if v.action != actRetry {
		g.open = true
		return false
	}
	shut, g.open = g.open, false
	if until := time.Now().Add(v.retryAfter); v.retryAfter > 0 && until.After(g.notBefore) {
		g.notBefore = until
	}
	return shut
}

// earliest returns the later of t and the moment the collector asked to wait for.
func (g *gate) earliest(t time.Time) time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.notBefore.After(t) {
		return g.notBefore
	}
	return t
}

package auditlog

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// watchInterval is how soon it is noticed that somebody moved, removed or
// truncated the active file.
const watchInterval = time.Second

// watch looks once a second whether the active file is where and as it should
// be, and tries to repair a log that is not in order.
type watch struct {
	mu      sync.Mutex
	timer   *time.Timer
	stopped bool
}

func (w *watch) start(l *Log) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(watchInterval, func() {
		l.lookAround()
		w.mu.Lock()
		defer w.mu.Unlock()
		if !w.stopped {
			w.timer.Reset(watchInterval)
		}
	})
}

func (w *watch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	if w.timer != nil {
		w.timer.Stop()
	}
}

// lookAround is what watch does once a second.
func (l *Log) lookAround() {
	_ = l.turns.take(context.Background()) // without end, so without error
	defer l.turns.release()
	if l.closed {
		return
	}
	if err := l.lookAroundNow(); err != nil {
		l.log.Error("auditlog: look after the active file", slog.String("path", l.path), slog.Any("error", err))
	}
}

func (l *Log) lookAroundNow() error {
	if l.cadence.failed() != nil {
		if time.Now().Before(l.repairAgain) {
			return nil
		}
		return l.repair()
	}
	l.unsynced.forget(l.cadence.syncedLines()) // an idle log holds no memory
	l.unsynced.shrink()
	if l.file == nil {
		return nil // nothing of ours is in danger
	}
	if err := l.closeFolder(); err != nil { // to look along the path
		return err
	}
	free, err := l.enterLooking(false)
	if err != nil || !free {
		return err // not free: another process is at it, and looks too
	}
	defer l.leave()
	return l.flushAhead()
}

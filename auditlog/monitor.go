package auditlog

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// watchInterval is how soon it is noticed that somebody moved, removed or
// truncated the active file.
const monitorInterval = time.Second

// watch looks once a second whether the active file is where and as it should
// be, and tries to repair a log that is not in order.
type monitor struct {
	mu      sync.Mutex
	timer   *time.Timer
	stopped bool
}

func (w *monitor) start(l *Log) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(monitorInterval, func() {
		l.checkActive()
		w.mu.Lock()
		defer w.mu.Unlock()
		if !w.stopped {
			w.timer.Reset(monitorInterval)
		}
	})
}

func (w *monitor) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	if w.timer != nil {
		w.timer.Stop()
	}
}

// lookAround is what watch does once a second.
func (l *Log) checkActive() {
	_ = l.queue.acquire(context.Background()) // without end, so without error
	defer l.queue.release()
	if l.closed {
		return
	}
	if err := l.checkActiveNow(); err != nil {
		l.log.Error("auditlog: look after the active file", slog.String("path", l.path), slog.Any("error", err))
	}
}

func (l *Log) checkActiveNow() error {
	if l.syncer.failed() != nil {
		if time.Now().Before(l.repairAgain) {
			return nil
		}
		return l.repair()
	}
	l.unsynced.forget(l.syncer.syncedLines()) // an idle log holds no memory
	l.unsynced.shrink()
	if l.file == nil {
		return nil // nothing of ours is in danger
	}
	if err := l.closeFolder(); err != nil { // to look along the path
		return err
	}
	free, err := l.lockActiveChecked(false)
	if err != nil || !free {
		return err // not free: another process is at it, and looks too
	}
	defer l.unlockActive()
	return l.flushAhead()
}

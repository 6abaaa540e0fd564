package journal

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// monitorInterval bounds how long a moved, removed or truncated active file goes
// unnoticed.
const monitorInterval = time.Second

// monitor calls a function once per monitorInterval.
type monitor struct {
	mu      sync.Mutex // guards the fields below
	timer   *time.Timer
	stopped bool
}

func (m *monitor) start(check func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.timer = time.AfterFunc(monitorInterval, func() {
		check()
		m.mu.Lock()
		defer m.mu.Unlock()
		if !m.stopped {
			m.timer.Reset(monitorInterval)
		}
	})
}

func (m *monitor) stop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stopped = true
	if m.timer != nil {
		m.timer.Stop()
	}
}

// checkActive repairs the log after a failed fsync, or else checks the active file. The
// monitor calls it.
func (l *Log) checkActive() {
	_ = l.queue.acquire(context.Background()) // its context never ends, so no error
	defer l.queue.release()
	if l.closed {
		return
	}
	if err := l.checkActiveNow(); err != nil {
		l.log.Error("auditlog: check the active file", slog.String("path", l.path), slog.Any("error", err))
	}
}

// checkActiveNow is checkActive for a caller that holds the write lock.
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
		return nil // no file holds lines of this Log
	}
	if err := l.closeFolder(); err != nil { // the next stat goes along the path
		return err
	}
	free, err := l.lockActiveChecked(false)
	if err != nil || !free {
		return err // not free: the process that holds the lock checks the file too
	}
	defer l.unlockActive()
	return l.flushAhead()
}

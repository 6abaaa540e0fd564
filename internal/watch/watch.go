// Package watch says when a file may have changed: it was written to, renamed,
// removed, or another one came to its path.
package watch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// DefaultInterval keeps what is found by looking within half a second.
	DefaultInterval = 250 * time.Millisecond
	// gap is the shortest time between two notifications. Writes that come
	// within it are one.
	gap = 10 * time.Millisecond
)

// Watcher watches one path. It may be used from several goroutines.
type Watcher struct {
	dir, base string
	logger    *slog.Logger
	interval  time.Duration
	system    *fsnotify.Watcher // nil: polling only
	changed   chan struct{}
	stop      chan struct{}
	closed    func() error
	running   sync.WaitGroup
}

// Config says how to watch.
type Config struct {
	// Logger is told when the system does not notify. Nil discards.
	Logger *slog.Logger
	// Interval is the time after which the file may have changed, whatever the
	// system says: notifications get lost when too many come at once, and on
	// network file systems. 0 means DefaultInterval.
	Interval time.Duration
	// Poll goes by Interval only.
	Poll bool
}

// New watches path, which need not exist yet, nor its folder. What cannot be
// watched is polled. Close the Watcher after use.
func New(path string, cfg Config) *Watcher {
	w := &Watcher{
		dir: filepath.Dir(path), base: filepath.Base(path),
		logger: cfg.Logger, interval: cmp.Or(cfg.Interval, DefaultInterval),
		changed: make(chan struct{}, 1), stop: make(chan struct{}),
	}
	if w.logger == nil {
		w.logger = slog.New(slog.DiscardHandler)
	}
	if !cfg.Poll {
		var err error
		if w.system, err = fsnotify.NewWatcher(); err != nil {
			w.pollOnly(err)
		}
	}
	w.closed = sync.OnceValue(w.close)
	w.attach()
	w.running.Go(w.run)
	return w
}

// Changed returns the channel that gets a value when the file may have changed
// since the one before, and at each interval. Changes that come before it is
// received are one.
func (w *Watcher) Changed() <-chan struct{} { return w.changed }

// Wait waits until the file may have changed. It returns an error when ctx ends
// first, the cause of it.
func (w *Watcher) Wait(ctx context.Context) error {
	select {
	case <-w.changed:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Close stops watching. Further calls return what the first one did.
func (w *Watcher) Close() error { return w.closed() }

func (w *Watcher) close() error {
	close(w.stop)
	w.running.Wait()
	if w.system == nil {
		return nil
	}
	if err := w.system.Close(); err != nil {
		return fmt.Errorf("stop watching %s: %w", w.dir, err)
	}
	return nil
}

func (w *Watcher) pollOnly(err error) {
	w.system = nil
	w.logger.Info("the folder cannot be watched; it is polled",
		slog.String("folder", w.dir), slog.Duration("interval", w.interval), slog.Any("error", err))
}

// attach asks for notifications of the folder if there are none: it may appear
// later, or be removed and come again.
func (w *Watcher) attach() {
	if w.system == nil || len(w.system.WatchList()) > 0 {
		return
	}
	if err := w.system.Add(w.dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		w.pollOnly(errors.Join(err, w.system.Close()))
	}
}

func (w *Watcher) run() {
	tick := time.NewTicker(w.interval)
	defer tick.Stop()
	for {
		var events <-chan fsnotify.Event
		var faults <-chan error
		if w.system != nil {
			events, faults = w.system.Events, w.system.Errors
		}
		select {
		case <-w.stop:
			return
		case <-tick.C:
			w.attach()
		case e := <-events:
			if filepath.Base(e.Name) != w.base || e.Op == fsnotify.Chmod {
				continue
			}
		case err := <-faults:
			// Notifications were lost, so anything may have changed.
			if !errors.Is(err, fsnotify.ErrEventOverflow) {
				w.pollOnly(errors.Join(err, w.system.Close()))
			}
		}
		select {
		case w.changed <- struct{}{}:
		default:
		}
		// Not to receive meanwhile lets the system merge what it has to say.
		select {
		case <-w.stop:
			return
		case <-time.After(gap):
		}
	}
}

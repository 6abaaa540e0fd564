package bridge

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/otelaudit/otelaudit/internal/history"
	"github.com/otelaudit/otelaudit/internal/watch"
)

// awaitFolder waits for the folder of a log that is not there yet, if the
// checkpoint goes there too.
func (b *Bridge) awaitFolder(ctx context.Context) (err error) {
	dir := filepath.Dir(b.path)
	if _, err := os.Stat(dir); filepath.Dir(b.checkpoint) != dir || !errors.Is(err, fs.ErrNotExist) {
		return nil // whatever else is wrong with it shows when it is used
	}
	b.cfg.logger.Info("there is no folder for the log yet; waiting for it", slog.String("folder", dir))
	watcher := watch.New(b.path, watch.Config{Logger: b.cfg.logger})
	defer func() { err = errors.Join(err, watcher.Close()) }()
	for {
		if err := watcher.Wait(ctx); err != nil {
			return err
		}
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			return nil
		}
	}
}

// await waits until there may be more to read. A batch that is not full is
// handed on when none was for the time of WithLinger: at once after a pause,
// and in a stream of events a few times a second.
func (r *reader) await(ctx context.Context) error {
	var due <-chan time.Time
	if !r.batch.isEmpty() {
		wait := time.Until(r.flushed.Add(r.cfg.linger))
		if wait <= 0 {
			if err := r.flush(ctx); err != nil {
				return err
			}
		} else {
			// Now, as the file may be another one when it is due.
			if err := r.witness(ctx); err != nil {
				return err
			}
			timer := time.NewTimer(wait)
			defer timer.Stop()
			due = timer.C
		}
	}
	if r.snapshot != nil {
		if err := r.snapshot.Remember(r.batch.behind); err != nil {
			return err
		}
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-due:
	case <-r.watcher.Changed():
	}
	return nil
}

// advance goes on to what there is to read now.
func (r *reader) advance(ctx context.Context) error {
	if r.snapshot == nil {
		if err := r.open(ctx); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	next, err := r.snapshot.Next(ctx, r.batch.behind)
	if err != nil {
		return err
	}
	within := r.file < len(r.files) // of the active file
	r.snapshot, r.first = next, r.place.origin.previous
	r.files, r.file = next.Files(), 0
	if !within {
		if len(r.files) == 0 {
			return nil
		}
		return r.startFile(ctx, 0)
	}
	file := r.files[0]
	if next.Change() != history.Unchanged {
		r.tail = tail{}
	}
	switch next.Change() {
	case history.Unchanged:
		return nil
	case history.Truncated:
		// What was read before is sent, and then what is there now.
		if err := r.flush(ctx); err != nil {
			return err
		}
		r.cfg.logger.Warn("the log was truncated; going on where it changed",
			slog.String("file", file.Path), slog.Int64("read", r.place.at.Offset), slog.Int64("offset", next.From().Offset))
		r.place = place{origin: &origin{path: file.Path, previous: r.first}, at: next.From()}
		r.ends = lineEnds{}
		r.use(r.batch)
		return nil
	case history.Left:
		r.cfg.logger.Warn("the active file was moved away or removed; what is left of it is sent, and then the new one",
			slog.String("file", file.Path), slog.Int64("offset", r.batch.behind.Offset))
	case history.Copied:
		r.cfg.logger.Info("a copy of the active file has taken its place",
			slog.String("file", file.Path), slog.Int64("offset", r.batch.behind.Offset))
	}
	o := *r.place.origin
	o.path = file.Path
	r.place.origin = &o
	return nil
}

package bridge

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/otelaudit/otelaudit/internal/history"
	"github.com/otelaudit/otelaudit/internal/scan"
)

// resume sets the place to start at: where the checkpoint points to, if its
// content is still there, else where what may be new begins. Sending twice is
// better than not at all.
func (r *reader) resume(ctx context.Context, cp *checkpoint) error {
	if cp == nil {
		return r.startFile(ctx, 0)
	}
	log := r.cfg.logger.With(slog.String("checkpoint", r.checkpoint), slog.String("file", cp.File), slog.Int64("offset", cp.Offset))
	before, err := r.findPrevious(ctx, cp.Previous)
	if err != nil {
		return err
	}
	i, err := r.findAfter(ctx, before, cp)
	if err != nil {
		return err
	}
	if i >= 0 {
		if err := r.startFile(ctx, i); err != nil {
			return err
		}
		r.place.at, r.place.tail = scan.Cursor{Offset: cp.Offset, Line: cp.Line}, cp.Tail
		if r.place.origin, err = r.place.origin.reaching(ctx, cp.Offset, r.files[i]); err != nil {
			return err
		}
		r.use(r.batch)
		if now := filepath.Base(r.files[i].Path); now != cp.File {
			log.Info("the file of the checkpoint has another name now", slog.String("name", now))
		}
		return nil
	}
	r.restarted = true
	if before >= 0 {
		log.Warn("what stood before the checkpoint is not where it was: the log was truncated, replaced or removed since; "+
			"starting after the last file that was complete then",
			slog.String("complete", filepath.Base(r.files[before].Path)))
		return r.startFile(ctx, before+1)
	}
	log.Warn("what stood before the checkpoint is not where it was: the log was truncated, replaced or removed since; "+
		"starting with the oldest file, some events may be sent again",
		slog.String("start", filepath.Base(r.files[0].Path)))
	return r.startFile(ctx, 0)
}

// tellNewEndpoint says that everything is sent to an endpoint without a
// checkpoint, when another endpoint has one: a misspelt address looks the same.
func (r *run) tellNewEndpoint() error {
	if r.cfg.checkpoint != "" {
		return nil
	}
	entries, err := os.ReadDir(filepath.Dir(r.path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // no log either, which is said next
	}
	if err != nil {
		return fmt.Errorf("look for checkpoints: %w", err)
	}
	for _, e := range entries {
		tag, ok := strings.CutPrefix(e.Name(), filepath.Base(r.path)+checkpointInfix)
		if ok && !strings.Contains(tag, ".") { // no .lock, no .tmp
			r.cfg.logger.Info("no checkpoint for this endpoint yet, starting with the oldest event",
				slog.String("endpoint", r.sender.url), slog.String("other", e.Name()))
			return nil
		}
	}
	return nil
}

// findPrevious returns the index of the file that id names, -1 if it is gone or
// holds something else. Its name counts as well as its content: an archive
// never gets another one, and short files may begin alike.
func (r *reader) findPrevious(ctx context.Context, id *fileID) (int, error) {
	if id == nil {
		return -1, nil
	}
	i := slices.IndexFunc(r.files, func(f *scan.File) bool { return sameFile(filepath.Base(f.Path), id.File) })
	if i < 0 {
		return -1, nil
	}
	if ok, err := r.agrees(ctx, i, id.mark()); err != nil || !ok {
		return -1, err
	}
	return i, nil
}

// findAfter returns the index of the file that cp points into, -1 if there is
// none. That is the one after the file before, whatever its name is by now; or
// the oldest, if before is -1: there was none before it, or that was removed. A
// later file that begins alike is another one, and to go on there would skip
// what stands between.
func (r *reader) findAfter(ctx context.Context, before int, cp *checkpoint) (int, error) {
	for i := before + 1; i < len(r.files); i++ {
		if ok, err := r.agrees(ctx, i, cp.mark()); err != nil {
			return -1, err
		} else if ok {
			return i, nil
		}
		// Files that cannot be named stand between, see previous.
		if id, err := r.identify(ctx, i); err != nil || id != nil {
			return -1, err
		}
	}
	return -1, nil
}

// agrees compares a file with the checkpoint.
func (r *reader) agrees(ctx context.Context, i int, mark history.Mark) (bool, error) {
	ok, err := mark.IsIn(ctx, r.files[i])
	if err == nil {
		return ok, nil
	}
	if err := ctx.Err(); err != nil {
		return false, fmt.Errorf("look for the place of the checkpoint: %w", err)
	}
	// A damaged archive matches nothing. A file that cannot be read may be the
	// one, and to start elsewhere would send a lot again.
	if _, unreadable := errors.AsType[*fs.PathError](err); unreadable && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("look for the place of the checkpoint in %s: %w", r.files[i].Path, err)
	}
	r.cfg.logger.Warn("file cannot be compared with the checkpoint",
		slog.String("file", r.files[i].Path), slog.Any("error", err))
	return false, nil
}

// previous names the nearest file before that one that can be named; nil if
// there is none.
func (r *reader) previous(ctx context.Context, file int) (*fileID, error) {
	for i := file - 1; i >= 0; i-- {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("look at the files before the place of the checkpoint: %w", err)
		}
		if id, err := r.identify(ctx, i); err != nil || id != nil {
			return id, err
		}
	}
	return r.first, nil
}

// identify names a file; nil if it is empty, gone, without a name of its own,
// or damaged from its first bytes, and so cannot be told from others.
func (r *reader) identify(ctx context.Context, i int) (*fileID, error) {
	file := r.files[i]
	if file.Path == r.path && !file.Active() {
		return nil, nil // it was moved away or removed while it was followed
	}
	head, err := history.Head(ctx, file, headSize)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		if _, unreadable := errors.AsType[*fs.PathError](err); unreadable {
			return nil, fmt.Errorf("read the beginning of %s: %w", file.Path, err)
		}
	}
	if err != nil || len(head) == 0 {
		return nil, nil
	}
	return &fileID{File: filepath.Base(file.Path), Head: history.SpanOf(0, head)}, nil
}

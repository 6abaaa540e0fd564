package bridge

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"

	"github.com/otelaudit/otelaudit/auditlog"
)

// resume sets the place to start at: where the checkpoint points to, if its
// content is still somewhere, else where what may be new begins. Sending twice
// is better than not at all.
func (r *run) resume(ctx context.Context, cp *checkpoint) error {
	if cp == nil {
		return nil // the zero place: the first line of the oldest file
	}
	log := r.cfg.logger.With(slog.String("checkpoint", r.checkpoint), slog.String("file", cp.File), slog.Int64("offset", cp.Offset))
	i, err := r.find(ctx, cp.File, cp.matches)
	if err != nil {
		return err
	}
	if i >= 0 {
		at := auditlog.Cursor{Offset: cp.Offset, Line: cp.Line}
		r.place = place{file: i, at: at, saved: at, tail: cp.Tail}
		if now := filepath.Base(r.files[i].Path()); now != cp.File {
			log.Info("the file of the checkpoint has another name now", slog.String("name", now))
		}
		return nil
	}
	r.stats.Restarted = true
	if cp.Previous != nil {
		if i, err = r.find(ctx, cp.Previous.File, cp.Previous.matches); err != nil {
			return err
		}
		if i >= 0 {
			r.place = place{file: i + 1}
			log.Warn("no file holds what stood before the checkpoint: the log was truncated, replaced or removed since; "+
				"starting after the last file that was complete then",
				slog.String("complete", filepath.Base(r.files[i].Path())))
			return nil
		}
	}
	log.Warn("no file holds what stood before the checkpoint: the log was truncated, replaced or removed since; "+
		"starting with the oldest file, some events may be sent again",
		slog.String("start", filepath.Base(r.files[0].Path())))
	return nil
}

// find returns the index of the file that matches, -1 if none does. It looks at
// the file of that name first, then from the newest to the oldest.
func (r *run) find(ctx context.Context, name string, matches func(content) (bool, error)) (int, error) {
	order := make([]int, 0, len(r.files))
	for i, f := range r.files {
		if sameFile(filepath.Base(f.Path()), name) {
			order = append(order, i)
		}
	}
	for i := range slices.Backward(r.files) {
		if !slices.Contains(order, i) {
			order = append(order, i)
		}
	}
	for _, i := range order {
		if err := ctx.Err(); err != nil {
			return -1, fmt.Errorf("look for the place of the checkpoint: %w", err)
		}
		ok, err := matches(r.files[i])
		if err != nil {
			// A damaged archive matches nothing. A file that cannot be read may
			// be the one, and to start elsewhere would send a lot again.
			if _, unreadable := errors.AsType[*fs.PathError](err); unreadable && !errors.Is(err, fs.ErrNotExist) {
				return -1, fmt.Errorf("look for the place of the checkpoint in %s: %w", r.files[i].Path(), err)
			}
			r.cfg.logger.Warn("file cannot be compared with the checkpoint",
				slog.String("file", r.files[i].Path()), slog.Any("error", err))
			continue
		}
		if ok {
			return i, nil
		}
	}
	return -1, nil
}

// previous names the file before the present one for the checkpoint; nil if there
// is none, or it is empty and so cannot be told from others.
func (r *run) previous() (*fileID, error) {
	if r.place.previous != nil || r.place.file == 0 {
		return r.place.previous, nil
	}
	file := r.files[r.place.file-1]
	head, err := readHead(file, headSize)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		// Damaged from its first bytes: it cannot be named by its content.
		if _, unreadable := errors.AsType[*fs.PathError](err); unreadable {
			return nil, fmt.Errorf("read the beginning of %s: %w", file.Path(), err)
		}
	}
	if err != nil || len(head) == 0 {
		return nil, nil
	}
	r.place.previous = &fileID{File: filepath.Base(file.Path()), Head: spanOf(0, head)}
	return r.place.previous, nil
}

package auditlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// LastEvents returns the last n events, oldest first; with an event name, the
// last n of that name. It reads the active file from its end, and it and the
// archives only as far back as it takes, so the Line of the entries is 0: the
// lines before them were not counted.
func (r *Reader) LastEvents(ctx context.Context, n int, event string) (_ []Entry, err error) {
	snapshot, err := r.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	return snapshot.last(ctx, n, newMatcher(Filter{Event: event}))
}

// last returns the last n events that match, oldest first.
func (s *Snapshot) last(ctx context.Context, n int, m *matcher) (_ []Entry, err error) {
	var newestFirst []Entry
	for _, f := range slices.Backward(s.files) {
		if len(newestFirst) >= n {
			break
		}
		if newestFirst, err = f.appendLast(ctx, newestFirst, n, m); err != nil {
			return nil, err
		}
	}
	slices.Reverse(newestFirst)
	return newestFirst, nil
}

const (
	// The file is read from its end in windows, each twice the size of the one
	// behind it, from a line's beginning to another's.
	firstWindow = 16 << 10
	lastWindow  = 4 << 20
)

// appendLast appends the last events of f that match, newest first, until
// there are n in found.
func (f *File) appendLast(ctx context.Context, found []Entry, n int, m *matcher) (_ []Entry, err error) {
	c, err := f.open(ctx, 0)
	if err != nil {
		return nil, fmt.Errorf("auditlog: read %s: %w", f.path, err)
	}
	if c.compressed() {
		return lastOfScan(ctx, newFileScan(c, Cursor{}, f.maxLine, f.logger.report), found, n, m)
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	src, end := f.active, f.size
	if src == nil {
		src = c.file
		if end, err = src.Seek(0, io.SeekEnd); err != nil {
			return nil, fmt.Errorf("auditlog: read %s: %w", f.path, err)
		}
	}
	var damage []*DamageError // the last one first
	for window := int64(firstWindow); end > 0 && len(found) < n; window = min(2*window, lastWindow) {
		start, err := jsonline.LineStart(readerAt{src, ctx}, end-window)
		if err != nil {
			return nil, fmt.Errorf("auditlog: read %s: %w", f.path, err)
		}
		var inWindow []*DamageError
		scan := newFileScan(contentAt(c.path, readerAt{src, ctx}, start), Cursor{Offset: start}, f.maxLine, func(d *DamageError) { inWindow = append(inWindow, d) })
		scan.limit, scan.lines.limit = end, end
		if found, err = lastOfScan(ctx, scan, found, n, m); err != nil {
			return nil, err
		}
		slices.Reverse(inWindow)
		damage = append(damage, inWindow...)
		end = start
	}
	slices.Reverse(damage)
	return found, f.reportUncounted(ctx, src, damage)
}

// lastOfScan appends the last matches of a scan, newest first, and closes it.
func lastOfScan(ctx context.Context, scan *fileScan, found []Entry, n int, m *matcher) ([]Entry, error) {
	last := ring{room: n - len(found)}
	err := scan.all(ctx, func(s *fileScan) bool {
		if matches, _ := m.matches(&s.fields); matches {
			last.add(s.Entry)
		}
		return true
	})
	return last.appendNewestFirst(found), errors.Join(err, scan.Close())
}

// reportUncounted logs damage whose lines were not counted. Only with damage,
// and if somebody listens, are they counted now: that reads the file.
func (f *File) reportUncounted(ctx context.Context, src io.ReaderAt, damage []*DamageError) error {
	if len(damage) == 0 || !f.logger.logger.Enabled(ctx, slog.LevelWarn) {
		return nil
	}
	buf := make([]byte, readSize)
	lines, offset := int64(0), int64(0)
	for _, d := range damage {
		for offset < d.Offset {
			if err := context.Cause(ctx); err != nil {
				return fmt.Errorf("auditlog: read %s: %w", f.path, err)
			}
			n, err := src.ReadAt(buf[:min(d.Offset-offset, readSize)], offset)
			if err != nil && !errors.Is(err, io.EOF) {
				return fmt.Errorf("auditlog: read %s: %w", f.path, err)
			}
			if n == 0 {
				break // somebody cut it off
			}
			lines += int64(bytes.Count(buf[:n], []byte{'\n'}))
			offset += int64(n)
		}
		d.Line = lines + 1
		f.logger.report(d)
	}
	return nil
}

// ring keeps the last entries that were added to it. It uses the memory of
// those that it lets go of again.
type ring struct {
	room    int
	entries []Entry
	oldest  int
}

func (r *ring) add(e Entry) {
	e.Line = 0
	if len(r.entries) < r.room {
		r.entries = append(r.entries, e.Clone())
		return
	}
	slot := &r.entries[r.oldest]
	e.Raw = append(slot.Raw[:0], e.Raw...)
	*slot = e
	r.oldest = (r.oldest + 1) % len(r.entries)
}

func (r *ring) appendNewestFirst(dst []Entry) []Entry {
	for i := range r.entries {
		dst = append(dst, r.entries[(r.oldest+len(r.entries)-1-i)%len(r.entries)])
	}
	return dst
}

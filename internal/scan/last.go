package scan

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

const (
	// The file is read from its end in windows that begin and end with lines, each
	// twice the size of the one read before.
	firstWindow = 16 << 10
	lastWindow  = 4 << 20
)

// AppendLast appends the last events of f that match to found, newest first, until found
// has n.
func (f *File) AppendLast(ctx context.Context, found []Entry, n int, m *Matcher) (_ []Entry, err error) {
	c, err := f.openContent(ctx, 0)
	if err != nil {
		return nil, fmt.Errorf("auditlog: read %s: %w", f.Path, err)
	}
	if c.compressed() {
		return lastOfScan(ctx, newScanner(c, Cursor{}, f.MaxLine, f.LogDamage), found, n, m)
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	src, end := f.Handle, f.Size
	if src == nil {
		src = c.file
		if end, err = src.Seek(0, io.SeekEnd); err != nil {
			return nil, fmt.Errorf("auditlog: read %s: %w", f.Path, err)
		}
	}
	var damage []*DamageError // the last one first
	for window := int64(firstWindow); end > 0 && len(found) < n; window = min(2*window, lastWindow) {
		start, err := jsonline.LineStart(readerAt{src, ctx}, end-window)
		if err != nil {
			return nil, fmt.Errorf("auditlog: read %s: %w", f.Path, err)
		}
		var inWindow []*DamageError
		scan := newScanner(contentAt(c.path, readerAt{src, ctx}, start), Cursor{Offset: start}, f.MaxLine, func(d *DamageError) { inWindow = append(inWindow, d) })
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

// lastOfScan appends the last matches of a scan to found, newest first, and closes the
// scan.
func lastOfScan(ctx context.Context, scan *Scanner, found []Entry, n int, m *Matcher) ([]Entry, error) {
	last := ring{room: n - len(found)}
	err := scan.All(ctx, func(s *Scanner) bool {
		if matches, _ := m.Matches(&s.Fields); matches {
			last.add(s.Entry)
		}
		return true
	})
	return last.appendNewestFirst(found), errors.Join(err, scan.Close())
}

// reportUncounted logs damage whose lines were not counted. It counts them now, which
// reads the file, if there is damage and a logger for it.
func (f *File) reportUncounted(ctx context.Context, src io.ReaderAt, damage []*DamageError) error {
	if len(damage) == 0 || !f.Logger.Enabled(ctx, slog.LevelWarn) {
		return nil
	}
	buf := make([]byte, ReadSize)
	lines, offset := int64(0), int64(0)
	for _, d := range damage {
		for offset < d.Offset {
			if err := context.Cause(ctx); err != nil {
				return fmt.Errorf("auditlog: read %s: %w", f.Path, err)
			}
			n, err := src.ReadAt(buf[:min(d.Offset-offset, ReadSize)], offset)
			if err != nil && !errors.Is(err, io.EOF) {
				return fmt.Errorf("auditlog: read %s: %w", f.Path, err)
			}
			if n == 0 {
				break // the file was truncated
			}
			lines += int64(bytes.Count(buf[:n], []byte{'\n'}))
			offset += int64(n)
		}
		d.Line = lines + 1
		f.LogDamage(d)
	}
	return nil
}

// ring keeps the last entries that were added to it, and uses the memory of dropped ones
// again.
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

package auditlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// maxPooledBytes keeps one huge batch from holding its memory for good.
const maxPooledBytes = 1 << 20

var linesPool = sync.Pool{New: func() any { return new(jsonline.Lines) }}

// Append appends events, in their order. When it returns nil, all of them are
// in the kernel, whole, and survive the death of the process; fewer lines than
// [WithSyncLines] says are then not yet on disk. Several events of one call
// are one write (one for each file, if a rotation falls between them).
//
// An event that FORMAT.md does not allow is an [*EventError], and none of the
// events is written. A [*SyncError] means that all are in the file but perhaps
// not on disk, a [*BatchError] that only the first ones are in the file; after
// any other error none is. ctx bounds the waiting for other goroutines'
// writes (none is written then) and for the disk ([*SyncError]); a write that
// has begun is not torn by it.
func (l *Log) Append(ctx context.Context, events ...Event) error {
	lines := linesPool.Get().(*jsonline.Lines)
	defer func() {
		if lines.Size() <= maxPooledBytes {
			lines.Reset()
			linesPool.Put(lines)
		}
	}()
	t := time.Now()
	for i := range events {
		buf, err := appendEvent(lines.Buffer(), &events[i], i, t, l.cfg.sessionID)
		if err != nil {
			return err
		}
		lines.Commit(buf)
	}
	return l.AppendLines(ctx, lines)
}

// AppendLines appends encoded lines under the promises of [Log.Append]. Only
// packages of this module can make its argument: it is how the exporter hands
// over lines that it has encoded. lines may be used again when it returns.
func (l *Log) AppendLines(ctx context.Context, lines *jsonline.Lines) error {
	if err := l.lockWriting(ctx); err != nil {
		return err
	}
	written, last, err := l.write(lines)
	<-l.writing
	switch {
	case err != nil && written > 0:
		return &BatchError{Written: written, Err: err}
	case err != nil:
		return fmt.Errorf("auditlog: append to %s: %w", l.path, err)
	}
	if written == 0 {
		return nil // there was nothing to append
	}
	return l.cadence.keep(ctx, last)
}

// lockWriting waits for the other writers of this Log.
func (l *Log) lockWriting(ctx context.Context) error {
	select {
	case l.writing <- struct{}{}:
		return nil
	default:
	}
	select {
	case l.writing <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("auditlog: append to %s: waiting for other writers: %w", l.path, context.Cause(ctx))
	}
}

// write writes lines, rotating where they do not fit. It returns how many are
// in the file and the running number of the last one. The caller holds
// writing.
func (l *Log) write(lines *jsonline.Lines) (written int, last int64, err error) {
	if l.closed {
		return 0, 0, ErrClosed
	}
	if err := l.cadence.failed(); err != nil {
		return 0, 0, fmt.Errorf("an earlier fsync failed, so nothing more is written; open the log again: %w", err)
	}
	last = l.cadence.wrote(0)
	for written < lines.Len() {
		if err := l.enter(); err != nil {
			return written, last, err
		}
		n, err := l.writeFit(lines, written)
		written += n
		last = l.cadence.wrote(n)
		if err != nil {
			return written, last, errors.Join(err, l.leave())
		}
		if written == lines.Len() {
			return written, last, l.leave()
		}
		// The file is full.
		if err := l.rotate(); err != nil {
			return written, last, err
		}
	}
	return written, last, nil
}

// enter opens the active file if need be and locks it against other processes.
// It returns with l.file locked, at l.path, and l.end its size behind a line
// feed (or behind a torn tail, see mend).
func (l *Log) enter() error {
	for {
		if l.file == nil {
			if err := l.reopen(); err != nil {
				return err
			}
		}
		// A file that was rotated away may be locked for as long as its
		// compression takes: look before waiting for it.
		locked, err := tryLock(l.file)
		if err != nil {
			return err
		}
		if !locked {
			if same, err := isAt(l.path, l.file); err != nil {
				return err
			} else if same {
				if err := lock(l.file); err != nil {
					return err
				}
				locked = true
			}
		}
		if locked {
			same, err := isAt(l.path, l.file)
			if err != nil {
				return errors.Join(err, l.leave())
			}
			if same {
				return nil
			}
			if err := l.leave(); err != nil {
				return err
			}
		}
		if err := l.abandonFile(); err != nil {
			return err
		}
	}
}

// leave unlocks the active file.
func (l *Log) leave() error { return unlock(l.file) }

// abandonFile lets go of a file that is no longer at the log's path: another
// process rotated it, or somebody moved or removed it. Our lines in it are
// synced first, while we still hold it.
func (l *Log) abandonFile() error {
	if err := l.cadence.syncNow(); err != nil {
		return err
	}
	return l.closeFile()
}

// writeFit writes as many of the lines from the first on as fit into the
// active file, in one write, and returns how many are in the file.
func (l *Log) writeFit(lines *jsonline.Lines, first int) (int, error) {
	size, err := fileSize(l.file)
	if err != nil {
		return 0, err
	}
	mend, err := l.mend(size)
	if err != nil {
		return 0, err
	}
	start := lines.Start(first)
	room := l.cfg.maxFileSize - size - int64(len(mend))
	n := first
	for n < lines.Len() && int64(lines.End(n)-start) <= room {
		n++
	}
	if n == first && size == 0 {
		n++ // a line larger than any file has one to itself
	}
	if n == first {
		return 0, nil
	}
	buf := lines.Bytes()[start:lines.Start(n)]
	if len(mend) > 0 {
		buf = append(mend, buf...)
	}
	wrote, err := l.file.Write(buf)
	if err == nil {
		l.end = size + int64(wrote)
		return n - first, nil
	}
	return l.cutBack(lines, first, size, int64(len(mend)), int64(wrote), err)
}

// cutBack handles a write that ended early, on a full disk for example: what
// is whole stays, the rest of the last line is removed again.
func (l *Log) cutBack(lines *jsonline.Lines, first int, size, mended, wrote int64, cause error) (int, error) {
	start := int64(lines.Start(first))
	whole, end := 0, int64(0)
	if wrote >= mended {
		end = mended
		for first+whole < lines.Len() && mended+int64(lines.End(first+whole))-start <= wrote {
			end = mended + int64(lines.End(first+whole)) - start
			whole++
		}
	}
	l.end = -1 // if the torn rest stays, the next write finds and ends it
	if wrote > end {
		if err := l.file.Truncate(size + end); err != nil {
			cause = errors.Join(cause, fmt.Errorf("remove %d torn bytes: %w", wrote-end, err))
		}
	}
	return whole, cause
}

// mend returns the bytes that must precede the next line so that it is not
// glued to a torn one: nothing, when the file ends in a line feed. A torn tail
// is evidence of a crash: it is ended, not removed, and an event says where it
// lies.
func (l *Log) mend(size int64) ([]byte, error) {
	if size == l.end || size == 0 {
		return nil, nil
	}
	start, err := lastLineStart(l.file, size)
	if err != nil || start == size {
		return nil, err
	}
	length := size - start
	if length <= maxTailChecked {
		tail := make([]byte, length)
		if _, err := l.file.ReadAt(tail, start); err != nil {
			return nil, fmt.Errorf("read the end of %s: %w", l.path, err)
		}
		if isWholeEvent(tail) {
			return []byte{'\n'}, nil // only its line feed is missing
		}
	}
	l.log.Warn("auditlog: ending a torn line", "path", l.path, "offset", start, "length", length)
	event := Event{Name: eventRecovered, Attributes: map[string]any{
		"torn_offset": start,
		"torn_length": length,
	}}
	return appendEvent([]byte{'\n'}, &event, 0, time.Now(), l.cfg.sessionID)
}

// eventRecovered is the event that tells of a torn line which was found at the
// end of the active file and ended before the next was written.
const eventRecovered = "auditlog_recovered"

// maxTailChecked bounds the memory that a tail without line feed may cost; a
// longer one counts as torn.
const maxTailChecked = 64 << 20

func isWholeEvent(line []byte) bool {
	return jsonline.EachMember(line, func(_, _ []byte) bool { return true }) == nil
}

// lastLineStart returns the offset behind the last line feed of f, which has
// size bytes.
func lastLineStart(f *os.File, size int64) (int64, error) {
	var buf [4096]byte
	for end := size; end > 0; {
		n := min(end, int64(len(buf)))
		if _, err := f.ReadAt(buf[:n], end-n); err != nil && !errors.Is(err, io.EOF) {
			return 0, fmt.Errorf("read the end of %s: %w", f.Name(), err)
		}
		for i := n - 1; i >= 0; i-- {
			if buf[i] == '\n' {
				return end - n + i + 1, nil
			}
		}
		end -= n
	}
	return 0, nil
}

package journal

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"
)

// part is the lines of one request in one write.
type part struct {
	r     *request
	lines int
}

// write writes the lines of batch, rotates where they do not fit, and sets the outcome
// of each request. The caller must hold the write lock and the lock of the file.
func (l *Log) write(batch []*request) {
	for i := 0; i < len(batch); {
		if r := batch[i]; r.written == r.lines.Len() {
			i++
			continue
		}
		n, err := l.writeFit(batch[i:])
		if err == nil && n == 0 {
			err = l.rotateFull()
		}
		if err == nil {
			continue
		}
		for _, r := range batch[i:] {
			if r.written < r.lines.Len() {
				r.err = err
			}
		}
		return
	}
}

// rotateFull rotates a full file. If that fails, the file grows beyond its limit: an
// audit log prefers a file that is too large to the loss of events.
func (l *Log) rotateFull() error {
	// A sole owner checks its file once per second, and may fill it in less. A truncation
	// is reported, and makes room.
	if info, err := l.file.Stat(); err != nil {
		return err
	} else if info.Size < l.size {
		l.size = info.Size
		return l.noticeTruncation()
	}
	err := l.rotate()
	switch {
	case err == nil && l.file == nil:
		_, err = l.lockActive(true)
	case err != nil && l.file != nil && l.syncer.failed() == nil:
		l.counts.rotationsFailed.Add(1)
		l.rotateAgain = time.Now().Add(retryInterval)
		l.log.Error("auditlog: the active file grows beyond its limit, because it cannot be rotated",
			slog.String("path", l.path), slog.Any("error", err))
		err = nil
	}
	return err
}

// retryInterval is the time between two attempts at a rotation, or at a repair.
const retryInterval = time.Second

// forgetEarly is the size in bytes of unsynced at which a write drops synced lines before
// it adds others, and not only after it: so the memory holds one large commit, not two.
const forgetEarly = 32 << 10

// writeFit writes the lines of batch that fit into the active file, in one write. It
// returns how many lines are in the file.
func (l *Log) writeFit(batch []*request) (int, error) {
	l.parts = l.parts[:0]
	if l.unsynced.size() >= forgetEarly {
		l.unsynced.forget(l.syncer.syncedLines())
	}
	start, err := l.putAhead()
	if err != nil {
		return 0, err
	}
	ahead := l.unsynced.size() - start
	room := l.cfg.MaxFileSize - l.size - int64(ahead)
	if l.size > 0 && !l.rotateAgain.IsZero() && time.Now().Before(l.rotateAgain) {
		room = 1 << 62
	}
	if r := batch[0]; l.unsynced.discard && ahead == 0 && len(batch) == 1 && r.written == 0 && int64(r.lines.Size()) <= room {
		l.parts = append(l.parts, part{r, r.lines.Len()})
		return l.writeOut(start, 0, r.lines.Bytes()) // no copy is kept
	}
	size := 0
	for _, r := range batch {
		size += r.lines.Size() - r.lines.Start(r.written)
	}
	l.unsynced.grow(int(min(int64(size), max(room, 0))))
	n := 0
	for _, r := range batch {
		first, last := r.lines.Start(r.written), r.lines.Len()
		if int64(r.lines.Size()-first) > room {
			for last = r.written; last < r.lines.Len() && int64(r.lines.End(last)-first) <= room; {
				last++
			}
			if last == r.written && n == 0 && l.size == 0 {
				last++ // a line larger than any file gets a file of its own
			}
		}
		if count := last - r.written; count > 0 {
			lines := r.lines.Bytes()[first:r.lines.Start(last)]
			l.unsynced.put(lines)
			room -= int64(len(lines))
			n += count
			l.parts = append(l.parts, part{r, count})
		}
		if last < r.lines.Len() {
			break
		}
	}
	if n == 0 && (l.size > 0 || ahead == 0) {
		l.unsynced.cut(start)
		return 0, nil
	}
	return l.writeOut(start, ahead, l.unsynced.buf[start:])
}

// putAhead puts the bytes into unsynced that must precede the next line: the end of a
// torn line, the carryover, and recovery events. It returns the offset in unsynced where
// they begin. After an error it has put nothing.
func (l *Log) putAhead() (start int, err error) {
	tail, err := l.terminateTornTail()
	for err != nil && errors.Is(err, io.EOF) {
		// The file is shorter than at the last stat: someone truncated it without a lock.
		info, statErr := l.file.Stat()
		if statErr != nil || info.Size >= l.size {
			return 0, errors.Join(err, statErr)
		}
		l.size = info.Size
		if err := l.noticeTruncation(); err != nil {
			return 0, err
		}
		tail, err = l.terminateTornTail()
	}
	if err != nil {
		return 0, err
	}
	start = l.unsynced.size()
	l.unsynced.put(tail)
	l.unsynced.put(l.carryover)
	l.unsynced.put(l.recoveryEvents)
	return start, nil
}

// writeOut writes buf: first ahead bytes that belong to no request, then the lines of
// parts. buf is the content of unsynced from start on, or is not kept.
func (l *Log) writeOut(start, ahead int, buf []byte) (int, error) {
	offset := l.size
	wrote, err := l.writeAll(buf)
	kept := len(buf)
	if err == nil {
		l.size += int64(wrote)
		l.end = l.size
	} else {
		kept, err = l.cutBack(ahead, wrote, len(buf), err)
	}
	if kept > 0 {
		if len(l.carryover) > 0 {
			l.syncer.carryoverWritten()
		}
		l.carryover, l.recoveryEvents = l.carryover[:0], l.recoveryEvents[:0]
	}
	lines := 0
	for _, p := range l.parts {
		lines += p.lines
	}
	number, synced := l.syncer.markWritten(lines)
	number -= int64(lines)
	for _, p := range l.parts {
		number += int64(p.lines)
		p.r.written += p.lines
		p.r.last = number
	}
	l.counts.appended.Add(int64(lines))
	l.counts.bytes.Add(int64(kept))
	l.unsynced.markWritten(start, kept, offset, number)
	l.unsynced.forget(synced)
	return lines, err
}

// maxWrite is the size in bytes of the largest write(2). For a larger one Linux takes
// unused pages of up to 2 MiB, which the host of a virtual machine may have to make
// first: one write of 8 MiB took five times as long as its parts.
const maxWrite = 256 << 10

// writeAll writes buf. It returns how many bytes it wrote before an error.
func (l *Log) writeAll(buf []byte) (wrote int, err error) {
	for wrote < len(buf) && err == nil {
		var n int
		n, err = l.file.Write(buf[wrote:min(len(buf), wrote+maxWrite)])
		wrote += n
	}
	return wrote, err
}

// cutBack handles a write that failed after wrote of length bytes, on a full disk for
// example. Whole lines stay, and it truncates the file after them. It returns how many
// bytes stay, and reduces parts to their lines.
func (l *Log) cutBack(ahead, wrote, length int, cause error) (int, error) {
	kept := l.wholeWithin(ahead, wrote, false)
	info, err := l.file.Stat()
	if err == nil && info.Size > l.size+int64(kept) {
		if err = l.file.Truncate(l.size + int64(kept)); err != nil {
			err = fmt.Errorf("remove torn bytes: %w", err)
			var statErr error
			info, statErr = l.file.Stat()
			if statErr == nil {
				// Bytes that cannot be removed count as written.
				kept = l.wholeWithin(ahead, int(min(info.Size-l.size, int64(length))), true)
			}
			err = errors.Join(err, statErr)
		}
	}
	l.end = -1 // the next write finds a torn rest, and ends it
	l.reduceParts(ahead, kept)
	l.size += int64(kept)
	return kept, errors.Join(cause, err)
}

// wholeWithin returns how many of the first n bytes of a write end in a whole line of
// parts, or in the bytes ahead of them. If the bytes stay, a line that lacks only its
// line feed is whole: the next write ends it.
func (l *Log) wholeWithin(ahead, n int, stays bool) int {
	if n < ahead {
		return 0
	}
	whole, start := ahead, ahead
	for _, p := range l.parts {
		base := p.r.lines.Start(p.r.written)
		for i := range p.lines {
			end := start + p.r.lines.End(p.r.written+i) - base
			switch {
			case end == n+1 && stays:
				return n
			case end > n:
				return whole
			}
			whole = end
		}
		start = whole
	}
	return whole
}

// reduceParts removes from parts the lines that are not in the first n bytes of a write.
// A line that lacks only its line feed stays.
func (l *Log) reduceParts(ahead, n int) {
	start := ahead
	for i := range l.parts {
		p := &l.parts[i]
		base, count := p.r.lines.Start(p.r.written), 0
		for count < p.lines && start+p.r.lines.End(p.r.written+count)-base <= n+1 {
			count++
		}
		start += p.r.lines.Start(p.r.written+p.lines) - base
		p.lines = count
	}
}

// writeRecoveryEvents writes the carryover and the recovery events without waiting for
// the next line. The caller must hold the write lock.
func (l *Log) writeRecoveryEvents() error {
	if free, err := l.lockActive(false); err != nil || !free {
		return err
	}
	defer l.unlockActive()
	return l.flushAhead()
}

// flushAhead is writeRecoveryEvents for a caller that holds the lock of the file.
func (l *Log) flushAhead() error {
	l.parts = l.parts[:0]
	start, err := l.putAhead()
	if err != nil {
		return err
	}
	if l.unsynced.size() == start {
		return nil
	}
	_, err = l.writeOut(start, l.unsynced.size()-start, l.unsynced.buf[start:])
	return err
}

package auditlog

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"
)

// part is the lines of one request that a write holds.
type part struct {
	r     *request
	lines int
}

// write writes the lines of batch, rotating where they do not fit, and sets
// the outcome of each request. The caller has entered, and leaves.
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

// rotateFull rotates a full file. If it cannot, the file grows beyond its
// limit: an audit log rather has a file that is too large than none of what
// happened.
func (l *Log) rotateFull() error {
	// A sole owner looks at its file once a second, and fills some in less: what was
	// cut off is to be told of, and there is room again.
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

// retryInterval is how often what failed is tried again.
const retryInterval = time.Second

// writeFit writes as many of the lines of batch as fit into the active file, in
// one write, and returns how many are in the file.
func (l *Log) writeFit(batch []*request) (int, error) {
	l.parts = l.parts[:0]
	if batch[0].lines.Size() >= ownWrite {
		l.unsynced.forget(l.syncer.syncedLines()) // it is to hold nothing, then
	}
	start, err := l.putAhead()
	if err != nil {
		return 0, err
	}
	ahead := l.unsynced.size() - start
	room := l.cfg.maxFileSize - l.size - int64(ahead)
	if l.size > 0 && !l.rotateAgain.IsZero() && time.Now().Before(l.rotateAgain) {
		room = 1 << 62
	}
	if r := batch[0]; ahead == 0 && r.written == 0 && int64(r.lines.Size()) <= room {
		large := r.lines.Size() >= ownWrite
		switch {
		case l.unsynced.discard && (large || len(batch) == 1):
			l.parts = append(l.parts, part{r, r.lines.Len()})
			return l.writeOut(start, 0, r.lines.Bytes())
		case large && start == 0:
			return l.writeInPlace(r)
		}
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
				last++ // a line larger than any file has one to itself
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

// putAhead puts what must precede the next line: what ends a torn one, lines
// that were lost with an earlier file, and events that tell of such things. It
// returns where in unsynced that begins; with an error it has put nothing.
func (l *Log) putAhead() (start int, err error) {
	mend, err := l.terminateTornTail()
	for err != nil && errors.Is(err, io.EOF) {
		// Somebody who takes no lock truncated it since it was looked at.
		info, statErr := l.file.Stat()
		if statErr != nil || info.Size >= l.size {
			return 0, errors.Join(err, statErr)
		}
		l.size = info.Size
		if err := l.noticeTruncation(); err != nil {
			return 0, err
		}
		mend, err = l.terminateTornTail()
	}
	if err != nil {
		return 0, err
	}
	start = l.unsynced.size()
	l.unsynced.put(mend)
	l.unsynced.put(l.carryover)
	l.unsynced.put(l.recoveryEvents)
	return start, nil
}

// ownWrite is the size from which on lines have a write of their own, if that
// saves a copy: to copy them to those of others costs more.
const ownWrite = 32 << 10

// writeInPlace writes the lines of r where they were encoded, and keeps that memory
// in place of a copy. r gets the memory of unsynced, which holds nothing.
func (l *Log) writeInPlace(r *request) (int, error) {
	lines := r.lines.Exchange(l.unsynced.buf)
	l.unsynced.buf = lines
	l.parts = append(l.parts, part{r, r.lines.Len()})
	n, err := l.writeOut(0, 0, lines)
	if n == 0 { // r may be tried again
		l.unsynced.buf = r.lines.Exchange(lines)[:0]
	}
	return n, err
}

// writeOut writes buf: ahead bytes that belong to no request, then the lines of
// parts. It is what unsynced holds from start on, or else is not to be kept.
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

// maxWrite is the most that one write(2) writes. For a larger one Linux takes
// pages of up to 2 MiB that were not in use, and on a virtual machine the host may
// have to make each of them first: there 8 MiB in one write took five times as
// long as in parts.
const maxWrite = 256 << 10

// writeAll writes buf, and tells how much of it before an error.
func (l *Log) writeAll(buf []byte) (wrote int, err error) {
	for wrote < len(buf) && err == nil {
		var n int
		n, err = l.file.Write(buf[wrote:min(len(buf), wrote+maxWrite)])
		wrote += n
	}
	return wrote, err
}

// cutBack handles a write that failed after some bytes, on a full disk for
// example: what is whole stays, the rest of the last line is removed again. It
// returns how many of the bytes stay, and reduces parts to what they hold.
func (l *Log) cutBack(ahead, wrote, length int, cause error) (int, error) {
	kept := l.wholeWithin(ahead, wrote, false)
	info, err := l.file.Stat()
	if err == nil && info.Size > l.size+int64(kept) {
		if err = l.file.Truncate(l.size + int64(kept)); err != nil {
			err = fmt.Errorf("remove torn bytes: %w", err)
			var statErr error
			info, statErr = l.file.Stat()
			if statErr == nil {
				// What is there cannot be taken back, so it counts.
				kept = l.wholeWithin(ahead, int(min(info.Size-l.size, int64(length))), true)
			}
			err = errors.Join(err, statErr)
		}
	}
	l.end = -1 // if a torn rest stayed, the next write finds and ends it
	l.reduceParts(ahead, kept)
	l.size += int64(kept)
	return kept, errors.Join(cause, err)
}

// wholeWithin returns how many of the first n bytes of a write end in a whole
// line of parts, or behind what is ahead of them. A line that lacks nothing but its
// line feed is whole if it stays: whoever writes next ends it, and it is an event.
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

// reduceParts takes from parts the lines that are not within the first n bytes
// of a write, their line feed aside.
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

// writeNotes writes what is to go ahead of the next lines without waiting for
// them.
func (l *Log) writeRecoveryEvents() error {
	if free, err := l.lockActive(false); err != nil || !free {
		return err
	}
	defer l.unlockActive()
	return l.flushAhead()
}

// flushAhead is writeNotes for who has entered.
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

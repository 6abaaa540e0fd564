package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/otelaudit/otelaudit/internal/archive"
	"github.com/otelaudit/otelaudit/internal/jsonline"
	"github.com/otelaudit/otelaudit/internal/vfs"
)

// repairLockLimit is how long a repair waits for the lock of the file.
const repairLockLimit = 200 * time.Millisecond

// repairForSync repairs the log, unless another goroutine did. The syncer calls it.
// locked: the caller holds the write lock.
func (l *Log) repairForSync(ctx context.Context, locked bool) error {
	if !locked {
		if err := l.queue.acquire(ctx); err != nil {
			return errors.Join(l.syncer.failed(), err)
		}
		defer l.queue.release()
		if l.closed {
			return errors.Join(l.syncer.failed(), ErrClosed)
		}
	}
	if l.syncer.failed() == nil {
		return nil
	}
	return l.repair()
}

// repair replaces the active file after a failed fsync. The kernel may have dropped the
// pages and marked them clean: another fsync of the file would return nil and mean
// nothing (https://lwn.net/Articles/752063/). Instead, under the lock of the file:
//
//	open(temporary file, O_EXCL), flock
//	write(temporary file)      the synced part, read back, and our unsynced lines
//	fsync(temporary file)
//	link(active, suspect)      the evidence
//	rename(temporary, active)  the commit point
//	fsync(folder)
//
// An error before the commit point changes nothing. Every append returns it, and the
// repair is tried again after retryInterval. The caller must hold the write lock.
func (l *Log) repair() error {
	if now := time.Now(); now.Before(l.repairAgain) {
		return l.repairErr
	}
	cause := l.syncer.failed()
	if l.repairErr == nil {
		l.log.Error("auditlog: fsync failed; repairing the active file", slog.String("path", l.path), slog.Any("error", cause))
	}
	err := l.repairNow(cause)
	if err != nil {
		l.repairAgain = time.Now().Add(retryInterval)
		l.repairErr = err
		if !errors.Is(err, cause) {
			l.repairErr = fmt.Errorf("%w; repair the file: %w", cause, err)
		}
		return l.repairErr
	}
	l.repairErr, l.repairAgain = nil, time.Time{}
	l.log.Warn("auditlog: the log is in order again after a failed fsync", slog.String("path", l.path))
	return nil
}

func (l *Log) repairNow(cause error) error {
	wasLocked := l.locked
	if l.file != nil && !l.locked {
		if err := l.lockWithin(l.file, repairLockLimit); err != nil {
			return err
		}
		l.locked = true
	}
	defer func() {
		if !wasLocked {
			l.unlockActive()
		}
	}()
	if l.file != nil {
		info, here, err := l.statPath()
		switch {
		case err != nil:
			return err
		case !here:
			if err := l.handleDisplaced(info); err != nil {
				return err
			}
		case len(l.carryover) == 0:
			return l.rewrite(info.Size, cause)
		}
	}
	if l.syncer.failed() == nil {
		return nil
	}
	// The file whose fsync failed is displaced. Its carryover goes to the next one, which
	// ends the failure.
	if free, err := l.lockActiveFile(false); err != nil || !free {
		return errors.Join(err, errBusy(free))
	}
	return l.flushAhead()
}

// rewrite builds the active file, which has size bytes, anew and replaces it.
func (l *Log) rewrite(size int64, cause error) error {
	suspect := ""
	if !l.suspectLinked {
		suspect = l.suspectName()
	}
	from := l.unsynced.from(size)
	attributes := map[string]any{"repaired_offset": from, "repaired_length": size - from}
	if suspect != "" {
		attributes["suspect"] = filepath.Base(suspect)
	}
	f, temp, info, err := l.rebuild(size, cause.Error(), attributes)
	if err != nil {
		return err
	}
	if suspect != "" {
		err = l.fs.Link(l.path, suspect)
		if errors.Is(err, errors.ErrUnsupported) {
			l.log.Warn("auditlog: the suspect file cannot be kept on this file system", slog.String("path", l.path), slog.Any("error", err))
			err = nil
		}
	}
	if err == nil {
		err = l.rename(f, temp, l.path, true)
		if err != nil && suspect != "" {
			err = errors.Join(err, removeIfExists(l.fs, suspect))
		}
	}
	if err != nil {
		return errors.Join(err, removeIfExists(l.fs, temp), f.Close())
	}
	l.counts.recovered.Add(1)
	err = l.swapActive(f, info, "")
	l.suspectLinked = err != nil
	return err
}

// suspectName returns the path of a suspect file that does not exist yet.
func (l *Log) suspectName() string {
	base := l.path + "." + time.Now().UTC().Format(archive.StampLayout)
	name := base + archive.SuspectSuffix
	for n := 1; ; n++ {
		if _, err := l.fs.Stat(name); err != nil {
			return name // the link returns an error other than fs.ErrNotExist again
		}
		name = fmt.Sprintf("%s_%02d%s", base, n, archive.SuspectSuffix)
	}
}

// rebuild copies the first size bytes of the active file to a temporary file, which it
// syncs and locks. It reads back the synced part, takes the unsynced lines of this Log
// from memory, and reads back those of other processes as far as possible. A recovery
// event is the last line. temp is the path of the file.
func (l *Log) rebuild(size int64, reason string, attributes map[string]any) (_ vfs.File, temp string, info vfs.Info, err error) {
	f, temp, err := l.makeTemporary(repairSuffix)
	if err != nil {
		return nil, "", info, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, removeIfExists(l.fs, temp), f.Close())
		}
	}()
	from := l.unsynced.from(size)
	synced := io.NewSectionReader(l.file, 0, from)
	if n, err := io.CopyBuffer(struct{ io.Writer }{f}, struct{ io.Reader }{synced}, make([]byte, maxWrite)); err != nil || n < from {
		if err == nil {
			err = io.ErrUnexpectedEOF // another process truncated the file
		}
		return nil, temp, info, fmt.Errorf("copy the synced part: %w", err)
	}
	tail := l.unsyncedTail(from, size)
	if len(tail) > 0 && tail[len(tail)-1] != '\n' {
		tail = append(tail, '\n')
	} else if len(tail) == 0 && from > 0 {
		if start, err := jsonline.LineStart(l.file, from); err != nil {
			return nil, temp, info, err
		} else if start != from {
			tail = append(tail, '\n')
		}
	}
	if tail, err = l.cfg.RecoveredEvent(tail, reason, attributes); err != nil {
		return nil, temp, info, err
	}
	if _, err := f.Write(tail); err != nil {
		return nil, temp, info, err
	}
	if err := f.Sync(); err != nil {
		return nil, temp, info, err
	}
	info, err = f.Stat()
	return f, temp, info, err
}

// rebuildBlock is the size in bytes of one read of a part that may be damaged.
const rebuildBlock = 4096

// unsyncedTail returns the bytes of the active file between from and size.
func (l *Log) unsyncedTail(from, size int64) []byte {
	tail := make([]byte, size-from, size-from+512)
	for at := int64(0); at < int64(len(tail)); {
		n := min(rebuildBlock-(from+at)%rebuildBlock, int64(len(tail))-at)
		if _, err := l.file.ReadAt(tail[at:at+n], from+at); err != nil {
			// NULs take the place of a block that cannot be read. The lines of this Log
			// in it are copied below.
			clear(tail[at : at+n])
			l.log.Error("auditlog: read back unsynced lines", slog.String("path", l.path), slog.Int64("offset", from+at), slog.Any("error", err))
		}
		at += n
	}
	for _, c := range l.unsynced.chunks {
		at := c.offset - from
		if c.end == c.start || at+int64(c.end-c.start) > int64(len(tail)) {
			continue // not kept, or cut off by someone
		}
		copy(tail[at:], l.unsynced.buf[c.start:c.end])
		if at > 0 && tail[at-1] == 0 {
			tail[at-1] = '\n' // the byte before the chunk could not be read
		}
	}
	return tail
}

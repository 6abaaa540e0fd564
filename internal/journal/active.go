package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/otelaudit/otelaudit/internal/vfs"
)

// lockActive prepares for a write: after true, l.file is the file at the path, locked
// against other processes, and l.size is its size. It returns false if another process
// holds the lock and wait is false. It repairs the log after a failed fsync. The caller
// must hold the write lock, and calls unlockActive.
func (l *Log) lockActive(wait bool) (bool, error) {
	if l.closed {
		return false, ErrClosed
	}
	if l.syncer.failed() != nil {
		if err := l.repair(); err != nil {
			return false, fmt.Errorf("%w: %w", ErrSuspended, err)
		}
	}
	return l.lockActiveFile(wait)
}

// lockActiveFile is lockActive without a repair. A sole owner checks the path once per
// monitorInterval only.
func (l *Log) lockActiveFile(wait bool) (bool, error) {
	if l.cfg.SoleOwner && l.locked && l.end >= 0 {
		l.size = l.end
		return true, nil
	}
	return l.lockActiveChecked(wait)
}

// lockActiveChecked is lockActiveFile with a check of the path in any case.
func (l *Log) lockActiveChecked(wait bool) (bool, error) {
	for {
		if l.file == nil {
			if err := l.openFile(); err != nil {
				return false, err
			}
		}
		if free, err := l.lockFile(wait); err != nil || !free {
			return false, err
		}
		if l.file == nil {
			continue // it was rotated away
		}
		info, here, err := l.statActive()
		if err != nil {
			l.unlockActive()
			return false, err
		}
		if here {
			l.size = info.Size
			return true, l.noticeTruncation()
		}
		if err := l.handleDisplaced(info); err != nil {
			l.unlockActive()
			return false, err
		}
	}
}

// lockFile locks l.file. If the file was rotated away it may close it instead, and
// l.file is nil then: its compression may hold the lock for long.
func (l *Log) lockFile(wait bool) (bool, error) {
	if l.locked {
		return true, nil
	}
	if l.cfg.SoleOwner {
		if err := l.lockWithin(l.file, openLockLimit); err != nil {
			return false, err
		}
		l.locked = true
		return true, nil
	}
	free, err := l.file.Lock(false)
	if err != nil || free {
		l.locked = free
		return free, err
	}
	// Not statActive: another process may be about to rename at the path, and the open
	// folder is only for callers that hold the lock.
	info, here, err := l.statPath()
	if err != nil {
		return false, err
	}
	if !here {
		fate, err := l.fateOf(info)
		if err != nil {
			return false, err
		}
		if fate == archived {
			return true, l.handleDisplaced(info)
		}
	}
	if !wait {
		return false, nil
	}
	if _, err := l.file.Lock(true); err != nil {
		return false, err
	}
	l.locked = true
	return true, nil
}

// unlockActive unlocks the active file, unless this Log is its sole owner.
func (l *Log) unlockActive() {
	if l.file == nil || !l.locked || l.cfg.SoleOwner {
		return
	}
	if err := l.file.Unlock(); err != nil {
		// The write is not undone. This Log keeps the lock, and the next unlockActive
		// tries again.
		l.log.Error("auditlog: unlock the active file", slog.String("path", l.path), slog.Any("error", err))
		return
	}
	l.locked = false
}

// waitSynced returns nil when the lines up to number last are on disk.
func (l *Log) waitSynced(ctx context.Context, last int64) error { return l.syncer.wait(ctx, last) }

// openFile opens the active file, and makes it if it does not exist. The first fsync
// makes its name durable.
func (l *Log) openFile() error {
	if err := l.holdNames(); err != nil {
		return err
	}
	for {
		f, err := l.fs.Open(l.path, vfs.Append)
		if errors.Is(err, fs.ErrNotExist) {
			f, err = l.fs.Open(l.path, vfs.Create)
			if errors.Is(err, fs.ErrExist) {
				continue // another process was faster
			}
		}
		if err != nil {
			return err
		}
		info, err := f.Stat()
		if err != nil {
			return errors.Join(err, f.Close())
		}
		l.setActive(f, info)
		return nil
	}
}

// setActive makes f the active file. info is the result of f.Stat.
func (l *Log) setActive(f vfs.File, info vfs.Info) {
	l.file, l.id, l.end, l.locked, l.suspectLinked = f, info, -1, false, false
	l.opened = time.Now()
	l.syncer.setFile(f)
}

// closeFile closes the active file, which releases its lock.
func (l *Log) closeFile() error {
	f := l.file
	l.file, l.end, l.locked = nil, -1, false
	if f == nil {
		return nil
	}
	return f.Close()
}

// openLockLimit is how long Open waits for the lock of the file. Other processes hold it
// for a write, a rotation or a repair, and a sole owner until it closes.
const openLockLimit = 3 * time.Second

// lockWithin locks f, or returns ErrLocked after limit.
func (l *Log) lockWithin(f vfs.File, limit time.Duration) error {
	for wait := time.Millisecond; ; wait = min(2*wait, 20*time.Millisecond) {
		free, err := f.Lock(false)
		if err != nil || free {
			return err
		}
		if limit <= 0 {
			return ErrLocked
		}
		time.Sleep(wait)
		limit -= wait
	}
}

// removeIfExists removes the file at name, if there is one.
func removeIfExists(fsys vfs.FS, name string) error {
	err := fsys.Remove(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// isAt reports whether path leads to the file of info.
func isAt(fsys vfs.FS, path string, info vfs.Info) (bool, error) {
	at, err := fsys.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && at.Same(info), err
}

// rename renames f from one path to another. It ignores an error if f is at the new
// path: some file systems return one for a rename that they did.
func (l *Log) rename(f vfs.File, from, to string, replace bool) error {
	err := l.fs.Rename(from, to, replace)
	if err == nil {
		f.Renamed(to)
		return nil
	}
	info, statErr := f.Stat()
	if statErr != nil {
		return errors.Join(err, statErr)
	}
	if here, statErr := isAt(l.fs, to, info); statErr == nil && here {
		f.Renamed(to)
		return nil
	}
	return err
}

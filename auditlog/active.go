package auditlog

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/otelaudit/otelaudit/internal/vfs"
)

// enter prepares for writing: it returns true with the active file open, at
// l.path, and locked against other processes. It returns false when another
// process has the lock and wait is false. The caller has the turn, and leaves.
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

// enterFile is enter for a Log that is in order. A sole owner leaves it to
// watch to look at the path.
func (l *Log) lockActiveFile(wait bool) (bool, error) {
	if l.cfg.soleOwner && l.locked && l.end >= 0 {
		l.size = l.end
		return true, nil
	}
	return l.lockActiveChecked(wait)
}

// enterLooking is enterFile with a look at the path.
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

// lockFile takes the lock on l.file. If the file was rotated away it may let
// go of it instead, since it may be locked for as long as its compression
// takes; l.file is nil then.
func (l *Log) lockFile(wait bool) (bool, error) {
	if l.locked {
		return true, nil
	}
	if l.cfg.soleOwner {
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
	// Not from the open folder: that must not wait, and another process may be about
	// to rename there.
	info, here, err := l.statPath()
	if err != nil {
		return false, err
	}
	if !here {
		place, err := l.fateOf(info)
		if err != nil {
			return false, err
		}
		if place == archived {
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

// leave unlocks the active file, unless this Log is its sole owner.
func (l *Log) unlockActive() {
	if l.file == nil || !l.locked || l.cfg.soleOwner {
		return
	}
	if err := l.file.Unlock(); err != nil {
		// What was written is written. The lock is ours still, and the next
		// leave tries again.
		l.log.Error("auditlog: unlock the active file", slog.String("path", l.path), slog.Any("error", err))
		return
	}
	l.locked = false
}

// openFile opens the active file, and makes it if it is not there. Its name is
// made durable by the first sync.
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
		return l.setActive(f)
	}
}

// use makes f the active file. With an error f is closed.
func (l *Log) setActive(f vfs.File) error {
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	l.setActiveAs(f, info)
	return nil
}

// useAs is use for a file of which info tells.
func (l *Log) setActiveAs(f vfs.File, info vfs.Info) {
	l.file, l.id, l.end, l.locked, l.suspectLinked = f, info, -1, false, false
	l.opened = time.Now()
	l.syncer.setFile(f)
}

// closeFile lets go of the active file, and of its lock.
func (l *Log) closeFile() error {
	f := l.file
	l.file, l.end, l.locked = nil, -1, false
	if f == nil {
		return nil
	}
	return f.Close()
}

// openLockLimit is how long Open waits for a lock. Other processes hold it for
// a write, a rotation or a repair; a sole owner does for good.
const openLockLimit = 3 * time.Second

// lockWithin locks f, or returns ErrLocked when limit is over.
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

func (l *Log) removeIfThere(name string) error {
	err := l.fs.Remove(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// rename renames f, which is at from, and believes its eyes rather than an
// error: some file systems return one for what they did.
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
	if at, statErr := l.fs.Stat(to); statErr == nil && at.Same(info) {
		f.Renamed(to)
		return nil
	}
	return err
}

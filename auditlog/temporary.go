package auditlog

import (
	"errors"
	"io/fs"

	"github.com/otelaudit/otelaudit/internal/vfs"
)

// makeTemporary makes the file that a repair is to put in the place of another
// one, locked. What a dead process left at its name is removed; if a living one
// is at it, the error is ErrLocked. Both may be at it at once, with the locks
// of different files: one repairs the active file while the other one brings
// back the removed file that it has open.
//
// Whoever has the lock of the file at that name, and nobody else, removes or
// renames it.
func (l *Log) makeTemporary(name string) (_ vfs.File, err error) {
	f, err := l.fs.Open(name, vfs.Create)
	if errors.Is(err, fs.ErrExist) {
		if err := l.removeLeftover(name); err != nil {
			return nil, err
		}
		f, err = l.fs.Open(name, vfs.Create)
		if errors.Is(err, fs.ErrExist) {
			return nil, ErrLocked // another process was faster
		}
	}
	if err != nil {
		return nil, err
	}
	free, err := f.Lock(false)
	if err != nil || !free { // another process takes it for a leftover, and removes it
		return nil, errors.Join(err, errBusy(free), f.Close())
	}
	ours, err := l.leadsTo(name, f)
	if err != nil || !ours {
		return nil, errors.Join(err, errBusy(ours), f.Close())
	}
	return f, nil
}

// removeLeftover removes the file of a dead process at name, if there is one.
// The error is ErrLocked when its process lives.
func (l *Log) removeLeftover(name string) (err error) {
	f, err := l.fs.Open(name, vfs.Append)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if free, err := f.Lock(false); err != nil || !free {
		return errors.Join(err, errBusy(free))
	}
	if ours, err := l.leadsTo(name, f); err != nil || !ours {
		return err
	}
	return l.removeIfThere(name)
}

// leadsTo reports whether name is a name of f.
func (l *Log) leadsTo(name string, f vfs.File) (bool, error) {
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	at, err := l.fs.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && at.Same(info), err
}

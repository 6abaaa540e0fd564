package auditlog

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/otelaudit/otelaudit/internal/vfs"
)

// makeTemporary makes the file that a repair is to put in the place of another one,
// locked, and returns its path. What a dead process left at its name is removed; while
// a living one works with it, the error is ErrLocked. Two processes may make one at the
// same time, with the locks of different files: one repairs the active file while the
// other one brings back the removed file that it has open.
//
// Whoever has the lock of the file at that name, and nobody else, removes or
// renames it. Where the name is taken for good the file gets another one.
func (l *Log) makeTemporary(suffix string) (_ vfs.File, name string, err error) {
	name = l.path + suffix
	f, err := l.fs.Open(name, vfs.Create)
	if errors.Is(err, fs.ErrExist) {
		if err = l.removeLeftover(name); errors.Is(err, ErrLocked) {
			return nil, "", err
		} else if err != nil {
			name = l.otherName(name, err)
		}
		f, err = l.fs.Open(name, vfs.Create)
		if errors.Is(err, fs.ErrExist) {
			return nil, "", ErrLocked // another process was faster
		}
	}
	if err != nil {
		return nil, "", err
	}
	free, err := f.Lock(false)
	if err != nil || !free { // another process takes it for a leftover, and removes it
		return nil, "", errors.Join(err, errBusy(free), f.Close())
	}
	ours, err := l.leadsTo(name, f)
	if err != nil || !ours {
		return nil, "", errors.Join(err, errBusy(ours), f.Close())
	}
	return f, name, nil
}

// otherSuffix is between a temporary file's usual name, which something else has, and
// a random part.
const otherSuffix = "-"

// otherName returns a name for a temporary file whose usual name is taken by a file
// that cannot be removed because of err. The name is random: nobody can take it too.
func (l *Log) otherName(name string, err error) string {
	other := name + otherSuffix + rand.Text()
	l.log.Info("auditlog: a temporary file gets another name, because its own is taken",
		slog.String("taken", name), slog.String("name", other), slog.Any("error", err))
	return other
}

// removeLeftovers removes what dead processes left of temporary files, of which names
// are those in the folder. What cannot be removed, such as another user's file in a
// folder with the sticky bit, hinders nothing: see otherName. The caller has the lock
// on the active file.
func (l *Log) removeLeftovers(names []string) {
	for _, name := range names {
		suffix, ok := strings.CutPrefix(name, l.base)
		if !ok {
			continue
		}
		path, err := filepath.Join(l.dir, name), error(nil)
		switch suffix, _, _ := strings.Cut(suffix, otherSuffix); suffix {
		case nextSuffix:
			err = l.removeIfThere(path)
		case repairSuffix:
			err = l.removeLeftover(path)
		}
		if err != nil && !errors.Is(err, ErrLocked) {
			l.log.Info("auditlog: a temporary file cannot be removed; going on without its name",
				slog.String("path", path), slog.Any("error", err))
		}
	}
}

// removeLeftover removes the file of a dead process at name, if there is one.
// The error is ErrLocked when its process lives. No process of this log made what
// Open refuses.
func (l *Log) removeLeftover(name string) (err error) {
	f, err := l.fs.Open(name, vfs.Append)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if _, refused := errors.AsType[*vfs.RefusedError](err); refused {
		return l.removeIfThere(name)
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

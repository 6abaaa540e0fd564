package journal

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/otelaudit/otelaudit/internal/vfs"
)

// The suffixes of temporary files, after the name of the active file.
const (
	nextSuffix   = ".next"   // the next active file, during a rotation
	repairSuffix = ".repair" // a copy of the active file, during a repair or a restore
	otherSuffix  = "-"       // before a random part, where the usual name is taken
)

// makeTemporary makes a locked file for a repair, and returns its path. It removes the
// file of a dead process at that name. While another process uses the name, the error is
// ErrLocked: one process may repair the active file while another restores a removed one.
//
// Only the process that holds the lock of the file at that name removes or renames it.
// If the name cannot be freed, the file gets another one.
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
	if err != nil || !free { // another process is about to remove it as a leftover
		return nil, "", errors.Join(err, errBusy(free), f.Close())
	}
	ours, err := l.leadsTo(name, f)
	if err != nil || !ours {
		return nil, "", errors.Join(err, errBusy(ours), f.Close())
	}
	return f, name, nil
}

// otherName returns another name for a temporary file. err is why the file at name could
// not be removed. The name is random, so that no other process uses it.
func (l *Log) otherName(name string, err error) string {
	other := name + otherSuffix + rand.Text()
	l.log.Info("auditlog: a temporary file gets another name, because its own is taken",
		slog.String("taken", name), slog.String("name", other), slog.Any("error", err))
	return other
}

// removeLeftovers removes temporary files of dead processes. names are those in the
// folder. A file that cannot be removed, such as another user's in a folder with the
// sticky bit, does no harm: see otherName. The caller must hold the lock of the file.
func (l *Log) removeLeftovers(names []string) {
	for _, name := range names {
		suffix, ok := strings.CutPrefix(name, l.base)
		if !ok {
			continue
		}
		path, err := filepath.Join(l.dir, name), error(nil)
		switch suffix, _, _ := strings.Cut(suffix, otherSuffix); suffix {
		case nextSuffix:
			err = removeIfExists(l.fs, path)
		case repairSuffix:
			err = l.removeLeftover(path)
		}
		if err != nil && !errors.Is(err, ErrLocked) {
			l.log.Info("auditlog: a temporary file cannot be removed; going on without its name",
				slog.String("path", path), slog.Any("error", err))
		}
	}
}

// removeLeftover removes the file of a dead process at name, if there is one. The error
// is ErrLocked if its process lives. A file that Open refuses is of no process of this
// log, and is removed.
func (l *Log) removeLeftover(name string) (err error) {
	f, err := l.fs.Open(name, vfs.Append)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if _, refused := errors.AsType[*vfs.RefusedError](err); refused {
		return removeIfExists(l.fs, name)
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
	return removeIfExists(l.fs, name)
}

// leadsTo reports whether name is a name of f.
func (l *Log) leadsTo(name string, f vfs.File) (bool, error) {
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	return isAt(l.fs, name, info)
}

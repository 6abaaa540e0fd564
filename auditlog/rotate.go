package auditlog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/otelaudit/otelaudit/internal/archive"
	"github.com/otelaudit/otelaudit/internal/vfs"
)

// nextSuffix is behind the active file's name: the file that follows it in a
// rotation.
const nextSuffix = ".next"

// Rotate makes an archive of the active file now, however small it is; an
// empty one stays. When it returns nil, everything that was appended before is
// on stable storage. The archive is compressed in the background. ctx bounds
// the waiting for other writers.
func (l *Log) Rotate(ctx context.Context) error {
	if err := l.queue.acquire(ctx); err != nil {
		return fmt.Errorf("auditlog: rotate %s: waiting for other writers: %w", l.path, err)
	}
	defer l.queue.release()
	if err := l.rotateNow(); err != nil {
		return fmt.Errorf("auditlog: rotate %s: %w", l.path, err)
	}
	return nil
}

func (l *Log) rotateNow() error {
	if _, err := l.lockActive(true); err != nil {
		return err
	}
	defer l.unlockActive()
	// A sole owner has perhaps not looked for a second, and others not along the path.
	if err := l.closeFolder(); err != nil {
		return err
	}
	if _, err := l.lockActiveChecked(true); err != nil {
		return err
	}
	if l.size == 0 {
		return nil
	}
	return l.rotate()
}

// rotate makes an archive of the active file and goes on in a new one. The
// caller has entered; other processes wait for the lock meanwhile. In this
// order:
//
//	fsync(active)              every line of it is on disk
//	lstat(active)              it is the path's still
//	open(next, O_EXCL), flock  what may fail for want of anything comes first
//	rename(active, archive)    not replacing anything
//	fsync(folder)              the archive is durable under its name
//	rename(next, active)       unless another process made one meanwhile; lstat
//
// and later, with the first sync of a line in it, fsync of the new file and of
// the folder, and in the background what compressor.compress says.
//
// A crash after the first rename leaves no active file, which the next Open
// makes, and an archive that is not compressed, which it compresses. An error
// up to the fsync of the folder leaves everything as it was, with l.file in
// its place; after it, l.file is nil.
func (l *Log) rotate() error {
	if err := l.syncer.syncNow(); err != nil {
		return fmt.Errorf("%w: %w", ErrSuspended, err)
	}
	if l.file == nil {
		return nil // a repair found it gone
	}
	for {
		info, here, err := l.statPath()
		if err != nil {
			return err
		}
		if here {
			break
		}
		if err := l.handleDisplaced(info); err != nil || l.file == nil {
			return err
		}
	}
	next, nextName, nextInfo, err := l.makeNext()
	if err != nil {
		return err
	}
	archive, err := l.archiveActive()
	if err != nil {
		return errors.Join(err, next.Close(), l.removeIfThere(nextName))
	}
	old := l.file
	err = l.rename(next, nextName, l.path, false)
	if err == nil {
		err = l.isAtPath(nextInfo)
	}
	switch {
	case err == nil:
		l.setActiveAs(next, nextInfo)
		l.locked, l.size, l.end = true, 0, 0
	case errors.Is(err, fs.ErrExist), errors.Is(err, fs.ErrNotExist):
		// Another process found no file at the path and made one; it may have
		// filled it too, taken our next one for a dead process's, and put its
		// own in that place, which is what was renamed then.
		l.file, l.locked = nil, false
		err = errors.Join(next.Close(), l.removeIfThere(nextName))
	default:
		l.file, l.locked = nil, false
		err = errors.Join(err, next.Close(), l.removeIfThere(nextName))
	}
	// Only now: who waited for this lock finds the new file at the path.
	if closeErr := old.Close(); closeErr != nil {
		l.log.Error("auditlog: close an archive", slog.String("archive", archive), slog.Any("error", closeErr))
	}
	l.counts.rotated.Add(1)
	l.rotateAgain = time.Time{}
	l.compressor.start(archive)
	return err
}

// isAtPath returns fs.ErrExist if the path leads to another file than the one
// that info tells of.
func (l *Log) isAtPath(info vfs.Info) error {
	at, err := l.fs.Stat(l.path)
	if err == nil && !at.Same(info) {
		return fs.ErrExist
	}
	return err
}

// makeNext makes the file that is to follow the active one, locked, and returns its
// path.
func (l *Log) makeNext() (_ vfs.File, name string, info vfs.Info, err error) {
	name = l.path + nextSuffix
	if err := l.removeIfThere(name); err != nil {
		name = l.otherName(name, err)
	}
	f, err := l.fs.Open(name, vfs.Create)
	if err != nil {
		return nil, "", info, err
	}
	free, err := f.Lock(false)
	if err == nil && free {
		if info, err = f.Stat(); err == nil {
			return f, name, info, nil
		}
	}
	return nil, "", info, errors.Join(err, errBusy(free), f.Close(), l.removeIfThere(name))
}

// archiveActive gives the active file its archive's name, durably, or leaves
// it as it is.
func (l *Log) archiveActive() (archive string, err error) {
	if archive, err = l.nextArchive(time.Now()); err != nil {
		return "", err
	}
	if err := l.rename(l.file, l.path, archive, false); err != nil {
		return "", err
	}
	if err := l.names.Sync(); err != nil {
		// Under either name a sync of the file keeps its lines.
		if undoErr := l.rename(l.file, archive, l.path, false); undoErr != nil {
			return "", errors.Join(err, fmt.Errorf("undo the rotation: %w", undoErr), l.closeFile())
		}
		return "", err
	}
	return archive, nil
}

// nextArchive returns the path of the archive to make at time t. Were one missed,
// its name would be free again, and two archives of one name are one too many for
// readers and for the compressor.
func (l *Log) nextArchive(t time.Time) (string, error) {
	names, err := l.allNames()
	if err != nil {
		return "", fmt.Errorf("list the log's folder: %w", err)
	}
	var newest archive.ID
	var newestName string
	for _, name := range names {
		if id, _, ok := archive.Parse(l.stem, name); ok && id.Compare(newest) > 0 {
			newest, newestName = id, name
		}
	}
	next, ok := newest.After(t)
	if !ok {
		return "", fmt.Errorf("no name comes after that of the archive %s; give it another name, or remove it if it is none of this log", filepath.Join(l.dir, newestName))
	}
	return filepath.Join(l.dir, next.PlainName(l.stem)), nil
}

// allNames returns the names in the folder, from two lists: one can miss an
// archive while its plain form gives way to its compressed one, and that happens
// once. Some may come twice, and some be gone.
func (l *Log) allNames() ([]string, error) {
	first, err := l.fs.List(l.dir)
	if err != nil {
		return nil, err
	}
	second, err := l.fs.List(l.dir)
	return append(first, second...), err
}

// finishRotations takes up the archives that an interrupted rotation left
// uncompressed; names are those in the folder.
func (l *Log) finishRotations(names []string) {
	for _, name := range names {
		if _, compressed, ok := archive.Parse(l.stem, name); ok && !compressed {
			l.compressor.start(filepath.Join(l.dir, name))
		}
	}
}

package journal

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

// Rotate makes an archive of the active file, unless that is empty. When it returns nil,
// all lines appended before are on stable storage. The compression runs in the
// background. ctx bounds the wait for other writers.
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

// rotateNow is Rotate for a caller that holds the write lock.
func (l *Log) rotateNow() error {
	if _, err := l.lockActive(true); err != nil {
		return err
	}
	defer l.unlockActive()
	// lockActive may not have checked the path itself since monitorInterval.
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

// rotate makes an archive of the active file and continues in a new one. The caller must
// hold the write lock and the lock of the file, for which other processes wait. In this
// order:
//
//	fsync(active)              all its lines are on disk
//	lstat(active)              the path is still this file
//	open(next, O_EXCL), flock  first what may fail for want of descriptors or space
//	rename(active, archive)    without replacing
//	fsync(folder)              the archive is durable under its name
//	rename(next, active)       unless another process made one meanwhile; lstat
//
// The first sync of a line in the new file syncs the file and the folder. The compressor
// runs in the background: see compressor.compress.
//
// A crash after the first rename leaves no active file, which the next Open makes, and an
// uncompressed archive, which it compresses. An error up to the fsync of the folder
// leaves l.file and the files as they were; after that, l.file is nil.
func (l *Log) rotate() error {
	if err := l.syncer.syncNow(true); err != nil {
		return fmt.Errorf("%w: %w", ErrSuspended, err)
	}
	if l.file == nil {
		return nil // a repair found it displaced
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
		return errors.Join(err, next.Close(), removeIfExists(l.fs, nextName))
	}
	old := l.file
	here := false
	err = l.rename(next, nextName, l.path, false)
	if err == nil {
		here, err = isAt(l.fs, l.path, nextInfo)
	}
	if here && err == nil {
		l.setActive(next, nextInfo)
		l.locked, l.size, l.end = true, 0, 0
	} else {
		l.file, l.locked = nil, false
		if errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) {
			// Another process found no file at the path and made one. It may have filled
			// that, too: then it removed our next file as a leftover, made its own at that
			// name, and the rename took that one.
			err = nil
		}
		err = errors.Join(err, next.Close(), removeIfExists(l.fs, nextName))
	}
	// Only now: a process that waits for this lock finds the new file at the path.
	if closeErr := old.Close(); closeErr != nil {
		l.log.Error("auditlog: close an archive", slog.String("archive", archive), slog.Any("error", closeErr))
	}
	l.counts.rotated.Add(1)
	l.rotateAgain = time.Time{}
	l.compressor.start(archive)
	return err
}

// makeNext makes the next active file, locked, and returns its path.
func (l *Log) makeNext() (_ vfs.File, name string, info vfs.Info, err error) {
	name = l.path + nextSuffix
	if err := removeIfExists(l.fs, name); err != nil {
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
	return nil, "", info, errors.Join(err, errBusy(free), f.Close(), removeIfExists(l.fs, name))
}

// archiveActive gives the active file the name of an archive, durably. After an error
// the file has its old name.
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

// nextArchive returns the path of the archive to make at time t. It must not miss an
// archive: two of one name would confuse readers and the compressor.
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

// allNames returns the names in the folder, of two lists. One list may miss an archive
// whose compressed form takes the place of the plain one, which happens once. A name may
// come twice, and its file may be gone.
func (l *Log) allNames() ([]string, error) {
	first, err := l.fs.List(l.dir)
	if err != nil {
		return nil, err
	}
	second, err := l.fs.List(l.dir)
	return append(first, second...), err
}

// finishRotations compresses the archives that an interrupted rotation left plain. names
// are those in the folder.
func (l *Log) finishRotations(names []string) {
	for _, name := range names {
		if _, compressed, ok := archive.Parse(l.stem, name); ok && !compressed {
			l.compressor.start(filepath.Join(l.dir, name))
		}
	}
}

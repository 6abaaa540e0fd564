package auditlog

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// rotate makes an archive of the full active file and goes on in a new one.
// The caller holds writing and the lock on the active file, which other
// processes wait for; when rotate returns, both files are unlocked and
// l.file, if not nil, is the new one. In this order:
//
//	fsync(active)              every line of it is on disk
//	rename(active, archive)    not replacing anything
//	open(active, O_EXCL)       or open, if another process was faster
//	fsync(folder)              both names are durable
//
// and later, in the background, what compressor.compress says. A crash after
// the rename leaves no active file, which the next Open makes, and an archive
// that is not compressed, which it compresses.
func (l *Log) rotate() error {
	if err := l.cadence.syncNow(); err != nil {
		return errors.Join(err, l.leave())
	}
	archive, err := l.nextArchive(time.Now())
	if err != nil {
		return errors.Join(err, l.leave())
	}
	if err := renameNoReplace(l.path, archive); err != nil {
		return errors.Join(fmt.Errorf("rotate: %w", err), l.leave())
	}
	old := l.file
	if _, err = l.openFile(); err == nil {
		err = syncDir(l.dir)
	} else {
		l.file, l.end = nil, -1
	}
	// Only now: who waited for this lock finds the new file at the path.
	err = errors.Join(err, unlock(old), old.Close())
	l.compressor.start(archive)
	if err != nil {
		return fmt.Errorf("rotate: %w", err)
	}
	return nil
}

// nextArchive returns the path of the archive to make at time t.
func (l *Log) nextArchive(t time.Time) (string, error) {
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		return "", fmt.Errorf("rotate: list the log's folder: %w", err)
	}
	var newest archiveID
	for _, e := range entries {
		if id, _, ok := parseArchive(l.stem, e.Name()); ok && id.compare(newest) > 0 {
			newest = id
		}
	}
	return filepath.Join(l.dir, newest.after(t).plainName(l.stem)), nil
}

// finishRotations takes up the archives that an interrupted rotation left
// uncompressed.
func (l *Log) finishRotations() error {
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if _, compressed, ok := parseArchive(l.stem, e.Name()); ok && !compressed {
			l.compressor.start(filepath.Join(l.dir, e.Name()))
		}
	}
	return nil
}

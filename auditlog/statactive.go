package auditlog

import (
	"errors"
	"io/fs"

	"github.com/otelaudit/otelaudit/internal/vfs"
)

// look tells of the file at the path if it is l.file, and else of l.file. The caller
// has the lock.
//
// From an open folder a look is cheaper than along the path, and a log that is
// shared by processes takes one before each write. It is believed only where it
// finds what it should, and the folder is opened anew once a second, since it may
// have been moved together with the file: that is noticed as soon as a sole owner
// notices anything. What renames at the path uses lookAlongPath: there may be a
// file of another process there.
func (l *Log) statActive() (info vfs.Info, here bool, err error) {
	if l.folder != nil {
		at, err := l.folder.Stat(l.base)
		if err == nil && at.Same(l.id) {
			return at, true, nil
		}
		if err := l.closeFolder(); err != nil {
			return info, false, err
		}
	}
	return l.statPath()
}

// lookAlongPath is look that believes no open folder, for who has the lock or not.
func (l *Log) statPath() (info vfs.Info, here bool, err error) {
	at, err := l.fs.Stat(l.path)
	switch {
	case err == nil && at.Same(l.id):
		if err := l.holdNames(); err != nil {
			return info, false, err
		}
		l.openFolder()
		return at, true, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return info, false, err
	}
	if err := l.closeFolder(); err != nil {
		return info, false, err
	}
	info, err = l.file.Stat()
	return info, false, err
}

// openFolder opens the folder for the looks that follow. Without it, for want of
// descriptors for example, they go along the path.
func (l *Log) openFolder() {
	if l.cfg.soleOwner || l.folder != nil {
		return // a sole owner looks once a second
	}
	if folder, err := l.fs.OpenFolder(l.dir); err == nil {
		l.folder = folder
	}
}

func (l *Log) closeFolder() error {
	folder := l.folder
	l.folder = nil
	if folder == nil {
		return nil
	}
	return folder.Close()
}

// holdNames makes l.names the folder at the path. It is kept open, so that a sync of
// it needs no descriptor: a failure to open it would look like a failed fsync. And the
// kernel tells an error of writing the folder only to those that had it open.
func (l *Log) holdNames() error {
	if l.names != nil {
		at, err := l.fs.Stat(l.dir + "/.") // what a link leads to
		if err != nil {
			return err
		}
		if held, err := l.names.Stat("."); err == nil && held.Same(at) {
			return nil
		}
	}
	names, err := l.fs.OpenFolder(l.dir)
	if err != nil {
		return err
	}
	l.syncer.useFolder(names)
	err = l.closeNames()
	l.names = names
	return err
}

func (l *Log) closeNames() error {
	names := l.names
	l.names = nil
	if names == nil {
		return nil
	}
	return names.Close()
}

package journal

import (
	"errors"
	"io/fs"

	"github.com/otelaudit/otelaudit/internal/vfs"
)

// statActive reports whether path is still l.file, and returns that file's Info. The
// caller must hold the lock of the file.
//
// A stat from an open folder costs less than one along the path, and a shared log needs
// one per write. Its result counts only if it is l.file. The monitor closes the folder
// once per monitorInterval, as the folder may have been moved together with the file.
// Before a rename at the path, statPath is needed: a file of another process may be
// there.
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

// statPath is statActive along the path. The caller need not hold the lock of the file.
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

// openFolder opens the folder for statActive. If that fails, for want of descriptors for
// example, statActive goes along the path.
func (l *Log) openFolder() {
	if l.cfg.SoleOwner || l.folder != nil {
		return // a sole owner needs one stat per monitorInterval
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

// holdNames makes l.names the folder at the path, open. An fsync of it needs no
// descriptor then: a failed open would look like a failed fsync. And the kernel reports
// an error of writing the folder only to descriptors that were open before.
func (l *Log) holdNames() error {
	if l.names != nil {
		at, err := l.fs.Stat(l.dir + "/.") // the target of a link
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
	l.syncer.setFolder(names)
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

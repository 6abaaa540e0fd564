package vfs

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// folder is a folder of OS. A log that is shared by processes looks at its file
// before every write; from an open folder that takes three quarters of the time
// that it takes along the path.
type folder struct {
	*os.File
	local bool
}

var _ Folder = folder{}

// OpenFolder implements FS.
func (OS) OpenFolder(dir string) (Folder, error) {
	f, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY, 0) //nolint:gosec // the path is the caller's
	if err != nil {
		return nil, err
	}
	return folder{f, isLocal(f)}, nil
}

// Stat implements Folder. It does not allocate.
func (f folder) Stat(base string) (Info, error) {
	info, err := statx(int(f.Fd()), base, f.local) //nolint:gosec // a descriptor
	switch {
	case err == nil:
		return info, nil
	case errors.Is(err, errNoStatx):
		return OS{}.Stat(f.Name() + "/" + base)
	}
	return Info{}, &os.PathError{Op: "lstat", Path: f.Name() + "/" + base, Err: err}
}

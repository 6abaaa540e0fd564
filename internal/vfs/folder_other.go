//go:build !linux

package vfs

import (
	"os"
	"runtime"
)

// folder is the path of a folder, and what syncs it.
type folder struct {
	path string
	file *os.File // nil on Windows, which cannot sync a folder
}

var _ Folder = folder{}

// OpenFolder implements FS.
func (OS) OpenFolder(dir string) (Folder, error) {
	if runtime.GOOS == "windows" {
		return folder{path: dir}, nil
	}
	f, err := os.Open(dir) //nolint:gosec // the path is the caller's
	if err != nil {
		return nil, err
	}
	return folder{dir, f}, nil
}

// Stat implements Folder.
func (f folder) Stat(base string) (Info, error) { return OS{}.Stat(f.path + "/" + base) }

// Sync implements Folder.
func (f folder) Sync() error {
	if f.file == nil {
		return nil
	}
	return f.file.Sync()
}

// Close implements Folder.
func (f folder) Close() error {
	if f.file == nil {
		return nil
	}
	return f.file.Close()
}

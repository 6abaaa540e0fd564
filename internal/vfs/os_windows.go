package vfs

import (
	"errors"
	"io/fs"
	"math"
	"os"

	"golang.org/x/sys/windows"
)

// BUG(windows): the names in a folder cannot be made durable. This file is
// compiled and vetted, not run.

// OS is the operating system's file system.
type OS struct{}

var _ FS = OS{}

// osFile is a file of OS.
type osFile struct{ *os.File }

var _ File = osFile{}

// Open implements FS. FILE_SHARE_DELETE lets a file be renamed while it is
// open, which rotation needs.
func (OS) Open(name string, how How) (File, error) {
	path, err := windows.UTF16PtrFromString(name)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	access, disposition := uint32(windows.GENERIC_READ), uint32(windows.OPEN_EXISTING)
	if how != Read {
		access |= windows.GENERIC_WRITE
	}
	if how == Create || how == Compose {
		disposition = windows.CREATE_NEW
	}
	h, err := windows.CreateFile(path, access, windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE|windows.FILE_SHARE_DELETE,
		nil, disposition, windows.FILE_ATTRIBUTE_NORMAL|windows.FILE_FLAG_OPEN_REPARSE_POINT, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	f, err := checked(os.NewFile(uintptr(h), name))
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// Stat implements FS.
func (OS) Stat(name string) (_ Info, err error) {
	f, err := OS{}.Open(name, Read)
	if err != nil {
		return Info{}, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return f.Stat()
}

// Rename implements FS.
func (OS) Rename(from, to string, replace bool) error {
	if replace {
		return os.Rename(from, to)
	}
	return renameNoReplace(from, to)
}

// Link implements FS.
func (OS) Link(from, to string) error { return os.Link(from, to) }

// Remove implements FS.
func (OS) Remove(name string) error { return os.Remove(name) }

// List implements FS.
func (OS) List(dir string) ([]string, error) { return list(dir) }

// Write appends; the lock on the file keeps its end where it is.
func (f osFile) Write(p []byte) (int, error) {
	end, err := f.Seek(0, 2)
	if err != nil {
		return 0, err
	}
	return f.WriteAt(p, end)
}

// Chmod does nothing: the mode only tells other processes of this package that
// an archive was compressed, and 0400 would keep it from being removed here.
func (f osFile) Chmod(fs.FileMode) error { return nil }

// Renamed does nothing: errors name the path at opening.
func (f osFile) Renamed(string) {}

// Stat implements File.
func (f osFile) Stat() (Info, error) {
	var by windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(windows.Handle(f.Fd()), &by); err != nil {
		return Info{}, &os.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	return Info{
		Size:  int64(by.FileSizeHigh)<<32 | int64(by.FileSizeLow),
		Dev:   uint64(by.VolumeSerialNumber),
		Ino:   uint64(by.FileIndexHigh)<<32 | uint64(by.FileIndexLow),
		Links: uint64(by.NumberOfLinks),
		Mode:  0o600,
	}, nil
}

// lockRange is a byte far behind any content: a range that is locked on this
// system cannot be read by others.
var lockRange = windows.Overlapped{OffsetHigh: math.MaxInt32}

// Lock implements File.
func (f osFile) Lock(wait bool) (bool, error) {
	flags := uint32(windows.LOCKFILE_EXCLUSIVE_LOCK)
	if !wait {
		flags |= windows.LOCKFILE_FAIL_IMMEDIATELY
	}
	where := lockRange
	err := windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, &where)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return false, nil
	}
	if err != nil {
		return false, &os.PathError{Op: "lock", Path: f.Name(), Err: err}
	}
	return true, nil
}

// Unlock implements File.
func (f osFile) Unlock() error {
	where := lockRange
	if err := windows.UnlockFileEx(windows.Handle(f.Fd()), 0, 1, 0, &where); err != nil {
		return &os.PathError{Op: "unlock", Path: f.Name(), Err: err}
	}
	return nil
}

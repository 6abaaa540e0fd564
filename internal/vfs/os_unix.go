//go:build unix

package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// OS is the operating system's file system.
type OS struct{}

var _ FS = OS{}

// osFile is a file of OS.
type osFile struct {
	*os.File
	local bool // what locks it or looks at it waits for nobody
}

var _ File = (*osFile)(nil)

// Open implements FS. O_NOFOLLOW: a symlink as last element could lead the log
// anywhere. O_NONBLOCK: opening a FIFO must not hang. Both are then reported.
func (OS) Open(name string, how How) (File, error) {
	flags := os.O_RDWR | os.O_APPEND | unix.O_NOFOLLOW | unix.O_NONBLOCK
	switch how {
	case Read:
		flags = os.O_RDONLY | unix.O_NONBLOCK
	case Create:
		flags |= os.O_CREATE | os.O_EXCL
	case Append:
	}
	f, err := os.OpenFile(name, flags, 0o600)
	if errors.Is(err, unix.ELOOP) {
		target, linkErr := os.Readlink(name)
		if linkErr == nil {
			return nil, fmt.Errorf("open %s: it is a symbolic link to %s; name that file itself", name, target)
		}
	}
	if err != nil {
		return nil, err // an *os.PathError names the operation and the path
	}
	if how == Append {
		if err := check(name, f); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	return &osFile{f, how != Read && isLocal(f)}, nil
}

// check refuses what is not a regular file of this user: somebody who can
// plant a file in a shared folder must not get the log's content.
func check(path string, f *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return &os.PathError{Op: "stat", Path: path, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return fmt.Errorf("open %s: it is not a regular file; remove it or choose another path", path)
	}
	if uid := os.Geteuid(); int(st.Uid) != uid {
		return fmt.Errorf("open %s: it belongs to user %d, not to user %d who runs this; choose another path", path, st.Uid, uid)
	}
	return nil
}

// Stat implements FS. It does not allocate.
func (OS) Stat(name string) (Info, error) {
	info, err := lstat(name)
	if err != nil {
		return Info{}, &os.PathError{Op: "lstat", Path: name, Err: err}
	}
	return info, nil
}

func lstatWithTimes(name string) (Info, error) {
	var st unix.Stat_t
	if err := unix.Lstat(name, &st); err != nil {
		return Info{}, err
	}
	return infoOf(&st), nil
}

func infoOf(st *unix.Stat_t) Info {
	// The widths of these fields differ from system to system.
	return Info{
		Size: st.Size, Dev: uint64(st.Dev), Ino: st.Ino, Links: uint64(st.Nlink), //nolint:gosec,unconvert // never negative
		Mode: fs.FileMode(st.Mode & 0o777),
	}
}

// Rename implements FS.
func (OS) Rename(from, to string, replace bool) error {
	if replace {
		return os.Rename(from, to)
	}
	return renameNoReplace(from, to)
}

// Link implements FS.
func (OS) Link(from, to string) error {
	err := os.Link(from, to)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		return errors.Join(errors.ErrUnsupported, err)
	}
	return err
}

// Remove implements FS.
func (OS) Remove(name string) error { return os.Remove(name) }

// List implements FS.
func (OS) List(dir string) ([]string, error) { return list(dir) }

// SyncDir implements FS.
func (OS) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Write implements File. That of os.File guards against a Close meanwhile, which
// File rules out, at a twentieth of the cost of a short write.
func (f *osFile) Write(p []byte) (n int, err error) {
	fd := int(f.Fd()) //nolint:gosec // a descriptor
	for n < len(p) {
		m, err := unix.Write(fd, p[n:])
		if m > 0 {
			n += m
		}
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return n, &os.PathError{Op: "write", Path: f.Name(), Err: err}
		case m == 0:
			return n, &os.PathError{Op: "write", Path: f.Name(), Err: io.ErrUnexpectedEOF}
		}
	}
	return n, nil
}

// Stat implements File. It does not allocate.
func (f *osFile) Stat() (Info, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return Info{}, &os.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	return infoOf(&st), nil
}

// Lock implements File.
func (f *osFile) Lock(wait bool) (bool, error) {
	how := unix.LOCK_EX
	if !wait {
		how |= unix.LOCK_NB
	}
	err := f.lock(how)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

// Unlock implements File.
func (f *osFile) Unlock() error { return f.lock(unix.LOCK_UN) }

func (f *osFile) lock(how int) error {
	for {
		err := f.flock(how)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, unix.EINTR):
			return &os.PathError{Op: "flock", Path: f.Name(), Err: err}
		}
	}
}

//go:build unix

package vfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// OS is the operating system's file system.
type OS struct{}

var _ FS = OS{}

// osFile is a file of OS.
type osFile struct {
	*os.File
	local bool // what locks it or looks at it waits for nobody
	// renamed is its path since Renamed; nil before.
	renamed atomic.Pointer[string]
}

var _ File = (*osFile)(nil)

// Open implements FS.
func (OS) Open(name string, how How) (File, error) {
	flags := os.O_RDWR | os.O_APPEND
	switch how {
	case Read:
		flags = os.O_RDONLY
	case Create:
		flags |= os.O_CREATE | os.O_EXCL
	case Compose:
		flags = os.O_RDWR | os.O_CREATE | os.O_EXCL
	case Append:
	}
	f, err := guarded(name, flags, onlyOwn)
	if err != nil {
		return nil, err
	}
	return &osFile{File: f, local: how != Read && isLocal(f)}, nil
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

// Renamed implements File.
func (f *osFile) Renamed(to string) { f.renamed.Store(&to) }

// path returns the path that errors name.
func (f *osFile) path() string {
	if to := f.renamed.Load(); to != nil {
		return *to
	}
	return f.Name()
}

// named makes an error of os.File, which knows the path at opening, name the path.
func (f *osFile) named(err error) error {
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		return &fs.PathError{Op: at.Op, Path: f.path(), Err: at.Err}
	}
	return err
}

// Sync implements File.
func (f *osFile) Sync() error { return f.named(f.File.Sync()) }

// Truncate implements File.
func (f *osFile) Truncate(size int64) error { return f.named(f.File.Truncate(size)) }

// Chmod implements File.
func (f *osFile) Chmod(mode fs.FileMode) error { return f.named(f.File.Chmod(mode)) }

// ReadAt implements File.
func (f *osFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(p, off)
	if err == nil || err == io.EOF { //nolint:errorlint // ReadAt returns it as it is
		return n, err
	}
	return n, f.named(err)
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
			return n, &os.PathError{Op: "write", Path: f.path(), Err: err}
		case m == 0:
			return n, &os.PathError{Op: "write", Path: f.path(), Err: io.ErrUnexpectedEOF}
		}
	}
	return n, nil
}

// Stat implements File. It does not allocate.
func (f *osFile) Stat() (Info, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return Info{}, &os.PathError{Op: "stat", Path: f.path(), Err: err}
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
			return &os.PathError{Op: "flock", Path: f.path(), Err: err}
		}
	}
}

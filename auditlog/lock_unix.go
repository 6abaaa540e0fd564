//go:build unix

package auditlog

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// openActive opens the active file for appending and reading, and makes it if
// it is not there. O_NOFOLLOW: a symlink as last element could lead the log
// anywhere. O_NONBLOCK: opening a FIFO must not hang. Both are then reported.
func openActive(path string) (f *os.File, created bool, err error) {
	const flags = os.O_RDWR | os.O_APPEND | unix.O_NOFOLLOW | unix.O_NONBLOCK
	for {
		f, err = os.OpenFile(path, flags, 0)
		if errors.Is(err, os.ErrNotExist) {
			// O_EXCL tells the one process that made the file that it has to
			// make its name durable.
			f, err = os.OpenFile(path, flags|os.O_CREATE|os.O_EXCL, 0o600)
			if errors.Is(err, os.ErrExist) {
				continue
			}
			created = err == nil
		}
		break
	}
	if errors.Is(err, unix.ELOOP) {
		target, linkErr := os.Readlink(path)
		if linkErr == nil {
			return nil, false, fmt.Errorf("open %s: it is a symbolic link to %s; name that file itself", path, target)
		}
	}
	if err != nil {
		return nil, false, err // an *os.PathError names the operation and the path
	}
	if err := checkActive(path, f); err != nil {
		return nil, false, errors.Join(err, f.Close())
	}
	return f, created, nil
}

// checkActive refuses what is not a regular file of this user: somebody who
// can plant a file in a shared folder must not get the log's content.
func checkActive(path string, f *os.File) error {
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

// lock waits for the lock on f that excludes other processes.
func lock(f *os.File) error { return flock(f, unix.LOCK_EX) }

// tryLock takes the lock on f unless another process holds it.
func tryLock(f *os.File) (bool, error) {
	err := flock(f, unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

func unlock(f *os.File) error { return flock(f, unix.LOCK_UN) }

func flock(f *os.File, how int) error {
	for {
		err := unix.Flock(int(f.Fd()), how)
		if !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("flock", err)
		}
	}
}

// fileSize returns the size of f without allocating.
func fileSize(f *os.File) (int64, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return 0, os.NewSyscallError("fstat", err)
	}
	return st.Size, nil
}

// isAt reports whether path still leads to f: not after another process
// rotated it, or somebody moved or removed it.
func isAt(path string, f *os.File) (bool, error) {
	var at, open unix.Stat_t
	if err := unix.Lstat(path, &at); err != nil {
		if errors.Is(err, unix.ENOENT) {
			return false, nil
		}
		return false, &os.PathError{Op: "lstat", Path: path, Err: err}
	}
	if err := unix.Fstat(int(f.Fd()), &open); err != nil {
		return false, os.NewSyscallError("fstat", err)
	}
	return at.Dev == open.Dev && at.Ino == open.Ino, nil
}

// syncDir makes the names in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // the folder of the log
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

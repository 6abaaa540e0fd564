package vfs

import (
	"errors"
	"io/fs"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// lstat tells what stands at name, and does not allocate.
func lstat(name string) (Info, error) {
	info, err := statx(unix.AT_FDCWD, name, false)
	if errors.Is(err, errNoStatx) {
		return lstatWithTimes(name)
	}
	return info, err
}

// errNoStatx stands for what statx cannot tell.
const errNoStatx = unix.ENOSYS

// statx tells what stands at name, looked up from the folder dir. It asks for no
// times: since Linux 6.13 the write after a look at a file's times has to store a
// finer one, which costs more than the look ("multigrain timestamps" in the
// kernel's documentation). With atOnce the scheduler is not told of the call, which
// therefore must not wait for anything.
func statx(dir int, name string, atOnce bool) (Info, error) {
	var path [256]byte
	if len(name) >= len(path) || name == "" {
		return Info{}, errNoStatx
	}
	copy(path[:], name)
	if slices.Contains(path[:len(name)], 0) {
		return Info{}, unix.EINVAL
	}
	const mask = unix.STATX_TYPE | unix.STATX_MODE | unix.STATX_NLINK | unix.STATX_INO | unix.STATX_SIZE
	var st unix.Statx_t
	for {
		var errno unix.Errno
		if atOnce {
			//nolint:gosec // statx(2) reads the path up to its NUL and writes a struct statx, which Statx_t is
			_, _, errno = unix.RawSyscall6(unix.SYS_STATX, uintptr(dir), uintptr(unsafe.Pointer(&path)),
				unix.AT_SYMLINK_NOFOLLOW, mask, uintptr(unsafe.Pointer(&st)), 0)
		} else {
			//nolint:gosec // as above
			_, _, errno = unix.Syscall6(unix.SYS_STATX, uintptr(dir), uintptr(unsafe.Pointer(&path)),
				unix.AT_SYMLINK_NOFOLLOW, mask, uintptr(unsafe.Pointer(&st)), 0)
		}
		switch {
		case errno == unix.EPERM: // an old sandbox does not know it
			return Info{}, errNoStatx
		case errno == unix.EINTR:
		case errno != 0:
			return Info{}, errno
		case st.Mask&mask != mask:
			return Info{}, errNoStatx
		default:
			return Info{
				Size: int64(st.Size), Dev: unix.Mkdev(st.Dev_major, st.Dev_minor), Ino: st.Ino, Links: uint64(st.Nlink), //nolint:gosec // never beyond
				Mode: fs.FileMode(st.Mode & 0o777),
			}, nil
		}
	}
}

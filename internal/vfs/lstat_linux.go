package vfs

import (
	"io/fs"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// lstat tells what stands at name. A log that is shared by processes asks before
// every write, hence statx(2): it asks for no times. Since Linux 6.13 the write
// after a look at a file's times has to store a finer one, which costs more
// than the look ("multigrain timestamps" in the kernel's documentation). And it
// does not allocate.
func lstat(name string) (Info, error) {
	var path [256]byte
	if len(name) >= len(path) || name == "" {
		return lstatWithTimes(name)
	}
	copy(path[:], name)
	if slices.Contains(path[:len(name)], 0) {
		return Info{}, unix.EINVAL
	}
	const mask = unix.STATX_TYPE | unix.STATX_MODE | unix.STATX_NLINK | unix.STATX_INO | unix.STATX_SIZE
	var st unix.Statx_t
	cwd := unix.AT_FDCWD
	for {
		//nolint:gosec // statx(2) reads the path up to its NUL and writes a struct statx, which Statx_t is
		_, _, errno := unix.Syscall6(unix.SYS_STATX, uintptr(cwd), uintptr(unsafe.Pointer(&path)),
			unix.AT_SYMLINK_NOFOLLOW, mask, uintptr(unsafe.Pointer(&st)), 0)
		switch {
		case errno == unix.ENOSYS || errno == unix.EPERM:
			return lstatWithTimes(name) // an old kernel, or an old sandbox that does not know it
		case errno == unix.EINTR:
		case errno != 0:
			return Info{}, errno
		case st.Mask&mask != mask:
			return lstatWithTimes(name)
		default:
			return Info{
				Size: int64(st.Size), Dev: unix.Mkdev(st.Dev_major, st.Dev_minor), Ino: st.Ino, Links: uint64(st.Nlink), //nolint:gosec // never beyond
				Mode: fs.FileMode(st.Mode & 0o777),
			}, nil
		}
	}
}

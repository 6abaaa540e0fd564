//go:build amd64 || arm64

package vfs

import (
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// lstat is unix.Lstat without its allocation, since a log that is shared by
// processes looks at its path before every write.
func lstat(name string, st *unix.Stat_t) error {
	var path [256]byte
	if len(name) >= len(path) || name == "" {
		return unix.Lstat(name, st)
	}
	copy(path[:], name)
	if slices.Contains(path[:len(name)], 0) {
		return unix.EINVAL
	}
	cwd := unix.AT_FDCWD
	for {
		//nolint:gosec // fstatat(2) reads the path up to its NUL and writes a struct stat, which Stat_t is here
		_, _, errno := unix.Syscall6(sysFstatat, uintptr(cwd), uintptr(unsafe.Pointer(&path)),
			uintptr(unsafe.Pointer(st)), unix.AT_SYMLINK_NOFOLLOW, 0, 0)
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return errno
		}
	}
}

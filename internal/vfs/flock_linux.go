package vfs

import "golang.org/x/sys/unix"

// flock is unix.Flock. What cannot block does not tell the scheduler that it
// might, since a log that is shared by processes does it twice for each write.
func flock(fd uintptr, how int) error {
	if how == unix.LOCK_EX {
		return unix.Flock(int(fd), how)
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_FLOCK, fd, uintptr(how), 0); errno != 0 {
		return errno
	}
	return nil
}

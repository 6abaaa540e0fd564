package vfs

import "golang.org/x/sys/unix"

// flock is unix.Flock. What cannot wait does not tell the scheduler that it might,
// since a log that is shared by processes does it twice for each write. A server
// is waited for: one that does not answer must not stop all goroutines.
func (f *osFile) flock(how int) error {
	fd := f.Fd()
	if how == unix.LOCK_EX || !f.local {
		return unix.Flock(int(fd), how)
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_FLOCK, fd, uintptr(how), 0); errno != 0 {
		return errno
	}
	return nil
}

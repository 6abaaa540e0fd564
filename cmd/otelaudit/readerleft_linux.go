package main

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// readerLeft reports whether w is a pipe that nobody reads any more: poll(2)
// says so unasked. If poll fails, the next write will tell.
func readerLeft(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	conn, err := f.SyscallConn()
	if err != nil {
		return false
	}
	left := false
	err = conn.Control(func(fd uintptr) {
		fds := []unix.PollFd{{Fd: int32(fd)}} //nolint:gosec // descriptors are small
		n, err := unix.Poll(fds, 0)
		left = err == nil && n > 0 && fds[0].Revents&unix.POLLERR != 0
	})
	return left && err == nil
}

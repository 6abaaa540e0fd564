package main

import (
	"fmt"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// adopt makes the kernel end the command if guard is killed, since nobody would
// stop it any more, and makes guard the parent of what the command leaves behind:
// where the first process does not wait for others, as in many containers, the
// dead would look alive.
//
// The kernel takes the death of the thread that starts the command for that of
// the process, so the calling goroutine keeps its thread.
func adopt(attr *syscall.SysProcAttr) error {
	runtime.LockOSThread()
	attr.Pdeathsig = syscall.SIGTERM
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become a subreaper: %w", err)
	}
	return nil
}

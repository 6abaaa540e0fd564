package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
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

// waitAny waits for any child; pid is 0 if there was none after all.
func (c *child) waitAny(status *unix.WaitStatus) (pid int, err error) {
	if err := unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WSTOPPED|unix.WNOWAIT, nil); err != nil {
		return 0, err
	}
	c.reaping.Lock()
	defer c.reaping.Unlock()
	pid, err = unix.Wait4(-1, status, unix.WUNTRACED|unix.WNOHANG, nil)
	if pid > 0 && !status.Stopped() {
		// Another process may get its number, one that the command starts.
		c.others = slices.DeleteFunc(c.others, func(other int) bool { return other == pid })
	}
	return pid, err
}

// killChildren kills the children of guard, until there are none. Processes of which
// each starts the next one and ends are children of guard in turn, and none of those
// that a list of all processes names is still there when the list is complete.
func (c *child) killChildren() {
	// Those of the first thread, which gets those of processes that have ended.
	file := fmt.Sprintf("/proc/self/task/%d/children", os.Getpid())
	const most = 1000 // the rest is killed the next time
	for range most {
		if !c.killListed(file) {
			return
		}
	}
}

// killListed kills the children that file lists, and reports whether there were any.
func (c *child) killListed(file string) (found bool) {
	c.reaping.Lock() // their numbers are theirs as long
	defer c.reaping.Unlock()
	list, err := os.ReadFile(file)
	if err != nil {
		return false // a kernel without CONFIG_PROC_CHILDREN
	}
	for field := range strings.FieldsSeq(string(list)) {
		if pid, err := strconv.Atoi(field); err == nil && !slices.Contains(c.others, pid) {
			found = unix.Kill(pid, unix.SIGKILL) == nil || found
		}
	}
	return found
}

//go:build unix && !linux

package main

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// adopt does nothing: outside Linux nobody can be asked.
func adopt(*syscall.SysProcAttr) error { return nil }

// waitAny waits for any child.
func (c *child) waitAny(status *unix.WaitStatus) (pid int, err error) {
	return unix.Wait4(-1, status, unix.WUNTRACED, nil)
}

// killChildren does nothing: nobody's children become guard's.
func (c *child) killChildren() {}

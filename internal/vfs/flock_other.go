//go:build unix && !linux

package vfs

import "golang.org/x/sys/unix"

func flock(fd uintptr, how int) error { return unix.Flock(int(fd), how) }

//go:build unix && !linux

package vfs

import (
	"os"

	"golang.org/x/sys/unix"
)

func (f *osFile) flock(how int) error { return unix.Flock(int(f.Fd()), how) }

func isLocal(*os.File) bool { return false }

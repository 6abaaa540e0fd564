//go:build unix && !linux

package main

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

const endsWithGuard = false

func localModes(t *testing.T, tty *os.File) uint64 {
	t.Helper()
	modes, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TIOCGETA)
	if err != nil {
		t.Fatal(err)
	}
	return uint64(modes.Lflag)
}

package main

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

const endsWithGuard = true

func localModes(t *testing.T, tty *os.File) uint32 {
	t.Helper()
	modes, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return modes.Lflag
}

//go:build unix && !linux

package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// process stands for one that is known only by its group.
type process struct {
	pid, group int
	dead       bool // never
}

func (p process) String() string { return fmt.Sprintf("process group %d", p.group) }

// descendants knows none: only Linux has subreapers, and makes a daemon the child of
// one.
func descendants([]int) []process { return nil }

func (p process) signal(unix.Signal) error { return nil }

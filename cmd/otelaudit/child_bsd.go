//go:build unix && !linux

package main

import "syscall"

// adopt does nothing: outside Linux nobody can be asked.
func adopt(*syscall.SysProcAttr) error { return nil }

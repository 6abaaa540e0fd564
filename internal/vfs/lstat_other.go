//go:build unix && !(linux && (amd64 || arm64))

package vfs

import "golang.org/x/sys/unix"

func lstat(name string, st *unix.Stat_t) error { return unix.Lstat(name, st) }

//go:build unix && !linux

package vfs

func lstat(name string) (Info, error) { return lstatWithTimes(name) }

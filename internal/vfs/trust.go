//go:build !linux

package vfs

// UntrustedLocks returns the kind of the file system that dir is on when locks
// there may not hold between all who can write to it; empty when they do, or
// when it is not known.
func UntrustedLocks(string) (kind string, err error) { return "", nil }

//go:build !linux

package vfs

// UntrustedLocks implements FS. Nothing is known here.
func (OS) UntrustedLocks(string) (kind string, err error) { return "", nil }

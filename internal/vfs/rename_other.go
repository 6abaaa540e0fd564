//go:build !linux

package vfs

// renameNoReplace renames a file and fails with os.ErrExist rather than replace
// another one.
func renameNoReplace(from, to string) error { return renameChecked(from, to) }

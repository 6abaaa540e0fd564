package vfs

import (
	"errors"
	"os"
)

// renameChecked looks before it renames. Writers of this log take turns by the
// lock on its file, so only a stranger could come between.
func renameChecked(from, to string) error {
	switch _, err := os.Lstat(to); {
	case err == nil:
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: os.ErrExist}
	case !errors.Is(err, os.ErrNotExist):
		return err
	}
	return os.Rename(from, to)
}

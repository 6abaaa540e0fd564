package auditlog

import (
	"errors"
	"fmt"
	"os"
)

// BUG(windows): one process may own a log; nothing excludes a second one, and
// the names in a folder cannot be made durable.

func openActive(path string) (f *os.File, created bool, err error) {
	f, err = os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0)
	if errors.Is(err, os.ErrNotExist) {
		f, err = os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
		created = err == nil
	}
	if err != nil {
		return nil, false, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("open %s: it is not a regular file; remove it or choose another path", path)
	}
	if err != nil {
		return nil, false, errors.Join(err, f.Close())
	}
	return f, created, nil
}

func lock(*os.File) error            { return nil }
func tryLock(*os.File) (bool, error) { return true, nil }
func unlock(*os.File) error          { return nil }
func syncDir(string) error           { return nil }

func fileSize(f *os.File) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func isAt(path string, f *os.File) (bool, error) {
	at, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	open, err := f.Stat()
	if err != nil {
		return false, err
	}
	return os.SameFile(at, open), nil
}

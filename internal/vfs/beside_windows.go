package vfs

import (
	"errors"
	"os"
)

// guarded opens a regular file that is not a link. Owners are not compared here:
// a folder's access list decides who can make files in it.
func guarded(name string, flags int, _ func(uid int) string) (*os.File, error) {
	if info, err := os.Lstat(name); err == nil && flags&os.O_EXCL == 0 {
		if err := refuseType(name, info.Mode()); err != nil {
			return nil, err
		}
	}
	f, err := os.OpenFile(name, flags, 0o600)
	if err != nil {
		return nil, err
	}
	return checked(f)
}

// openRegular opens the regular file that name leads to, for reading.
func openRegular(name string) (*os.File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	return checked(f)
}

// checked closes f and returns an error if it is to be refused.
func checked(f *os.File) (*os.File, error) {
	info, err := f.Stat()
	if err == nil {
		err = refuseType(f.Name(), info.Mode())
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (Beside) trusts(int) string { return "" }

func (Beside) give(*os.File) error { return nil }

func wrap(f *os.File) osFile { return osFile{f} }

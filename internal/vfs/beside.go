package vfs

import (
	"errors"
	"io/fs"
	"os"
)

// Beside opens the file of a log and the files beside it. The user names the log's
// file, so Open follows a link there. Whoever can write to the folder can put
// something at any other name, so there a file must be
//
//   - a regular file, and not a symbolic link, a FIFO, a device or a folder,
//   - owned by the user of this process, or by the owner of the log or of its folder.
//
// Everything else is a [*RefusedError], and no call waits for another process.
type Beside struct {
	log string // path of the log's file
}

// NewBeside returns the opener for the log whose file is at path.
func NewBeside(path string) Beside { return Beside{path} }

// RefusedError says why a file that exists is not opened. It is no *fs.PathError:
// the file system would open it.
type RefusedError struct {
	Path   string
	Reason string // begins with "it", and ends with what to do
}

func (e *RefusedError) Error() string { return "open " + e.Path + ": " + e.Reason }

// Open opens the file at name for reading.
func (b Beside) Open(name string) (*os.File, error) {
	if name == b.log {
		return openRegular(name)
	}
	return guarded(name, os.O_RDONLY, b.trusts)
}

// Append opens the file at name for reading and appending, and makes it if it does
// not exist (mode 0600). A file with a second name is refused: it may be a file of
// this user from elsewhere. The owner of the log owns what root makes.
func (b Beside) Append(name string) (*os.File, error) {
	for {
		f, err := guarded(name, os.O_RDWR|os.O_APPEND, b.trusts)
		if err == nil {
			return oneName(f)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if f, err = b.Create(name); !errors.Is(err, fs.ErrExist) {
			return f, err
		}
		// Another process was faster.
	}
}

// Create makes the file at name, which must not exist (mode 0600), and opens it like
// Append.
func (b Beside) Create(name string) (*os.File, error) {
	f, err := guarded(name, os.O_RDWR|os.O_APPEND|os.O_CREATE|os.O_EXCL, nil)
	if err != nil {
		return nil, err
	}
	if err := b.give(f); err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(name))
	}
	return f, nil
}

// Replace removes what is at name, unless it is a folder, and makes a file there like
// Create. It does not write to a file that it finds: that could be a link.
func (b Beside) Replace(name string) (*os.File, error) {
	info, err := os.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, refuseType(name, info.Mode())
	default:
		if err := os.Remove(name); err != nil {
			return nil, err
		}
	}
	return b.Create(name)
}

// oneName refuses f, which it closes then, if it has more than one name.
func oneName(f *os.File) (*os.File, error) {
	info, err := wrap(f).Stat()
	if err == nil && info.Links > 1 {
		err = &RefusedError{f.Name(), "it has a second name (a hard link); remove one of the two, or choose another path"}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// TryLock is [File.Lock] without waiting.
func TryLock(f *os.File) (bool, error) { return wrap(f).Lock(false) }

// refuseType refuses what is not a regular file.
func refuseType(name string, mode fs.FileMode) error {
	var kind string
	switch {
	case mode.IsRegular():
		return nil
	case mode&fs.ModeSymlink != 0:
		target, err := os.Readlink(name)
		if err != nil {
			target = "another file"
		}
		return &RefusedError{name, "it is a symbolic link to " + target + ", which is not followed; name that file itself, or put it here"}
	case mode.IsDir():
		return &RefusedError{name, "it is a directory and not a regular file; name a file in it, or remove it"}
	case mode&fs.ModeNamedPipe != 0:
		kind = "a FIFO"
	case mode&fs.ModeSocket != 0:
		kind = "a socket"
	case mode&fs.ModeDevice != 0:
		kind = "a device"
	default:
		kind = "of type " + mode.Type().String()
	}
	return &RefusedError{name, "it is " + kind + " and not a regular file; remove it or choose another path"}
}

//go:build unix

package vfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// guarded opens a regular file whose owner refuse accepts; refuse returns the reason
// to refuse it, or an empty string. O_NOFOLLOW: a link could lead anywhere. O_NONBLOCK:
// opening a FIFO must not wait for its other end.
func guarded(name string, flags int, refuse func(uid int) string) (*os.File, error) {
	f, err := os.OpenFile(name, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if errors.Is(err, fs.ErrNotExist) || flags&os.O_EXCL != 0 {
		return f, err // an *os.PathError names the operation and the path
	}
	if err != nil {
		// The kernel's error of a link, a directory, a socket or a file of another user
		// says less than the file itself.
		if info, statErr := os.Lstat(name); statErr == nil {
			if refused := check(name, info, refuse); refused != nil {
				return nil, refused
			}
		}
		return nil, err
	}
	return checked(f, refuse)
}

// openRegular opens the regular file that name leads to, for reading.
func openRegular(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	return checked(f, nil)
}

// checked closes f and returns an error if it is to be refused.
func checked(f *os.File, refuse func(uid int) string) (*os.File, error) {
	info, err := f.Stat()
	if err == nil {
		err = check(f.Name(), info, refuse)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func check(name string, info fs.FileInfo, refuse func(uid int) string) error {
	if err := refuseType(name, info.Mode()); err != nil || refuse == nil {
		return err
	}
	uid, _ := ownerOf(info)
	if reason := refuse(uid); reason != "" {
		return &RefusedError{name, reason}
	}
	return nil
}

func ownerOf(info fs.FileInfo) (uid, gid int) {
	st := info.Sys().(*syscall.Stat_t)
	return int(st.Uid), int(st.Gid)
}

// onlyOwn refuses files of other users: somebody who can plant a file in a shared
// folder must not get the log's content.
func onlyOwn(uid int) string {
	if own := os.Geteuid(); uid != own {
		return fmt.Sprintf("it belongs to user %d, not to user %d who runs this; choose another path", uid, own)
	}
	return ""
}

// trusts refuses files of users that are neither this one nor an owner of the log.
func (b Beside) trusts(uid int) string {
	own := os.Geteuid()
	if uid == own {
		return ""
	}
	for _, path := range []string{b.log, filepath.Dir(b.log)} {
		if info, err := os.Stat(path); err == nil {
			if owner, _ := ownerOf(info); owner == uid {
				return ""
			}
		}
	}
	return fmt.Sprintf("it belongs to user %d, and neither to user %d who runs this nor to the owner of the log or of its folder; "+
		"remove it, or give it to one of them (chown)", uid, own)
}

// give makes the owner of the log, or of its folder if there is no log yet, the owner
// of a file that root made: that user has to write to it later. Root that may not do
// that keeps the file, as in a container without CAP_CHOWN.
func (b Beside) give(f *os.File) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(b.log)
	if errors.Is(err, fs.ErrNotExist) {
		info, err = os.Stat(filepath.Dir(b.log))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	uid, gid := ownerOf(info)
	made, err := f.Stat()
	if err != nil {
		return err
	}
	if has, _ := ownerOf(made); has == uid {
		return nil
	}
	err = f.Chown(uid, gid)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		return nil // no right to it, a user that this container does not know, or a file system without owners
	}
	return err
}

func wrap(f *os.File) *osFile { return &osFile{File: f} }

// Package vfs is the file system as package journal needs it, and no more. [OS] is the
// real one; package memfs is one for tests that loses power, and fails at any operation.
package vfs

import (
	"io"
	"io/fs"
)

// FS is the part of a file system that the writer uses. Names are absolute
// paths. Errors are those of package os. All methods are safe for concurrent
// use.
type FS interface {
	// Open opens a file in the way of how.
	Open(name string, how How) (File, error)
	// Stat returns the Info of the file at name; of a link itself, not of its target.
	Stat(name string) (Info, error)
	// OpenFolder opens the folder at dir for Stat of its files and for Sync.
	OpenFolder(dir string) (Folder, error)
	// Rename fails with fs.ErrExist if there is a file at to, unless replace.
	Rename(from, to string, replace bool) error
	// Link gives the file at from a second name; errors.ErrUnsupported where
	// the file system has no second names.
	Link(from, to string) error
	Remove(name string) error
	// List returns the names in a folder, those of folders in it excepted.
	List(dir string) ([]string, error)
	// UntrustedLocks returns the kind of the file system that dir is on when
	// locks there may not hold between all who can write to it; empty when they
	// do, or when it is not known.
	UntrustedLocks(dir string) (kind string, err error)
}

// How is the way in which a file is opened.
type How int

const (
	// Append opens an existing file for reading and appending. Symbolic links, other
	// files than regular ones and files of other users are a [*RefusedError].
	Append How = iota
	// Create makes the file (mode 0600), which must not be there, and opens it
	// like Append.
	Create
	// Compose is Create for a file that is not shared yet: WriteAt works, and Write
	// goes on behind the last one.
	Compose
	// Read opens an existing file for reading, and refuses what Append refuses.
	Read
)

// File is an open file. Concurrent Sync, Stat and Close are safe, and so is
// ReadAt; the others belong to one goroutine at a time.
type File interface {
	io.ReaderAt
	// WriteAt is for a file that was opened with Compose.
	io.WriterAt
	io.Closer
	// Write appends p in one write(2), of which the file system may take a
	// part before it fails.
	io.Writer
	Sync() error
	Truncate(size int64) error
	Chmod(mode fs.FileMode) error
	Stat() (Info, error)
	// Renamed sets the path that errors of the file name from now on. It is safe
	// beside all methods.
	Renamed(to string)
	// Lock takes the exclusive lock of the file. It excludes other opens of the file, in
	// this process and others; the death of its holder releases it. If wait is false and
	// the lock is held, Lock returns false. It is advisory.
	Lock(wait bool) (bool, error)
	Unlock() error
}

// Folder is an open folder. On Linux it stays the same one when it is moved; elsewhere
// it is the folder at its path.
type Folder interface {
	// Stat is [FS.Stat] of the file of that name in the folder; "." is the folder.
	Stat(base string) (Info, error)
	// Sync makes changes of names in the folder durable. It needs no descriptor, and it
	// returns an error of writing the folder since it was opened.
	// Concurrent Sync and Close are safe.
	Sync() error
	io.Closer
}

// Info describes a file.
type Info struct {
	Size     int64
	Dev, Ino uint64 // the same for two names of one file only
	Links    uint64 // number of its names
	Mode     fs.FileMode
}

// Same reports whether both describe one file.
func (i Info) Same(other Info) bool { return i.Dev == other.Dev && i.Ino == other.Ino }

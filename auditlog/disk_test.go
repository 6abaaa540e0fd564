package auditlog_test

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing/synctest"
	"time"

	"github.com/otelaudit/otelaudit/internal/vfs"
	"github.com/otelaudit/otelaudit/internal/vfs/memfs"
)

// disk is a file system with functions around its operations, of which each may be nil.
type disk struct {
	vfs.FS

	beforeOpen   func(name string, how vfs.How)
	beforeRename func(from string)
	readAt       func(f vfs.File) // before a ReadAt
	write        func(f vfs.File, p []byte) (int, error)
	truncate     func(f vfs.File, size int64) error
	sync         func(f vfs.File) error
}

type diskFile struct {
	vfs.File

	disk *disk
}

func (d *disk) Open(name string, how vfs.How) (vfs.File, error) {
	if d.beforeOpen != nil {
		d.beforeOpen(name, how)
	}
	f, err := d.FS.Open(name, how)
	if err != nil {
		return nil, err
	}
	return diskFile{f, d}, nil
}

func (d *disk) Rename(from, to string, replace bool) error {
	if d.beforeRename != nil {
		d.beforeRename(from)
	}
	return d.FS.Rename(from, to, replace)
}

func (f diskFile) ReadAt(p []byte, off int64) (int, error) {
	if f.disk.readAt != nil {
		f.disk.readAt(f.File)
	}
	return f.File.ReadAt(p, off)
}

func (f diskFile) Write(p []byte) (int, error) {
	if f.disk.write != nil {
		return f.disk.write(f.File, p)
	}
	return f.File.Write(p)
}

func (f diskFile) Truncate(size int64) error {
	if f.disk.truncate != nil {
		return f.disk.truncate(f.File, size)
	}
	return f.File.Truncate(size)
}

func (f diskFile) Sync() error {
	if f.disk.sync != nil {
		return f.disk.sync(f.File)
	}
	return f.File.Sync()
}

// slowDisk is a disk whose syncs announce themselves, and wait to be let go.
type slowDisk struct {
	disk

	syncing chan struct{}
	proceed chan struct{}
}

func newSlowDisk(fsys vfs.FS) *slowDisk {
	d := &slowDisk{disk{FS: fsys}, make(chan struct{}), make(chan struct{})}
	d.sync = func(f vfs.File) error {
		d.syncing <- struct{}{}
		<-d.proceed
		return f.Sync()
	}
	return d
}

func (d *slowDisk) letGo() {
	<-d.syncing
	d.proceed <- struct{}{}
}

// timedDisk is a disk on which a sync takes a time, of the bubble, and is counted.
type timedDisk struct {
	disk

	takes time.Duration
	syncs atomic.Int64
}

func newTimedDisk(fsys vfs.FS, takes time.Duration) *timedDisk {
	d := &timedDisk{disk: disk{FS: fsys}, takes: takes}
	d.sync = func(f vfs.File) error {
		d.syncs.Add(1)
		time.Sleep(d.takes)
		return f.Sync()
	}
	return d
}

// newUnevenDisk returns a disk whose writes and syncs take some time, so that whatever
// can come between comes between.
func newUnevenDisk(fsys vfs.FS, d *dice) *disk {
	return &disk{
		FS: fsys,
		write: func(f vfs.File, p []byte) (int, error) {
			d.pause(time.Millisecond)
			defer d.pause(time.Millisecond)
			return f.Write(p)
		},
		sync: func(f vfs.File) error {
			d.pause(2 * time.Millisecond)
			defer d.pause(10 * time.Millisecond)
			return f.Sync()
		},
	}
}

// view is a disk as one of several processes sees it.
type view struct {
	disk

	failSync atomic.Bool // the next one
}

func newView(fsys vfs.FS) *view {
	v := &view{disk: disk{FS: fsys}}
	v.sync = func(f vfs.File) error {
		if v.failSync.Swap(false) {
			return syscall.EIO
		}
		return f.Sync()
	}
	return v
}

// racingDisk is a disk on which archives are compressed exactly while the folder is being
// read. Of names that come and go meanwhile readdir(3) need not return any, and here it
// does not.
type racingDisk struct {
	disk

	compressed chan struct{} // closed to let compressions begin
	racing     bool          // the next List is the one
}

func newRacingDisk(fsys vfs.FS) *racingDisk {
	d := &racingDisk{disk: disk{FS: fsys}, compressed: make(chan struct{})}
	d.beforeOpen = func(name string, how vfs.How) {
		if how == vfs.Read && strings.HasSuffix(name, ".jsonl") {
			<-d.compressed
		}
	}
	return d
}

func (d *racingDisk) List(dir string) ([]string, error) {
	names, err := d.FS.List(dir)
	if err != nil || !d.racing {
		return names, err
	}
	d.racing = false
	close(d.compressed)
	synctest.Wait()
	return slices.DeleteFunc(names, func(name string) bool {
		_, err := d.Stat(filepath.Join(dir, name))
		return errors.Is(err, fs.ErrNotExist)
	}), nil
}

// truncatingDisk empties a file before the first byte of it is read.
type truncatingDisk struct {
	disk

	armed bool
}

func newTruncatingDisk(t interface{ Error(args ...any) }) *truncatingDisk {
	d := &truncatingDisk{disk: disk{FS: vfs.OS{}}}
	d.readAt = func(f vfs.File) {
		if d.armed {
			d.armed = false
			if err := f.Truncate(0); err != nil {
				t.Error(err)
			}
		}
	}
	return d
}

// uncutDisk gets full before the last byte of a write, and nothing can be truncated.
type uncutDisk struct {
	disk

	full bool // at the next write
}

func newUncutDisk(fsys *memfs.FS) *uncutDisk {
	d := &uncutDisk{disk: disk{FS: fsys}}
	d.write = func(f vfs.File, p []byte) (int, error) {
		if !d.full {
			return f.Write(p)
		}
		d.full = false
		n, err := f.Write(p[:len(p)-1])
		if err == nil {
			err = syscall.ENOSPC
		}
		return n, err
	}
	d.truncate = func(vfs.File, int64) error { return syscall.EIO }
	return d
}

// placedDisk is the real file system, said to be of another kind.
type placedDisk struct {
	vfs.OS

	kind string
	err  error
}

func (d placedDisk) UntrustedLocks(string) (string, error) { return d.kind, d.err }

// givingWay is a file system on which something happens when a compressed archive is
// to be made, or when its folder is synced next.
type givingWay struct {
	vfs.OS

	at     string // "create" or "sync"
	made   atomic.Bool
	happen func()
	once   sync.Once
}

func (g *givingWay) Open(name string, how vfs.How) (vfs.File, error) {
	if how == vfs.Compose && strings.Contains(name, ".jsonl.gz") {
		g.made.Store(true)
		if g.at == "create" {
			g.once.Do(g.happen)
		}
	}
	return g.OS.Open(name, how)
}

func (g *givingWay) OpenFolder(dir string) (vfs.Folder, error) {
	folder, err := g.OS.OpenFolder(dir)
	return givingWayFolder{folder, g}, err
}

type givingWayFolder struct {
	vfs.Folder

	fs *givingWay
}

func (f givingWayFolder) Sync() error {
	if f.fs.at == "sync" && f.fs.made.Load() {
		f.fs.once.Do(f.fs.happen)
	}
	return f.Folder.Sync()
}

// noFolders is a file system that has no descriptor left for a folder, or whose open
// folders have ceased to work.
type noFolders struct {
	vfs.OS

	err, lookErr error
	opened       atomic.Int32
}

type brokenFolder struct {
	vfs.Folder

	err error
}

func (n *noFolders) OpenFolder(dir string) (vfs.Folder, error) {
	if opened := n.opened.Add(1); n.err != nil && opened > 1 { // the first one is that to sync
		return nil, n.err
	}
	f, err := n.OS.OpenFolder(dir)
	return brokenFolder{f, n.lookErr}, err
}

func (f brokenFolder) Stat(base string) (vfs.Info, error) {
	if base == "." {
		return f.Folder.Stat(base)
	}
	return vfs.Info{}, f.err
}

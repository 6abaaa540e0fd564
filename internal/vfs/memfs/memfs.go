// Package memfs is a file system in memory for tests. It loses power and
// processes at any operation, and fails any operation in each of the ways in
// which real ones fail:
//
//   - What an fsync of a file covered survives a power cut. Of what was written
//     since, a prefix of any length does; or all of it, with pages of NULs.
//   - What happened to the names of a folder since its fsync survives in part:
//     as far as to some point, or each change for itself.
//   - After a failed fsync the pages count as clean: later ones succeed and do
//     not write them.
//   - A killed process loses its locks, and nothing else.
package memfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/otelaudit/otelaudit/internal/vfs"
)

// ErrDead is what every operation of a dead process returns.
var ErrDead = errors.New("memfs: the process is dead")

// Fault is what happens to one operation.
type Fault int

// The outcomes of an operation.
const (
	None    Fault = iota
	Refused       // an error, and nothing done
	Applied       // an error, and all done
	Short         // of a write: an error, and half of it done. Else like Refused
	Death         // the process dies before the operation
)

// FS is the file system. Its zero value is not usable; see New.
type FS struct {
	// Fault, if not nil, decides on operation n (from 0), of that kind and on
	// that file. It is called with the file system locked.
	Fault func(n int, op, name string) Fault
	// Evict makes what a failed fsync did not write read as NULs at once, as
	// when memory is short.
	Evict bool
	// Err is the error of faults; syscall.EIO by default.
	Err error

	mu       sync.Mutex
	unlocked *sync.Cond
	ops      int
	dead     bool
	names    map[string]*inode
	durable  map[string]*inode
	pending  []change // of names, since they were synced
	nextIno  uint64
	misused  []string
}

// change is one change of names, which happens as a whole.
type change struct {
	remove, add string // "" for none
	inode       *inode
}

type inode struct {
	ino    uint64
	data   []byte
	mode   fs.FileMode
	links  uint64
	holder *file // of the lock

	durable []byte
	lost    []span // clean though not on disk, after a failed fsync
}

type span struct{ from, to int }

type file struct {
	fs     *FS
	node   *inode
	name   string
	failed bool // an fsync failed
	closed bool
}

var (
	_ vfs.FS   = (*FS)(nil)
	_ vfs.File = (*file)(nil)
)

// New returns an empty file system.
func New() *FS {
	m := &FS{Err: syscall.EIO, names: map[string]*inode{}, durable: map[string]*inode{}}
	m.unlocked = sync.NewCond(&m.mu)
	return m
}

// Ops returns the number of operations so far.
func (m *FS) Ops() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ops
}

// Misuse returns what no writer may do: sync a file again after that failed.
func (m *FS) Misuse() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.misused
}

// do counts an operation and does it, unless a fault says otherwise.
func (m *FS) do(f *file, op, name string, apply func() error) error {
	return m.doFault(f, op, name, func(fault Fault) error {
		if fault == None || fault == Applied {
			return apply()
		}
		return nil
	})
}

// doFault is do for operations for which a fault means more than its error.
func (m *FS) doFault(f *file, op, name string, apply func(Fault) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return ErrDead
	}
	if f != nil && f.closed {
		return &fs.PathError{Op: op, Path: name, Err: fs.ErrClosed}
	}
	fault := None
	if m.Fault != nil {
		fault = m.Fault(m.ops, op, name)
	}
	m.ops++
	if fault == Death {
		m.kill()
		return ErrDead
	}
	err := apply(fault)
	if fault != None {
		err = errors.Join(err, &fs.PathError{Op: op, Path: name, Err: m.Err})
	}
	return err
}

// kill makes the process dead: nothing it still does has an effect.
func (m *FS) kill() {
	m.dead = true
	m.unlocked.Broadcast()
}

// Restart returns the file system as another process finds it when the one
// that used m was killed, which it is then.
func (m *FS) Restart() *FS {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kill()
	return m.after(m.names, func(n *inode) []byte { return n.data })
}

// PowerCut returns the file system after a power cut.
func (m *FS) PowerCut(r *rand.Rand) *FS {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kill()
	names := maps.Clone(m.durable)
	upTo := len(m.pending)
	each := r.IntN(2) == 0
	if !each {
		upTo = r.IntN(len(m.pending) + 1)
	}
	for _, c := range m.pending[:upTo] {
		if each && r.IntN(2) == 0 {
			continue
		}
		if c.remove != "" {
			delete(names, c.remove)
		}
		if c.add != "" {
			names[c.add] = c.inode
		}
	}
	return m.after(names, func(n *inode) []byte { return n.survivor(r) })
}

// after returns a file system with those names, all of it durable.
func (m *FS) after(names map[string]*inode, content func(*inode) []byte) *FS {
	next := New()
	next.nextIno = m.nextIno
	made := map[*inode]*inode{}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		n := names[name]
		if made[n] == nil {
			data := slices.Clone(content(n))
			made[n] = &inode{ino: n.ino, data: data, durable: slices.Clone(data), mode: n.mode}
		}
		made[n].links++
		next.names[name] = made[n]
	}
	next.durable = maps.Clone(next.names)
	return next
}

// page is the unit in which unsynced data reaches the disk.
const page = 64

// survivor returns the content after a power cut.
func (n *inode) survivor(r *rand.Rand) []byte {
	synced := len(n.durable)
	if len(n.data) < synced { // truncated since
		if r.IntN(2) == 0 {
			return n.durable
		}
		synced = len(n.data)
	}
	data := append(slices.Clone(n.durable[:synced]), n.data[synced:]...)
	if r.IntN(2) == 0 {
		data = data[:synced+r.IntN(len(data)-synced+1)]
	} else {
		for at := synced; at < len(data); at = (at/page + 1) * page {
			if r.IntN(3) == 0 {
				clear(data[at:min((at/page+1)*page, len(data))])
			}
		}
	}
	for _, s := range n.lost {
		clear(data[min(s.from, len(data)):min(s.to, len(data))])
	}
	return data
}

// Dump writes all files into folders of the real file system, dir standing for
// root.
func (m *FS) Dump(root, dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, n := range m.names {
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, rel), n.data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// Names returns the names of all files.
func (m *FS) Names() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.names))
}

func notExist(op, name string) error {
	return &fs.PathError{Op: op, Path: name, Err: syscall.ENOENT}
}

// Open implements vfs.FS.
func (m *FS) Open(name string, how vfs.How) (vfs.File, error) {
	f := &file{fs: m, name: name}
	making := how == vfs.Create || how == vfs.Compose
	err := m.do(nil, [...]string{"open", "create", "create", "open"}[how], name, func() error {
		n := m.names[name]
		switch {
		case making && n != nil:
			return &fs.PathError{Op: "open", Path: name, Err: syscall.EEXIST}
		case making:
			m.nextIno++
			n = &inode{ino: m.nextIno, mode: 0o600}
			m.change(change{add: name, inode: n})
		case n == nil:
			return notExist("open", name)
		}
		f.node = n
		return nil
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

// change applies a change of names.
func (m *FS) change(c change) {
	if c.remove != "" {
		m.names[c.remove].links--
		delete(m.names, c.remove)
	}
	if c.add != "" {
		if old := m.names[c.add]; old != nil {
			old.links--
		}
		c.inode.links++
		m.names[c.add] = c.inode
	}
	m.pending = append(m.pending, c)
}

func (n *inode) info() vfs.Info {
	return vfs.Info{Size: int64(len(n.data)), Dev: 1, Ino: n.ino, Links: n.links, Mode: n.mode}
}

// Stat implements vfs.FS.
func (m *FS) Stat(name string) (info vfs.Info, err error) {
	err = m.do(nil, "lstat", name, func() error {
		if strings.HasSuffix(name, "/.") {
			info = vfs.Info{Dev: 1} // there is one folder
			return nil
		}
		n := m.names[name]
		if n == nil {
			return notExist("lstat", name)
		}
		info = n.info()
		return nil
	})
	return info, err
}

// folder is an open folder. Here folders are parts of names, and none is moved.
type folder struct {
	fs  *FS
	dir string
}

// OpenFolder implements vfs.FS.
func (m *FS) OpenFolder(dir string) (vfs.Folder, error) {
	err := m.do(nil, "open", dir, func() error { return nil })
	return folder{m, dir}, err
}

// Stat implements vfs.Folder.
func (f folder) Stat(base string) (vfs.Info, error) { return f.fs.Stat(f.dir + "/" + base) }

// Close implements vfs.Folder.
func (f folder) Close() error { return nil }

// Rename implements vfs.FS.
func (m *FS) Rename(from, to string, replace bool) error {
	return m.do(nil, "rename", from, func() error {
		n := m.names[from]
		if n == nil {
			return notExist("rename", from)
		}
		if m.names[to] != nil && !replace {
			return &fs.PathError{Op: "rename", Path: to, Err: syscall.EEXIST}
		}
		m.change(change{remove: from, add: to, inode: n})
		return nil
	})
}

// Link implements vfs.FS.
func (m *FS) Link(from, to string) error {
	return m.do(nil, "link", from, func() error {
		n := m.names[from]
		if n == nil {
			return notExist("link", from)
		}
		if m.names[to] != nil {
			return &fs.PathError{Op: "link", Path: to, Err: syscall.EEXIST}
		}
		m.change(change{add: to, inode: n})
		return nil
	})
}

// Remove implements vfs.FS.
func (m *FS) Remove(name string) error {
	return m.do(nil, "unlink", name, func() error {
		if m.names[name] == nil {
			return notExist("unlink", name)
		}
		m.change(change{remove: name})
		return nil
	})
}

// List implements vfs.FS.
func (m *FS) List(dir string) (names []string, err error) {
	err = m.do(nil, "list", dir, func() error {
		for name := range m.names {
			if filepath.Dir(name) == dir {
				names = append(names, filepath.Base(name))
			}
		}
		return nil
	})
	return names, err
}

// Sync implements vfs.Folder.
func (f folder) Sync() error {
	return f.fs.do(nil, "fsyncdir", f.dir, func() error {
		f.fs.durable = maps.Clone(f.fs.names)
		f.fs.pending = nil
		return nil
	})
}

// UntrustedLocks implements vfs.FS. Locks hold in memory.
func (m *FS) UntrustedLocks(string) (kind string, err error) { return "", nil }

// Write implements vfs.File. An error that comes with all done says nothing of
// the number of bytes.
func (f *file) Write(p []byte) (n int, err error) {
	err = f.fs.doFault(f, "write", f.name, func(fault Fault) error {
		switch fault {
		case None:
			n = len(p)
		case Short:
			n = len(p) / 2
			p = p[:n]
		case Refused, Death:
			return nil
		case Applied:
		}
		f.node.data = append(f.node.data, p...)
		return nil
	})
	return n, err
}

// WriteAt implements vfs.File.
func (f *file) WriteAt(p []byte, off int64) (n int, err error) {
	err = f.fs.do(f, "pwrite", f.name, func() error {
		if off+int64(len(p)) > int64(len(f.node.data)) {
			return errors.New("memfs: a WriteAt beyond the end, which nothing does")
		}
		n = copy(f.node.data[off:], p)
		return nil
	})
	return n, err
}

// ReadAt implements vfs.File.
func (f *file) ReadAt(p []byte, off int64) (n int, err error) {
	err = f.fs.do(f, "read", f.name, func() error {
		if off > int64(len(f.node.data)) {
			return io.EOF
		}
		if n = copy(p, f.node.data[off:]); n < len(p) {
			return io.EOF
		}
		return nil
	})
	return n, err
}

// Sync implements vfs.File.
func (f *file) Sync() error {
	return f.fs.doFault(f, "fsync", f.name, func(fault Fault) error {
		n := f.node
		if f.failed {
			f.fs.misused = append(f.fs.misused, fmt.Sprintf("fsync of %s after a failed one", f.name))
		}
		f.failed = f.failed || fault != None
		if fault == Refused || fault == Short {
			if len(n.durable) < len(n.data) {
				n.lost = append(n.lost, span{len(n.durable), len(n.data)})
				if f.fs.Evict {
					clear(n.data[len(n.durable):])
				}
			}
			return nil
		}
		n.durable = slices.Clone(n.data)
		for _, s := range n.lost {
			clear(n.durable[min(s.from, len(n.durable)):min(s.to, len(n.durable))])
		}
		return nil
	})
}

// Truncate implements vfs.File.
func (f *file) Truncate(size int64) error {
	return f.fs.do(f, "truncate", f.name, func() error {
		f.node.data = f.node.data[:size]
		return nil
	})
}

// Chmod implements vfs.File.
func (f *file) Chmod(mode fs.FileMode) error {
	return f.fs.do(f, "chmod", f.name, func() error {
		f.node.mode = mode
		return nil
	})
}

// Stat implements vfs.File.
func (f *file) Stat() (info vfs.Info, err error) {
	err = f.fs.do(f, "fstat", f.name, func() error {
		info = f.node.info()
		return nil
	})
	return info, err
}

// Renamed implements vfs.File. Faults go by the name at opening.
func (f *file) Renamed(string) {}

// Lock implements vfs.File.
func (f *file) Lock(wait bool) (free bool, err error) {
	err = f.fs.do(f, "flock", f.name, func() error {
		for wait && f.node.holder != nil && f.node.holder != f {
			f.fs.unlocked.Wait()
			if f.fs.dead || f.closed {
				return ErrDead
			}
		}
		if free = f.node.holder == nil || f.node.holder == f; free {
			f.node.holder = f
		}
		return nil
	})
	if err != nil && free {
		return false, err
	}
	return free, err
}

// Unlock implements vfs.File.
func (f *file) Unlock() error {
	return f.fs.do(f, "funlock", f.name, func() error {
		f.release()
		return nil
	})
}

func (f *file) release() {
	if f.node.holder == f {
		f.node.holder = nil
		f.fs.unlocked.Broadcast()
	}
}

// Close implements vfs.File. Even with an error the descriptor is gone.
func (f *file) Close() error {
	err := f.fs.do(f, "close", f.name, func() error { return nil })
	if errors.Is(err, ErrDead) || errors.Is(err, fs.ErrClosed) {
		return err
	}
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	f.closed = true
	f.release()
	return err
}

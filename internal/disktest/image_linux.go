package disktest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Image is a file system in a file, mounted, whose power can be cut.
type Image struct {
	Dir     string // where it is mounted
	file    string
	kind    string
	mounted bool
}

// imageSize is the least that mkfs.xfs takes. The file is sparse.
const imageSize = 320 << 20

// New makes and mounts a file system of a kind, "ext4" for example, until the
// test ends. The test is skipped where that cannot be done.
func New(t *testing.T, kind string) *Image {
	t.Helper()
	NeedRoot(t)
	NeedCommand(t, "mkfs."+kind, map[string]string{"ext4": "e2fsprogs", "xfs": "xfsprogs"}[kind])
	NeedCommand(t, "losetup", "mount")
	at := t.TempDir()
	i := &Image{Dir: filepath.Join(at, "mnt"), file: filepath.Join(at, "image"), kind: kind}
	if err := os.Mkdir(i.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(i.file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(i.file, imageSize); err != nil {
		t.Fatal(err)
	}
	Run(t, "mkfs."+kind, "-q", i.file)
	t.Cleanup(func() {
		// Also when the test failed half-way. Its writers are dead by then:
		// they were started later, so their cleanup runs before this one.
		if i.mounted {
			i.unmount(t)
		}
	})
	i.mount(t)
	return i
}

func (i *Image) mount(t *testing.T) {
	t.Helper()
	Run(t, "mount", "-t", i.kind, "-o", "loop", i.file, i.Dir)
	i.mounted = true
}

func (i *Image) unmount(t *testing.T) {
	t.Helper()
	Run(t, "umount", i.Dir) // and mount set autoclear: the loop device goes with it
	i.mounted = false
}

// The shutdown that XFS made and others took over: XFS_IOC_GOINGDOWN and
// EXT4_IOC_SHUTDOWN, _IOR('X', 125, __u32), and the flag that keeps even the
// log in memory from being written.
const (
	shutdown   = 0x8004587d
	noLogFlush = 2
)

// Cut makes the file system forget everything that has not reached its device
// and refuse everything that comes after, as a power cut does.
func (i *Image) Cut(t *testing.T) {
	t.Helper()
	root, err := os.Open(i.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = root.Close() }()
	if err := unix.IoctlSetPointerInt(int(root.Fd()), shutdown, noLogFlush); err != nil {
		t.Fatalf("cut the power of %s: %v", i.kind, err)
	}
}

// Restart is the machine's next start: the journal is replayed by the mount.
// No process may have a file of it open.
func (i *Image) Restart(t *testing.T) {
	t.Helper()
	i.unmount(t)
	i.mount(t)
}

// NeedRoot skips the test for others than root.
func NeedRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a file system: run it as root")
	}
}

// NeedCommand skips the test where a command of a Debian package is missing.
func NeedCommand(t *testing.T, command, of string) {
	t.Helper()
	if _, err := exec.LookPath(command); err != nil {
		t.Skipf("there is no %s: install %s", command, of)
	}
}

// Run runs a command and fails the test if it does not end well.
func Run(t *testing.T, command string, args ...string) {
	t.Helper()
	// Cleanups run it too, when the context of the test is over.
	//nolint:noctx,gosec // none of these commands waits for anything, and the tests name them
	if out, err := exec.Command(command, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v: %s", command, strings.Join(args, " "), err, out)
	}
}

// Tmpfs is a file system in memory that can get full.
type Tmpfs struct {
	Dir string // where it is mounted
}

// NewTmpfs mounts one of a size, "1M" for example, until the test ends.
func NewTmpfs(t *testing.T, size string) *Tmpfs {
	t.Helper()
	NeedRoot(t)
	NeedCommand(t, "mount", "mount")
	f := &Tmpfs{Dir: filepath.Join(t.TempDir(), "mnt")}
	if err := os.Mkdir(f.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	Run(t, "mount", "-t", "tmpfs", "-o", "size="+size, "tmpfs", f.Dir)
	t.Cleanup(func() { Run(t, "umount", f.Dir) })
	return f
}

// Resize changes its size.
func (f *Tmpfs) Resize(t *testing.T, size string) {
	t.Helper()
	Run(t, "mount", "-o", "remount,size="+size, f.Dir)
}

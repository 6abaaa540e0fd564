package vfs_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/otelaudit/otelaudit/internal/vfs"
)

// withoutChown runs f without the capability CAP_CHOWN, as a container may do.
func withoutChown(t *testing.T, f func()) {
	t.Helper()
	runtime.LockOSThread() // a capability is a thread's
	defer runtime.UnlockOSThread()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var has [2]unix.CapUserData
	must(t, unix.Capget(&header, &has[0]))
	less := has
	less[0].Effective &^= 1 << unix.CAP_CHOWN
	must(t, unix.Capset(&header, &less[0]))
	f()
	must(t, unix.Capset(&header, &has[0]))
}

func TestRootThatMayGiveNothingAwayKeepsWhatItMakes(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	create(t, log, "")
	must(t, os.Chown(log, stranger, -1))
	beside := vfs.NewBeside(log)
	for base, open := range map[string]func(string) (*os.File, error){"made": beside.Create, "appended": beside.Append, "replaced": beside.Replace} {
		name := filepath.Join(dir, base)
		withoutChown(t, func() {
			f, err := open(name)
			if err != nil {
				t.Error(err)
				return
			}
			must(t, f.Close())
		})
		if got := ownerOf(t, name); got != 0 {
			t.Errorf("%s belongs to user %d, want 0", base, got)
		}
	}
}

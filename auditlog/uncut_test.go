package auditlog_test

import (
	"slices"
	"syscall"
	"testing"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/vfs"
	"github.com/otelaudit/otelaudit/internal/vfs/memfs"
)

// uncutFS is a disk that gets full before the last byte of a write, and on which
// nothing can be taken back.
type uncutFS struct {
	*memfs.FS

	full bool // at the next write
}

type uncutFile struct {
	vfs.File
	disk *uncutFS
}

func (d *uncutFS) Open(name string, how vfs.How) (vfs.File, error) {
	f, err := d.FS.Open(name, how)
	return uncutFile{f, d}, err
}

func (f uncutFile) Write(p []byte) (int, error) {
	if !f.disk.full {
		return f.File.Write(p)
	}
	f.disk.full = false
	n, err := f.File.Write(p[:len(p)-1])
	if err == nil {
		err = syscall.ENOSPC
	}
	return n, err
}

func (f uncutFile) Truncate(int64) error { return syscall.EIO }

// TestALineThatLacksItsLineFeedAndStaysIsWritten: told that it is not in the file,
// a caller would append it again, and the next write makes an event of the first.
func TestALineThatLacksItsLineFeedAndStaysIsWritten(t *testing.T) {
	for _, events := range []int{1, 3} {
		s := newStory(t)
		disk := &uncutFS{FS: s.fs}
		log, err := auditlog.Open(s.path(), append(slices.Clone(s.opts), auditlog.WithFS(disk))...)
		if err != nil {
			t.Fatal(err)
		}
		s.log = log
		for i := range 3 {
			disk.full = i == 1
			if err := s.append(events); err != nil {
				t.Errorf("append %d of %d events: %v", i, events, err)
			}
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
		var want []int
		for n := range 3 * events {
			want = append(want, n)
		}
		if found, damage := s.found(); !slices.Equal(found, want) || damage > 0 {
			t.Errorf("found %v and %d damaged lines, want %v and none", found, damage, want)
		}
	}
}

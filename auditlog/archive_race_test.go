package auditlog_test

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/vfs"
	"github.com/otelaudit/otelaudit/internal/vfs/memfs"
)

// racingFS is a file system on which archives are compressed exactly while the
// folder is being read. Of names that come and go meanwhile readdir(3) need not
// return any, and here it does not.
type racingFS struct {
	*memfs.FS

	compressed chan struct{} // closed to let compressions begin
	racing     bool          // the next List is the one
}

func (f *racingFS) Open(name string, how vfs.How) (vfs.File, error) {
	if how == vfs.Read && strings.HasSuffix(name, ".jsonl") {
		<-f.compressed
	}
	return f.FS.Open(name, how)
}

func (f *racingFS) List(dir string) ([]string, error) {
	names, err := f.FS.List(dir)
	if err != nil || !f.racing {
		return names, err
	}
	f.racing = false
	close(f.compressed)
	synctest.Wait()
	return slices.DeleteFunc(names, func(name string) bool {
		_, err := f.Stat(filepath.Join(dir, name))
		return errors.Is(err, fs.ErrNotExist)
	}), nil
}

// TestArchiveThatIsCompressedWhileTheFolderIsListed keeps its name: the next one
// must not take it, or the reader would find one of both only.
func TestArchiveThatIsCompressedWhileTheFolderIsListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStory(t)
		disk := &racingFS{FS: s.fs, compressed: make(chan struct{})}
		log, err := auditlog.Open(s.path(), append(slices.Clone(s.opts), auditlog.WithFS(disk))...)
		if err != nil {
			t.Fatal(err)
		}
		for n := range 3 { // all in one second
			if err := log.Append(t.Context(), numbered("s", n)); err != nil {
				t.Fatal(err)
			}
			disk.racing = n == 1
			if err := log.Rotate(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if disk.racing {
			t.Error("nothing was listed")
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
		if found, damage := s.found(); !slices.Equal(found, []int{0, 1, 2}) || damage > 0 {
			t.Errorf("found %v, %d damaged; want 0, 1, 2; names %v", found, damage, s.fs.Names())
		}
	})
}

package vfs_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/otelaudit/otelaudit/internal/alloctest"
	"github.com/otelaudit/otelaudit/internal/vfs"
)

// TestALookFromAFolderIsThatAlongItsPath on a file system that is asked at once, if
// the folder for temporary files is on one, and on one that is not.
func TestALookFromAFolderIsThatAlongItsPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "folder")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	longest := strings.Repeat("x", 255)
	open := create(t, filepath.Join(dir, longest), "abc")
	create(t, filepath.Join(dir, "file"), "a")
	link := dir + "-link"
	if err := errors.Join(os.Symlink("file", filepath.Join(dir, "link")), os.Symlink(dir, link), os.Mkdir(filepath.Join(dir, "inner"), 0o700)); err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{dir, link, "/proc/self"} {
		folder := openFolder(t, at)
		for _, base := range []string{"file", longest, "link", "inner", "status", "nothing", longest + "x", "a\x00b"} {
			want, wantErr := vfs.OS{}.Stat(filepath.Join(at, base))
			got, err := folder.Stat(base)
			if got != want || (err == nil) != (wantErr == nil) || errors.Is(err, fs.ErrNotExist) != errors.Is(wantErr, fs.ErrNotExist) {
				t.Errorf("Stat(%s) in %s = %+v, %v, want %+v, %v", base, at, got, err, want, wantErr)
			}
		}
	}
	folder := openFolder(t, dir)
	want, err := open.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := folder.Stat(longest); err != nil || got != want {
		t.Errorf("Stat = %+v, %v, want what the open file tells: %+v", got, err, want)
	}
	if n := alloctest.PerRun(100, func() {
		if _, err := folder.Stat("file"); err != nil {
			t.Error(err)
		}
	}); n > 0 {
		t.Errorf("a look allocates %v times", n)
	}
}

func openFolder(t *testing.T, dir string) vfs.Folder {
	t.Helper()
	folder, err := vfs.OS{}.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := folder.Close(); err != nil {
			t.Error(err)
		}
	})
	return folder
}

// TestAFolderStaysTheSameOneWhenItIsMoved, and is empty when it was removed.
func TestAFolderStaysTheSameOneWhenItIsMoved(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "folder")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	file, err := create(t, filepath.Join(dir, "file"), "").Stat()
	if err != nil {
		t.Fatal(err)
	}
	folder := openFolder(t, dir)
	if err := errors.Join(os.Rename(dir, dir+"-moved"), os.Mkdir(dir, 0o700)); err != nil {
		t.Fatal(err)
	}
	create(t, filepath.Join(dir, "file"), "")
	if got, err := folder.Stat("file"); err != nil || !got.Same(file) {
		t.Errorf("Stat = %+v, %v, want that of the moved folder: %+v", got, err, file)
	}
	if err := os.RemoveAll(dir + "-moved"); err != nil {
		t.Fatal(err)
	}
	if got, err := folder.Stat("file"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Stat in a folder that was removed = %+v, %v", got, err)
	}
	for name, want := range map[string]error{dir + "-moved": fs.ErrNotExist, filepath.Join(dir, "file"): nil} {
		folder, err := vfs.OS{}.OpenFolder(name)
		if err == nil {
			t.Errorf("OpenFolder(%s) opened something", name)
			_ = folder.Close()
		} else if want != nil && !errors.Is(err, want) {
			t.Errorf("OpenFolder(%s) = %v, want %v", name, err, want)
		}
	}
}

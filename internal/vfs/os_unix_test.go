//go:build unix

package vfs_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/otelaudit/otelaudit/internal/vfs"
)

func create(t *testing.T, name, content string) vfs.File {
	t.Helper()
	f, err := vfs.OS{}.Open(name, vfs.Create)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
			t.Error(err)
		}
	})
	if _, err := f.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	return f
}

func wantContent(t *testing.T, name, want string) {
	t.Helper()
	if got, err := os.ReadFile(name); err != nil || string(got) != want {
		t.Errorf("%s holds %q, %v, want %q", filepath.Base(name), got, err, want)
	}
}

func TestRenameReplacesOnlyWhenTold(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	create(t, from, "new")
	create(t, to, "old")
	if err := (vfs.OS{}).Rename(from, to, false); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Rename onto a file = %v, want fs.ErrExist", err)
	}
	wantContent(t, from, "new")
	wantContent(t, to, "old")
	if err := (vfs.OS{}).Rename(from, filepath.Join(dir, "free"), false); err != nil {
		t.Errorf("Rename to a free name: %v", err)
	}
	if err := (vfs.OS{}).Rename(filepath.Join(dir, "free"), to, true); err != nil {
		t.Errorf("Rename that replaces: %v", err)
	}
	wantContent(t, to, "new")
	if err := (vfs.OS{}).Rename(from, to, false); !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrExist) {
		t.Errorf("Rename of nothing = %v, want an error", err)
	}
	if names, err := (vfs.OS{}).List(dir); err != nil || len(names) != 1 || names[0] != "to" {
		t.Errorf("List = %q, %v, want the one file", names, err)
	}
}

// TestRenameWithoutTheFlagReplacesNothing is about file systems that do not
// know RENAME_NOREPLACE.
func TestRenameWithoutTheFlagReplacesNothing(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	create(t, from, "new")
	create(t, to, "old")
	if err := vfs.RenameChecked(from, to); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v, want fs.ErrExist", err)
	}
	wantContent(t, to, "old")
	if err := vfs.RenameChecked(from, filepath.Join(dir, "free")); err != nil {
		t.Error(err)
	}
	wantContent(t, filepath.Join(dir, "free"), "new")
}

func TestAppendRefusesWhatCouldLeadTheLogElsewhere(t *testing.T) {
	dir := t.TempDir()
	name := func(base string) string { return filepath.Join(dir, base) }
	create(t, name("file"), "")
	if err := errors.Join(
		os.Symlink(name("file"), name("link")),
		os.Symlink(name("nothing"), name("dangling")),
		syscall.Mkfifo(name("fifo"), 0o600),
		os.Mkdir(name("folder"), 0o700),
	); err != nil {
		t.Fatal(err)
	}
	for base, want := range map[string]string{
		"link":     "symbolic link to " + name("file"),
		"dangling": "symbolic link to " + name("nothing"),
		"fifo":     "not a regular file", // and opening it does not hang
		"folder":   "directory",
	} {
		f, err := vfs.OS{}.Open(name(base), vfs.Append)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Open(%s, Append) = %v, want an error with %q", base, err, want)
		}
		if err == nil {
			_ = f.Close()
		}
		if f, err := (vfs.OS{}).Open(name(base), vfs.Create); !errors.Is(err, fs.ErrExist) {
			t.Errorf("Open(%s, Create) = %v, %v, want fs.ErrExist", base, f, err)
		}
	}
	if _, err := os.Lstat(name("nothing")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a dangling link was followed")
	}
}

func TestAppendRefusesTheFileOfAnotherUser(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	create(t, name, "")
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	if err := os.Chown(name, 12345, -1); err != nil {
		t.Fatal(err)
	}
	f, err := vfs.OS{}.Open(name, vfs.Append)
	if err == nil || !strings.Contains(err.Error(), "belongs to user 12345") {
		t.Errorf("Open = %v, want an error that names the owner", err)
	}
	if err == nil {
		_ = f.Close()
	}
}

func TestCreatedFilesArePrivateAndAppendedTo(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	create(t, name, "one")
	other, err := vfs.OS{}.Open(name, vfs.Append)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close() //nolint:errcheck // its content is the test
	if _, err := other.Write([]byte("two")); err != nil {
		t.Fatal(err)
	}
	wantContent(t, name, "onetwo")
	info, err := other.Stat()
	if err != nil || info.Mode != 0o600 || info.Size != 6 || info.Links != 1 {
		t.Errorf("Stat = %+v, %v, want mode 0600, 6 bytes, one name", info, err)
	}
}

// TestStatTellsOneFileFromAnother, by whatever name, and not of what a link
// leads to.
func TestStatTellsOneFileFromAnother(t *testing.T) {
	dir := t.TempDir()
	name, second, link := filepath.Join(dir, "file"), filepath.Join(dir, "second"), filepath.Join(dir, "link")
	f := create(t, name, "x")
	create(t, filepath.Join(dir, "other"), "x")
	if err := errors.Join((vfs.OS{}).Link(name, second), os.Symlink(name, link)); err != nil {
		t.Fatal(err)
	}
	open, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	for at, want := range map[string]bool{name: true, second: true, link: false, filepath.Join(dir, "other"): false} {
		if info, err := (vfs.OS{}).Stat(at); err != nil || info.Same(open) != want {
			t.Errorf("Stat(%s) tells of the open file: %v, %v, want %v", filepath.Base(at), info.Same(open), err, want)
		}
	}
	if open.Links != 2 {
		t.Errorf("%d names, want 2", open.Links)
	}
	// Longer than what the system call without allocation has room for.
	long := dir + strings.Repeat("/.", 200) + "/file"
	if info, err := (vfs.OS{}).Stat(long); err != nil || !info.Same(open) {
		t.Errorf("Stat of a long path: %v", err)
	}
	for _, bad := range []string{"", "a\x00b", filepath.Join(dir, "nothing")} {
		if _, err := (vfs.OS{}).Stat(bad); err == nil {
			t.Errorf("Stat(%q) = nil", bad)
		}
	}
}

func TestLockIsExclusiveUntilItsHolderLetsGo(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	first := create(t, name, "")
	second, err := vfs.OS{}.Open(name, vfs.Append)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close() //nolint:errcheck // it was not written to
	take := func(f vfs.File, want bool) {
		t.Helper()
		if free, err := f.Lock(false); err != nil || free != want {
			t.Errorf("Lock = %v, %v, want %v", free, err, want)
		}
	}
	take(first, true)
	take(first, true) // it has it
	take(second, false)
	if err := first.Unlock(); err != nil {
		t.Error(err)
	}
	take(second, true)
	waited := make(chan error, 1)
	go func() {
		_, err := first.Lock(true)
		waited <- err
	}()
	if err := second.Close(); err != nil { // lets go, like the end of its process
		t.Fatal(err)
	}
	if err := <-waited; err != nil {
		t.Errorf("Lock = %v when its holder let go", err)
	}
}

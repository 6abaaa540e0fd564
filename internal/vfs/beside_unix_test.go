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

// stranger is a user that owns no file.
const stranger = 12345

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func ownerOf(t *testing.T, name string) uint32 {
	t.Helper()
	info, err := os.Lstat(name)
	must(t, err)
	return info.Sys().(*syscall.Stat_t).Uid
}

func TestBesideRefusesWhatIsNoFileOfTheLog(t *testing.T) {
	dir := t.TempDir()
	name := func(base string) string { return filepath.Join(dir, base) }
	create(t, name("log"), "")
	create(t, name("precious"), "precious")
	create(t, name("second"), "")
	must(t,
		os.Symlink(name("precious"), name("link")),
		os.Symlink(name("nothing"), name("dangling")),
		os.Symlink("loop", name("loop")),
		syscall.Mkfifo(name("fifo"), 0o600),
		os.Mkdir(name("folder"), 0o700),
		os.Link(name("second"), name("third")),
	)
	beside := vfs.NewBeside(name("log"))
	wants := map[string]string{
		"link":     "symbolic link to " + name("precious"),
		"dangling": "symbolic link to " + name("nothing"),
		"loop":     "symbolic link to loop",
		"fifo":     "a FIFO and not a regular file",
		"folder":   "a directory and not a regular file",
	}
	if os.Geteuid() == 0 {
		create(t, name("stranger"), "")
		must(t, os.Chown(name("stranger"), stranger, -1))
		wants["stranger"] = "belongs to user 12345"
	}
	expect := func(how, base, want string, f *os.File, err error) {
		t.Helper()
		refused, ok := errors.AsType[*vfs.RefusedError](err)
		if !ok || refused.Path != name(base) || !strings.Contains(refused.Reason, want) {
			t.Errorf("%s(%s) = %v, %v, want a RefusedError with %q", how, base, f, err, want)
		}
	}
	for base, want := range wants {
		f, err := beside.Open(name(base))
		expect("Open", base, want, f, err)
		f, err = beside.Append(name(base))
		expect("Append", base, want, f, err)
		if f, err := beside.Create(name(base)); !errors.Is(err, fs.ErrExist) {
			t.Errorf("Create(%s) = %v, %v, want fs.ErrExist", base, f, err)
		}
		if f, err := (vfs.OS{}).Open(name(base), vfs.Read); err == nil {
			t.Errorf("Open(%s, Read) = %v, want an error", base, f)
		}
	}
	f, err := beside.Append(name("third"))
	expect("Append", "third", "second name", f, err)
	wantContent(t, name("precious"), "precious")
	if _, err := os.Lstat(name("nothing")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a dangling link was followed")
	}
}

func TestALinkAtTheLogIsFollowedByReaders(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	create(t, filepath.Join(dir, "log"), "content")
	must(t, os.Symlink("log", link))
	f, err := vfs.NewBeside(link).Open(link)
	if err != nil {
		t.Fatal(err)
	}
	must(t, f.Close())
}

func TestFilesOfTheOwnersOfTheLogAreRead(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	log, archive := filepath.Join(dir, "log"), filepath.Join(dir, "archive")
	create(t, log, "")
	create(t, archive, "")
	beside := vfs.NewBeside(log)
	must(t, os.Chown(archive, stranger, -1))
	if f, err := beside.Open(archive); err == nil {
		t.Errorf("Open = %v, want the file of a stranger to be refused", f)
	}
	for _, owned := range []string{log, dir} {
		must(t, os.Chown(owned, stranger, -1))
		f, err := beside.Open(archive)
		if err != nil {
			t.Errorf("%s belongs to the owner of the archive: %v", owned, err)
			continue
		}
		must(t, f.Close(), os.Chown(owned, 0, -1))
	}
}

func TestTheOwnerOfTheLogOwnsWhatRootMakes(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	beside := vfs.NewBeside(log)
	must(t, os.Chown(dir, stranger, -1))
	open := func(base string, how func(string) (*os.File, error), want uint32) {
		t.Helper()
		name := filepath.Join(dir, base)
		f, err := how(name)
		if err != nil {
			t.Error(err)
			return
		}
		must(t, f.Close())
		if got := ownerOf(t, name); got != want {
			t.Errorf("%s belongs to user %d, want %d", base, got, want)
		}
	}
	open("without a log", beside.Create, stranger)
	create(t, log, "")
	must(t, os.Chown(log, stranger+1, -1))
	open("appended", beside.Append, stranger+1)
	open("made", beside.Create, stranger+1)
	// A file that exists keeps its owner: it could be a link to a file of root.
	create(t, filepath.Join(dir, "old"), "")
	open("old", beside.Append, 0)
}

func TestErrorsNameARenamedFileByItsPath(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	f := create(t, name+".next", "")
	must(t, os.Rename(name+".next", name))
	f.Renamed(name)
	must(t, f.Close())
	_, writeErr := f.Write([]byte("x"))
	_, readErr := f.ReadAt(make([]byte, 1), 0)
	_, statErr := f.Stat()
	_, lockErr := f.Lock(false)
	for what, err := range map[string]error{
		"write": writeErr, "read": readErr, "fstat": statErr, "lock": lockErr,
		"sync": f.Sync(), "truncate": f.Truncate(0), "chmod": f.Chmod(0o600),
	} {
		if at, ok := errors.AsType[*fs.PathError](err); !ok || at.Path != name {
			t.Errorf("%s: got %v, want an error that names %s", what, err, name)
		}
	}
}

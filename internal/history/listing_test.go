package history

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"

	"github.com/otelaudit/otelaudit/internal/archive"
	"github.com/otelaudit/otelaudit/internal/scan"
)

// steppedFolder does something before each step of settle.
type steppedFolder struct {
	*Log
	before func()
}

func (f steppedFolder) openActive() (*os.File, error) {
	f.before()
	return f.Log.openActive()
}

func (f steppedFolder) listArchives() ([]listedArchive, error) {
	f.before()
	return f.Log.listArchives()
}

func (f steppedFolder) isActive(file *os.File) (bool, error) {
	f.before()
	return f.Log.isActive(file)
}

func (f steppedFolder) isArchive(a listedArchive, file *os.File, deep bool) (bool, error) {
	f.before()
	return f.Log.isArchive(a, file, deep)
}

// TestListingSeesEveryEventOnceWhereverRotationsFall takes a snapshot while
// rotations and compressions go on beside it, each of their steps before or
// behind each of its own.
func TestListingSeesEveryEventOnceWhereverRotationsFall(t *testing.T) {
	t.Parallel()
	const steps = 8
	for rename := range steps {
		for create := rename; create < steps; create++ {
			for compress := rename; compress <= steps; compress++ {
				for rotations := 1; rotations <= 3; rotations++ {
					t.Run(fmt.Sprint(rename, create, compress, rotations), func(t *testing.T) {
						checkListing(t, rename, create, compress, rotations)
					})
				}
			}
		}
	}
}

// checkListing rotates before the rename-th step of settle, makes the new file
// before the create-th and goes on with further rotations at once, and
// compresses what was rotated before the compress-th.
func checkListing(t *testing.T, rename, create, compress, rotations int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	r := logAt(path)
	written := 0
	begin := func() {
		if err := os.WriteFile(path, fmt.Appendf(nil, "{\"n\":%d}\n", written), 0o600); err != nil {
			t.Fatal(err)
		}
		written++
	}
	archived := 0
	rotate := func() {
		archived++
		name := archive.ID{Stamp: "20260213_143022", N: archived}.PlainName(r.Stem)
		if err := os.Rename(path, filepath.Join(r.Dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	begin()
	rotate()
	begin()
	atLeast := written

	step := 0
	archives, active, err := listConsistent(t.Context(), steppedFolder{r, func() {
		if step == rename {
			rotate()
		}
		if step == create {
			begin()
			for range rotations - 1 {
				rotate()
				begin()
			}
		}
		if step == compress {
			compressAll(t, r.Dir)
		}
		step++
	}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := r.newSnapshot(archives, active)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // read only
	n := 0
	for _, f := range s.Files() {
		c, err := f.Content(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(c)
		if err := errors.Join(err, c.Close()); err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("{\"n\":%d}\n", n); string(got) != want {
			t.Errorf("file %d holds %q, want %q", n, got, want)
		}
		n++
	}
	if n < atLeast {
		t.Errorf("got %d events, want the %d that were there before", n, atLeast)
	}
	if step > 40 {
		t.Errorf("it took %d steps", step)
	}
}

// blinkingFolder misses the newest archive in every other listing, as one may
// whose plain form gives way to its compressed one while the folder is listed.
type blinkingFolder struct {
	*Log
	misses int // the listing, 0 or 1, of each two
	lists  int
}

func (f *blinkingFolder) listArchives() ([]listedArchive, error) {
	list, err := f.Log.listArchives()
	if f.lists%2 == f.misses {
		list = list[:len(list)-1]
	}
	f.lists++
	return list, err
}

func TestListingSeesAnArchiveThatOneListingMisses(t *testing.T) {
	for misses := range 2 {
		dir := t.TempDir()
		r := logAt(filepath.Join(dir, "audit.jsonl"))
		for _, name := range []string{"audit.jsonl", "audit_20260213_143022.jsonl", "audit_20260213_143023.jsonl.gz"} {
			if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		archives, active, err := listConsistent(t.Context(), &blinkingFolder{Log: r, misses: misses})
		if err != nil || len(archives) != 2 {
			t.Errorf("listing %d misses one: got %v, %v, want two archives", misses, archives, err)
		}
		if err := closeFile(active); err != nil {
			t.Error(err)
		}
	}
}

// busyFolder rotates and compresses the active file whenever it was opened.
type busyFolder struct {
	*Log
	opened func()
	opens  int
}

func (f *busyFolder) openActive() (*os.File, error) {
	f.opens++
	file, err := f.Log.openActive()
	f.opened()
	return file, err
}

func TestListingKeepsUpWithFilesThatAreCompressedAtOnce(t *testing.T) {
	dir := t.TempDir()
	r := logAt(filepath.Join(dir, "audit.jsonl"))
	written := 0
	begin := func() {
		if err := os.WriteFile(r.Path, fmt.Appendf(nil, "{\"n\":%d}\n", written), 0o600); err != nil {
			t.Fatal(err)
		}
		written++
	}
	begin()
	f := &busyFolder{Log: r, opened: func() {
		name := archive.ID{Stamp: "20260213_143022", N: written}.PlainName(r.Stem)
		if err := os.Rename(r.Path, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		compressAll(t, dir)
		begin()
	}}
	archives, active, err := listConsistent(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	defer active.Close() //nolint:errcheck // read only
	content, err := io.ReadAll(active)
	if want := fmt.Sprintf("{\"n\":%d}\n", len(archives)); err != nil || string(content) != want || f.opens > 2 {
		t.Errorf("got %d archives and %q after %d attempts, %v; want %q behind them, after 2", len(archives), content, f.opens, err, want)
	}
}

// compressAll replaces the plain archives in dir by compressed ones.
func compressAll(t *testing.T, dir string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "audit_*.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		w := gzip.NewWriter(&b)
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(w.Close(), os.WriteFile(name+".gz", []byte(b.String()), 0o600), os.Remove(name)); err != nil {
			t.Fatal(err)
		}
	}
}

// scriptedFolder answers as its functions say.
type scriptedFolder struct {
	open func() (*os.File, error)
	list func() ([]listedArchive, error)
}

func (f scriptedFolder) openActive() (*os.File, error) { return f.open() }

func (f scriptedFolder) listArchives() ([]listedArchive, error) { return f.list() }

func (f scriptedFolder) isActive(*os.File) (bool, error) { return false, nil }

func (f scriptedFolder) isArchive(listedArchive, *os.File, bool) (bool, error) { return false, nil }

func TestListingEnds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	other := func() (*os.File, error) { return os.Open(path) }
	none := func() (*os.File, error) { return nil, fs.ErrNotExist }
	still := func() ([]listedArchive, error) { return nil, nil }
	if _, _, err := listConsistent(t.Context(), scriptedFolder{other, still}); err == nil {
		t.Error("an active file that is always another one is no error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := listConsistent(ctx, scriptedFolder{other, still}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	broken := errors.New("broken")
	failing := func() ([]listedArchive, error) { return nil, broken }
	if _, _, err := listConsistent(t.Context(), scriptedFolder{none, failing}); !errors.Is(err, broken) {
		t.Errorf("got %v, want the error of the listing", err)
	}
	noOpen := func() (*os.File, error) { return nil, broken }
	if _, _, err := listConsistent(t.Context(), scriptedFolder{noOpen, still}); !errors.Is(err, broken) {
		t.Errorf("got %v, want the error of opening %s", err, path)
	}
	if _, _, err := listConsistent(t.Context(), scriptedFolder{none, still}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want fs.ErrNotExist", err)
	}
}

// TestARotationThatIsUndoneChangesNothing looks while the active file has its
// archive's name, and lists when it has its own again.
func TestARotationThatIsUndoneChangesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	if err := os.WriteFile(path, []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := logAt(path)
	s, err := r.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	again, err := r.openActive()
	if err != nil {
		t.Fatal(err)
	}
	next, err := s.succeed(t.Context(), scan.Cursor{Offset: 3, Line: 1}, nil, again)
	if err != nil {
		t.Fatal(err)
	}
	if next.active != s.active || next.Change() != Unchanged || next.From().Offset != 3 || len(next.Files()) != 1 {
		t.Errorf("got %v from %v, want the same file, unchanged", next.Change(), next.From())
	}
	if err := errors.Join(again.Close(), next.Close()); err != nil {
		t.Error(err)
	}
}

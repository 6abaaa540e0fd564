package auditlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// TestSettleSeesEveryEventOnceWhereverRotationsFall takes a snapshot while
// rotations go on beside it, each of their steps before or behind each of its
// own.
func TestSettleSeesEveryEventOnceWhereverRotationsFall(t *testing.T) {
	const steps = 12 // of settle; each rotation has two
	for rename := range steps {
		for create := rename; create < steps; create++ {
			for rotations := 1; rotations <= 3; rotations++ {
				t.Run(fmt.Sprint(rename, create, rotations), func(t *testing.T) {
					checkSettle(t, rename, create, rotations)
				})
			}
		}
	}
}

// checkSettle rotates before the rename-th step of settle, makes the new file
// before the create-th, and goes on with further rotations at once.
func checkSettle(t *testing.T, rename, create, rotations int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	r := newReader(path, newReaderConfig(nil))
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
		name := archiveID{"20260213_143022", archived}.plainName(r.stem)
		if err := os.Rename(path, filepath.Join(r.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	begin()
	rotate()
	begin()

	step := 0
	next := func() {
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
		step++
	}
	list := func() ([]archive, error) {
		next()
		return r.listArchives()
	}
	open := func() (*os.File, error) {
		next()
		return openRegular(path)
	}
	atLeast := written
	archives, active, err := settle(t.Context(), list, open)
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
		c, err := f.Content()
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
}

func TestSettleEnds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	n := 0
	everChanging := func() ([]archive, error) {
		n++
		return []archive{{id: archiveID{n: n}}}, nil
	}
	none := func() (*os.File, error) { return nil, fs.ErrNotExist }
	if _, _, err := settle(t.Context(), everChanging, none); err == nil {
		t.Error("archives that keep changing are no error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := settle(ctx, everChanging, none); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	broken := errors.New("broken")
	failing := func() ([]archive, error) { return nil, broken }
	if _, _, err := settle(t.Context(), failing, none); !errors.Is(err, broken) {
		t.Errorf("got %v, want the error of the listing", err)
	}
	still := func() ([]archive, error) { return nil, nil }
	noOpen := func() (*os.File, error) { return nil, broken }
	if _, _, err := settle(t.Context(), still, noOpen); !errors.Is(err, broken) {
		t.Errorf("got %v, want the error of opening %s", err, path)
	}
}

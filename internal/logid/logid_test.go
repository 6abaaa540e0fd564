package logid_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/otelaudit/otelaudit/internal/logid"
)

func Example() {
	a, err := logid.Of("audit.jsonl")
	b, _ := logid.Of("./audit.jsonl") // the same error
	fmt.Println(a == b, err == nil || errors.Is(err, errors.ErrUnsupported))
	// Output: true true
}

func of(t *testing.T, path string) string {
	t.Helper()
	id, err := logid.Of(path)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip("this system does not number its boots")
	}
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(id) {
		t.Errorf("got the id %q", id)
	}
	return id
}

func TestAllPathsToALogHaveOneID(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a", "audit.jsonl")
	for _, err := range []error{
		os.Mkdir(filepath.Dir(path), 0o700), os.Symlink("a", filepath.Join(dir, "b")), os.Symlink("a/audit.jsonl", filepath.Join(dir, "c.jsonl")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	want := of(t, path) // there is no file yet
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	for _, other := range []string{path, "a/audit.jsonl", "b/audit.jsonl", "c.jsonl", dir + "/b/../a/audit.jsonl"} {
		if got := of(t, other); got != want {
			t.Errorf("%s has the id %s, want %s", other, got, want)
		}
	}
	// A rotation changes nothing.
	if err := os.Rename(path, filepath.Join(dir, "a", "audit_20260101_000000.jsonl")); err != nil {
		t.Fatal(err)
	}
	if got := of(t, "b/audit.jsonl"); got != want {
		t.Errorf("got the id %s after a rotation, want %s", got, want)
	}
	for _, other := range []string{"a/other.jsonl", "audit.jsonl"} {
		if got := of(t, other); got == want {
			t.Errorf("%s has the id of another log", other)
		}
	}
}

func TestALogWithoutAFolderHasNoID(t *testing.T) {
	of(t, filepath.Join(t.TempDir(), "audit.jsonl"))
	if id, err := logid.Of(filepath.Join(t.TempDir(), "gone", "audit.jsonl")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %q, %v, want fs.ErrNotExist", id, err)
	}
}

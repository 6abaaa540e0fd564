//go:build unix

package torture

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/otelaudit/otelaudit/auditlog"
)

// TestAFIFOAtThePathIsRefused would hang if Open waited for a reader of it.
func TestAFIFOAtThePathIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), activeName)
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, path, path)
}

// TestASymlinkAtThePathIsRefusedWithItsTarget also holds that nothing is
// written through it.
func TestASymlinkAtThePathIsRefusedWithItsTarget(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "elsewhere.jsonl")
	if err := os.WriteFile(target, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, activeName)
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
	refused(t, path, target)
	if text, err := os.ReadFile(target); err != nil || len(text) > 0 {
		t.Errorf("the target holds %q, %v; want nothing", text, err)
	}
}

// refused fails the test unless the log at path cannot be opened, for a reason
// that names what it is about.
func refused(t *testing.T, path, about string) {
	t.Helper()
	log, err := auditlog.Open(path)
	if err == nil {
		t.Fatalf("it was opened; close it: %v", log.Close())
	}
	if !strings.Contains(err.Error(), about) {
		t.Errorf("the error does not name %s: %v", about, err)
	}
}

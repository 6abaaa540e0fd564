package auditlog_test

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/disktest"
)

// TestAFullDiskNamesTheActiveFile holds it of a file that a rotation made under
// another name.
func TestAFullDiskNamesTheActiveFile(t *testing.T) {
	disk := disktest.NewTmpfs(t, "256K")
	log, err := auditlog.Open(filepath.Join(disk.Dir, "audit.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	event := numbered("w", 0)
	mustAll(t, log.Append(t.Context(), event), log.Rotate(t.Context()))
	event.Reason = strings.Repeat("x", 10<<10)
	for range 100 {
		if err = log.Append(t.Context(), event); err != nil {
			break
		}
	}
	at, ok := errors.AsType[*fs.PathError](err)
	if !errors.Is(err, syscall.ENOSPC) || !ok || at.Path != log.Path() {
		t.Errorf("got %v, want ENOSPC that names %s", err, log.Path())
	}
	_ = log.Close() // the disk is full
}

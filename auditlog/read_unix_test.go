//go:build unix

package auditlog_test

import (
	"path/filepath"
	"syscall"
	"testing"
)

func TestFIFODoesNotHangAReader(t *testing.T) {
	r := putLog(t, map[string]string{archiveName: "{}\n"})
	if err := syscall.Mkfifo(filepath.Join(filepath.Dir(onlyFile(t, r)), activeName), 0o600); err != nil {
		t.Fatal(err)
	}
	expectError(t, r)
}

package auditlog_test

import (
	"bytes"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/vfs"
)

// placedFS is the real file system, said to be of another kind.
type placedFS struct {
	vfs.OS

	kind string
	err  error
}

func (f placedFS) UntrustedLocks(string) (string, error) { return f.kind, f.err }

func TestOpenWarnsWhereLocksMayNotHold(t *testing.T) {
	for name, test := range map[string]struct {
		fs   placedFS
		want string
	}{
		"local":   {placedFS{}, ""},
		"NFS":     {placedFS{kind: "NFS"}, "file_system=NFS"},
		"SMB":     {placedFS{kind: "SMB"}, "file_system=SMB"},
		"unknown": {placedFS{err: errors.New("no statfs")}, "no statfs"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			path := filepath.Join(t.TempDir(), "audit.jsonl")
			log, err := auditlog.Open(path, auditlog.WithFS(test.fs), auditlog.WithLogger(slog.New(slog.NewTextHandler(&out, nil))))
			if err != nil {
				t.Fatalf("Open = %v; it warns, and goes on", err)
			}
			if err := log.Append(t.Context(), numbered("w", 0)); err != nil {
				t.Error(err)
			}
			if err := log.Close(); err != nil {
				t.Error(err)
			}
			got := out.String()
			if test.want == "" && got != "" || test.want != "" && (!strings.Contains(got, "level=WARN") || !strings.Contains(got, test.want)) {
				t.Errorf("the logger got %q, want a warning with %q", got, test.want)
			}
		})
	}
}

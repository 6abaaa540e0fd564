package auditlog_test

import (
	"bytes"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/otelaudit/otelaudit/auditlog"
)

func TestOpenWarnsWhereLocksMayNotHold(t *testing.T) {
	for name, test := range map[string]struct {
		fs   placedDisk
		want string
	}{
		"local":   {placedDisk{}, ""},
		"NFS":     {placedDisk{kind: "NFS"}, "file_system=NFS"},
		"SMB":     {placedDisk{kind: "SMB"}, "file_system=SMB"},
		"unknown": {placedDisk{err: errors.New("no statfs")}, "no statfs"},
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

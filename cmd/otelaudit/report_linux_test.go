package main

import (
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/disktest"
	"github.com/otelaudit/otelaudit/internal/history"
	"github.com/otelaudit/otelaudit/internal/report"
	"github.com/otelaudit/otelaudit/internal/scan"
)

func TestAFullDiskNamesTheReportOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	log, err := auditlog.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	file := filepath.Join(disktest.NewTmpfs(t, "16K").Dir, "report.html")
	err = writeReport(t.Context(), file, path, history.New(scan.NewSource(path, slog.New(slog.DiscardHandler), scan.DefaultMaxLine), false), report.Options{})
	if want := "write " + file + ": no space left on device"; err == nil || strings.Count(err.Error(), want) != 1 || strings.Contains(err.Error(), ".tmp") {
		t.Errorf("got %v, want once %q, and no temporary file", err, want)
	}
}

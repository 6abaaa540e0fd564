package main

import (
	"bytes"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestWarningsAreLinesForPeople(t *testing.T) {
	var out bytes.Buffer
	h := newWarnings(&out)
	logger := slog.New(h)
	logger.Debug("not said")
	logger.Info("collector answers again")
	logger.Warn("auditlog: skipping damaged line", slog.Int("line", 3), slog.String("reason", "torn line\x1b[31m"))
	logger.With(slog.Int("a", 1)).WithGroup("g").Error("sync", slog.Duration("wait", 1234567*time.Microsecond), slog.Int("level", 2))
	want := "otelaudit: collector answers again \n" +
		"otelaudit: warning: skipping damaged line line=3 reason=\"torn line\\x1b[31m\"\n" +
		"otelaudit: error: sync a=1 g.wait=1.235s g.level=2\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	if got := h.count(); got != 2 {
		t.Errorf("got %d warnings, want 2", got)
	}
}

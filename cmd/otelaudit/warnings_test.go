package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// One damaged archive must not bury everything else that is said.
func TestDamageBeyondTheFirstLinesOfAFileIsSummedUp(t *testing.T) {
	var out bytes.Buffer
	h := newWarnings(&out)
	logger := slog.New(h)
	damage := func(file string, lines int) {
		for line := range lines {
			logger.Warn("auditlog: skipping damaged line", slog.String("file", file), slog.Int("line", line+1), slog.Int("offset", 0), slog.String("reason", "x"))
		}
	}
	damage("a", 1302)
	damage("b", 5)
	// The warnings of a replay about what a collector rejects are not damage.
	for range maxDamaged + 1 {
		logger.Warn("rejected", slog.String("file", "b"), slog.Int("line", 1), slog.Int("offset", 2), slog.String("reason", "y"), slog.Int("status", 400))
	}
	damage("c\x1b", 6)
	if err := h.end(); err != nil {
		t.Fatal(err)
	}
	if err := h.end(); err != nil { // says nothing twice
		t.Fatal(err)
	}
	var want strings.Builder
	lines := func(file string, n int) {
		for i := range n {
			fmt.Fprintf(&want, "otelaudit: warning: skipping damaged line file=%s line=%d offset=0 reason=x\n", file, i+1)
		}
	}
	lines("a", 5)
	want.WriteString("otelaudit: warning: and 1,297 more in a; otelaudit verify lists all\n")
	lines("b", 5)
	want.WriteString(strings.Repeat("otelaudit: warning: rejected file=b line=1 offset=2 reason=y status=400\n", maxDamaged+1))
	lines(`"c\x1b"`, 5)
	want.WriteString("otelaudit: warning: and 1 more in c\\x1b; otelaudit verify lists all\n")
	if diff := cmp.Diff(want.String(), out.String()); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	if got, want := h.count(), int64(1302+5+maxDamaged+1+6); got != want {
		t.Errorf("got %d warnings, want %d", got, want)
	}
}

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

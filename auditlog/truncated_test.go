package auditlog_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/audittest"
)

// TestTruncationBehindTheLookAtTheFileIsNoError: who truncates takes no lock,
// so the file may be shorter when its end is read than when its size was.
func TestTruncationBehindTheLookAtTheFileIsNoError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	disk := newTruncatingDisk(t)
	log, err := auditlog.Open(path, auditlog.WithFS(disk))
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Append(t.Context(), numbered("w", 0)); err != nil {
		t.Fatal(err)
	}
	foreign, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := foreign.WriteString("{\"n\":1}\n"); err != nil {
		t.Fatal(err)
	}
	if err := foreign.Close(); err != nil {
		t.Fatal(err)
	}
	disk.armed = true // the end is read because another process wrote last
	if err := log.Append(t.Context(), numbered("w", 2)); err != nil {
		t.Error(err)
	}
	if disk.armed {
		t.Fatal("nothing was read, so nothing was truncated")
	}
	if err := log.Close(); err != nil {
		t.Error(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], `"truncated_length":`) || !strings.Contains(lines[1], `"n":2`) {
		t.Errorf("got %q, want an event that tells of the truncation, then event 2", lines)
	}
}

// TestATruncationIsToldThoughTheFileIsFullAtOnce: a sole owner looks at its file
// once a second, and fills it, or is told to rotate, in less.
func TestATruncationIsToldThoughTheFileIsFullAtOnce(t *testing.T) {
	for name, rotate := range map[string]func(t *testing.T, log *auditlog.Log){
		"full": func(t *testing.T, log *auditlog.Log) {
			for n := range 40 {
				if err := log.Append(t.Context(), numbered("w", 10+n)); err != nil {
					t.Fatal(err)
				}
			}
		},
		"told to": func(t *testing.T, log *auditlog.Log) {
			if err := log.Append(t.Context(), numbered("w", 10)); err != nil {
				t.Fatal(err)
			}
			if err := log.Rotate(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "audit.jsonl")
			log := audittest.Open(t, path, auditlog.WithSoleOwner(), auditlog.WithMaxFileSize(2000), auditlog.WithoutCadenceSync())
			for n := range 10 {
				if err := log.Append(t.Context(), numbered("w", n)); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Truncate(path, 0); err != nil {
				t.Fatal(err)
			}
			rotate(t, log)
			if log.Stats().Rotated == 0 {
				t.Fatal("nothing was rotated")
			}
			if err := log.Append(t.Context(), numbered("w", 99)); err != nil {
				t.Fatal(err)
			}
			told := 0
			for _, entry := range entries(t, log.Reader) {
				if strings.Contains(string(entry.Raw), `"truncated_length":`) {
					told++
				}
			}
			if told != 1 {
				t.Errorf("%d events tell of the truncation, want one", told)
			}
		})
	}
}

package audittest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/audittest"
)

// recorder stands for a test that may fail.
type recorder struct {
	testing.TB
	failures []string
	cleanups []func()
}

func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }

func TestOpenFailsTheTestForEachBadLine(t *testing.T) {
	for name, test := range map[string]struct {
		added string
		want  string // in the failures; none if empty
	}{
		"nothing":        {"", ""},
		"no event name":  {`{"ts":"2026-02-13T14:30:22.123Z","session_id":"s"}` + "\n", "event"},
		"spelling":       {`{"ts":"2026-02-13T14:30:22.123Z","event":"e","session_id":"s","a": 1}` + "\n", "byte 66"},
		"no line feed":   {`{"ts":"2026-02-13T14:30:22.123Z","event":"e","session_id":"s"}`, "line feed"},
		"damage is none": {"torn", ""},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "audit.jsonl")
			if err := os.WriteFile(path, []byte("{\"foreign\": 1}\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			r := &recorder{TB: t}
			log := audittest.Open(r, path, auditlog.WithMaxFileSize(100))
			for range 3 { // the foreign line ends in an archive
				if err := log.Append(t.Context(), auditlog.Event{Name: "good"}); err != nil {
					t.Fatal(err)
				}
			}
			f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteString(test.added); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			for _, cleanup := range r.cleanups {
				cleanup()
			}
			got := strings.Join(r.failures, "\n")
			if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
				t.Errorf("got failures %q, want %q in them", got, test.want)
			}
		})
	}
}

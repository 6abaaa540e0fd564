//go:build !race

package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/otelaudit/otelaudit/auditlog"
)

// block is what long lines repeat.
var block = bytes.Repeat([]byte("x"), 1<<20)

// runProcess runs the command as a process of its own, and returns what it said and
// the most memory that it held, in MiB.
func runProcess(t *testing.T, stdin io.Reader, args ...string) (stdout, stderr string, code int, peak int64) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "otelaudit")
	if err := os.Symlink(self, name); err != nil {
		t.Fatal(err)
	}
	var out, said bytes.Buffer
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &out, &said
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), said.String(), cmd.ProcessState.ExitCode(), cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss >> 10
}

// longLine writes a line with a string of so many MiB.
func longLine(t *testing.T, w io.Writer, mib int) {
	t.Helper()
	pieces := []string{`{"event":"long","reason":"`, string(block), `"}` + "\n"}
	for i, n := range []int{1, mib, 1} {
		for range n {
			if _, err := io.WriteString(w, pieces[i]); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A line of any length costs a reader no more memory than some of the longest line,
// which is 64 MiB, and the events around it are read.
func TestALineThatIsTooLongIsNotReadIntoMemory(t *testing.T) {
	const mib, most = 256, 350
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "audit_20260213_143022.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewWriterLevel(f, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second line shows that nothing is kept of the first
		if _, err := io.WriteString(z, `{"event":"nav"}`+"\n"); err != nil {
			t.Fatal(err)
		}
		longLine(t, z, mib)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "audit.jsonl")
	if err := os.WriteFile(path, []byte(`{"event":"nav"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tooLong := fmt.Sprintf("line longer than %d bytes", auditlog.DefaultMaxLine)
	for verb, want := range map[string]struct {
		code   int
		events string // in stdout, three times
		damage string
	}{
		"query": {1, `{"event":"nav"}`, "damaged line"}, "verify": {1, "", tooLong}, "report": {1, "", "damaged line"},
	} {
		args := []string{verb, "--path", path}
		if verb == "report" {
			args = append(args, "-o", filepath.Join(dir, "report.html"))
		}
		stdout, stderr, code, peak := runProcess(t, nil, args...)
		t.Logf("%s held %d MiB", verb, peak)
		if peak > most {
			t.Errorf("%s: held %d MiB, want %d at most", verb, peak, most)
		}
		if code != want.code || !strings.Contains(stdout+stderr, want.damage) || want.events != "" && strings.Count(stdout, want.events) != 3 {
			t.Errorf("%s: got exit code %d\n%.1000s\n%.1000s", verb, code, stdout, stderr)
		}
	}
}

// A line of standard input that is too long costs itself only, and append holds no
// more of it than the longest line.
func TestAppendPassesOverALineThatIsTooLong(t *testing.T) {
	const mib, most = 400, 350
	for name, last := range map[string]string{"ended": "\n" + `{"event":"b"}` + "\n", "never ended": ""} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "audit.jsonl")
			in, feed := io.Pipe()
			go func() {
				_, err := io.WriteString(feed, `{"event":"a"}`+"\n")
				for i := 0; i < mib && err == nil; i++ {
					_, err = feed.Write(block)
				}
				if err == nil {
					_, err = io.WriteString(feed, last)
				}
				feed.CloseWithError(err)
			}()
			_, stderr, code, peak := runProcess(t, in, "append", "--path", path, "-")
			if peak > most {
				t.Errorf("held %d MiB, want %d at most", peak, most)
			}
			want := "line 2 of standard input is not appended: it is longer than 67108864 bytes, the longest line that a log takes: xxx"
			if code != 1 || !strings.Contains(stderr, want) || len(stderr) > 600 {
				t.Errorf("got exit code %d and %d bytes: %.600s", code, len(stderr), stderr)
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Count(string(text), "\n"); got != 1+min(1, len(last)) {
				t.Errorf("got %d lines in the log", got)
			}
		})
	}
}

// A list of spans in a file costs no more memory than some of the file: three bytes of it
// can be a span.
func TestTraceHoldsOnlyTheSpansOfTheTrace(t *testing.T) {
	const spans, most = 2_000_000, 150
	dir := t.TempDir()
	path, file := filepath.Join(dir, "audit.jsonl"), filepath.Join(dir, "spans.json")
	list := `{"resourceSpans":[{},{"scopeSpans":[{},{"spans":[` + strings.Repeat("{},", spans) + `{"traceId":"` + testTrace + `","spanId":"000000000000000a","name":"last"}]}]}]}`
	for name, text := range map[string]string{path: `{"event":"nav","trace_id":"` + testTrace + `"}` + "\n", file: list} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	stdout, stderr, code, peak := runProcess(t, nil, "trace", testTrace, "--path", path, "--spans", file)
	if peak > most {
		t.Errorf("held %d MiB, want %d at most", peak, most)
	}
	if code != codeDone || !strings.Contains(stdout, "span last 000000000000000a") {
		t.Errorf("got exit code %d and %q; %s", code, stdout, stderr)
	}
}

//go:build unix

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestTraceEndsWithTheFirstSignal reads its spans from a pipe to which nobody
// writes.
func TestTraceEndsWithTheFirstSignal(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		dir := t.TempDir()
		path, pipe := filepath.Join(dir, "audit.jsonl"), filepath.Join(dir, "spans")
		if err := os.WriteFile(path, []byte(`{"event":"e","trace_id":"`+testTrace+`"}`+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mkfifo(pipe, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "otelaudit", "trace", testTrace, "--path", path, "--spans", pipe)
		var errs bytes.Buffer
		cmd.Stderr = &errs
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// Open returns when the command has opened the other end.
		w, err := os.OpenFile(pipe, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); cmd.ProcessState.ExitCode() != codeFailed || !strings.Contains(errs.String(), "signal received") {
			t.Errorf("%v: got %v, %q, want exit code %d", sig, err, errs.String(), codeFailed)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
}

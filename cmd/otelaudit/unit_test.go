package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestTheUnitStartsAReplayThatFollows holds the systemd unit to the command's
// flags and, where systemd is, to systemd.
func TestTheUnitStartsAReplayThatFollows(t *testing.T) {
	unit, err := os.ReadFile(filepath.Join(repository, "packaging/systemd/otelaudit-replay.service"))
	if err != nil {
		t.Fatal(err)
	}
	start := regexp.MustCompile(`(?m)^ExecStart=(\S+/otelaudit) (.*)$`).FindSubmatch(unit)
	if start == nil {
		t.Fatal("the unit starts no otelaudit")
	}
	sh(t, "otelaudit "+string(start[2])+" --help > /dev/null")
	if !strings.Contains(" "+string(start[2])+" ", " --follow ") {
		t.Errorf("ExecStart=%s does not follow the log", start[0])
	}

	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Log("systemd is not here to look at the unit")
		return
	}
	program, err := exec.LookPath("otelaudit")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "otelaudit-replay.service")
	if err := os.WriteFile(path, []byte(strings.Replace(string(unit), string(start[1]), program, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), analyze, "verify", "--user", path) //nolint:gosec // found in the PATH
	cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+dir)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/otelaudit/otelaudit/collector/store/internal/program"
)

var (
	buildOtelaudit = sync.OnceValues(func() (string, error) { return build("../..", "./cmd/otelaudit") })
	buildDatabase  = sync.OnceValues(func() (string, error) { return build(".", program.VictoriaLogs) })
	buildFilelog   = sync.OnceValues(func() (string, error) { return build("../filelog", ".") })
)

// binaries is the folder for what is built, for all tests.
var binaries string

func build(moduleDir, pkg string) (string, error) {
	return program.Build(context.Background(), binaries, moduleDir, pkg)
}

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	if binaries, err = os.MkdirTemp("", "otelaudit-store-"); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(binaries)) }()
	return m.Run(), nil
}

func built(t *testing.T, build func() (string, error)) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// otelaudit runs the command with the arguments, and returns what it says on
// stdout and on stderr. Any end but exit code 0 fails the test.
func otelaudit(t *testing.T, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), built(t, buildOtelaudit), args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("otelaudit %s: %v\n%s%s", strings.Join(args, " "), err, &out, &errs)
	}
	return out.String(), errs.String()
}

// clean ends a server at the end of the test, if it is still there, and shows
// what it said if the test failed.
func clean(t *testing.T, s *program.Server) {
	t.Cleanup(func() {
		kill(t, s)
		if t.Failed() {
			t.Logf("a program said:\n%s", s.Said())
		}
	})
}

func kill(t *testing.T, s *program.Server) {
	t.Helper()
	if err := s.Kill(); err != nil {
		t.Errorf("kill: %v", err)
	}
}

func stop(t *testing.T, s *program.Server) {
	t.Helper()
	if err := s.Stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
}

// eventually waits for a condition that can only be asked for.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	tooLong := time.NewTimer(2 * time.Minute)
	defer tooLong.Stop()
	for !condition() {
		select {
		case <-poll.C:
		case <-t.Context().Done():
			t.Fatalf("%s: %v", what, context.Cause(t.Context()))
		case <-tooLong.C:
			t.Fatalf("%s: not within two minutes", what)
		}
	}
}

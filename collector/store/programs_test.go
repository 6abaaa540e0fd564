package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The programs are built without the race detector, whatever the tests are built
// with: a database is not ours to check.
var (
	buildOtelaudit = sync.OnceValues(func() (string, error) { return build("../..", "./cmd/otelaudit") })
	buildDatabase  = sync.OnceValues(func() (string, error) {
		return build(".", "github.com/VictoriaMetrics/VictoriaLogs/app/victoria-logs")
	})
	buildFilelog = sync.OnceValues(func() (string, error) { return build("../filelog", ".") })
)

// binaries is the folder for what is built.
var binaries string

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	if binaries, err = os.MkdirTemp("", "otelaudit-store"); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(binaries)) }()
	return m.Run(), nil
}

// build builds a program of the module in dir.
func build(dir, pkg string) (string, error) {
	out, err := os.MkdirTemp(binaries, "")
	if err != nil {
		return "", err
	}
	out = filepath.Join(out, "program")
	cmd := exec.CommandContext(context.Background(), "go", "build", "-o", out, pkg)
	cmd.Dir = dir
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s in %s: %w\n%s", pkg, dir, err, text)
	}
	return out, nil
}

func built(t *testing.T, program func() (string, error)) string {
	t.Helper()
	path, err := program()
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

// process is a server that runs.
type process struct {
	cmd  *exec.Cmd
	log  syncBuffer
	done chan struct{}
	err  error // how it ended; valid when done is closed
}

// startProcess starts a program, and kills it at the end of the test if it is
// still there.
func startProcess(t *testing.T, program string, env []string, args ...string) *process {
	t.Helper()
	p := &process{done: make(chan struct{})}
	p.cmd = exec.CommandContext(context.WithoutCancel(t.Context()), program, args...)
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		p.err = p.cmd.Wait()
	}()
	t.Cleanup(func() {
		p.kill(t)
		if t.Failed() {
			t.Logf("%s said:\n%s", filepath.Base(program), p.log.tail())
		}
	})
	return p
}

// kill ends the process as a machine that stops does: it finishes nothing.
func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("kill: %v", err)
	}
	<-p.done
}

// stop asks the process to end and waits until it has.
func (p *process) stop(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("terminate: %v", err)
	}
	<-p.done
	if p.err != nil {
		t.Errorf("terminate: %v\n%s", p.err, p.log.tail())
	}
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// syncBuffer is a buffer that a process writes and a test reads.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// tail returns the end of what was written.
func (b *syncBuffer) tail() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	text := b.buf.Bytes()
	return string(text[max(0, len(text)-4000):])
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

// freePort returns a host:port that nobody listens on now.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	return l.Addr().String()
}

// isUp reports whether an HTTP server answers 200 there.
func isUp(ctx context.Context, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	return resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
}

//go:build unix

package torture

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is a running writer.
type process struct {
	name   string
	ledger *ledger
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stderr bytes.Buffer
	heard  chan struct{} // closed when the pipe has ended: everything that was told is in the ledger

	tooOld   *time.Timer
	waitOnce sync.Once
	waitErr  error
}

// start starts a writer for j. What it is told goes to l.
func start(t *testing.T, l *ledger, j job) *process {
	t.Helper()
	return startUnder(t, l, j)
}

// startUnder starts a writer under a command that takes its command line, such
// as strace.
func startUnder(t *testing.T, l *ledger, j job, under ...string) *process {
	t.Helper()
	spec, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return startCommand(t, l, j, append(under, self), jobVariable+"="+string(spec))
}

// startCommand starts any program that does j and speaks like a writer.
func startCommand(t *testing.T, l *ledger, j job, args []string, env ...string) *process {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	l.open(j)
	p := &process{name: j.Name, ledger: l, heard: make(chan struct{})}
	// Not the context of the test: it would kill the writer before a cleanup
	// that wants to see it end.
	p.cmd = exec.CommandContext(context.WithoutCancel(t.Context()), args[0], args[1:]...)
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.ExtraFiles = []*os.File{write}
	p.cmd.Stderr = &p.stderr
	// A group of its own, so that what it was started under dies with it.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := write.Close(); err != nil {
		t.Fatal(err)
	}
	p.tooOld = time.AfterFunc(lifetime, func() {
		t.Errorf("%s is still there after %v; the errors that it was told: %q", p.name, lifetime, l.said())
		p.signal(t)
	})
	go p.hear(t, read)
	t.Cleanup(func() { p.kill(t) })
	return p
}

// hear puts what the writer says into the ledger.
func (p *process) hear(t *testing.T, read *os.File) {
	defer close(p.heard)
	defer p.ledger.left(p.name)
	defer func() { _ = read.Close() }()
	lines := bufio.NewScanner(read)
	for lines.Scan() {
		if err := p.ledger.enter(lines.Text()); err != nil {
			t.Errorf("%s: %v", p.name, err)
		}
	}
	if err := lines.Err(); err != nil {
		t.Errorf("%s: read the pipe: %v", p.name, err)
	}
}

// kill kills the writer, whatever it is doing, and returns when it is dead and
// everything it was told before is in the ledger.
func (p *process) kill(t *testing.T) {
	t.Helper()
	if p.cmd.ProcessState != nil {
		return // it has been waited for: its number may be another's by now
	}
	p.signal(t)
	_ = p.wait() // that it was killed is what was wanted
}

func (p *process) signal(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		t.Errorf("kill %s: %v", p.name, err)
	}
}

// finish tells the writer to stop and fails the test if it does not end well.
func (p *process) finish(t *testing.T) {
	t.Helper()
	if err := p.stdin.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		t.Errorf("stop %s: %v", p.name, err)
	}
	if err := p.wait(); err != nil {
		t.Errorf("%s: %v: %s", p.name, err, p.stderr.String())
	}
}

// finishAll lets the writer do all of its job, and fails the test if it does
// not end well.
func (p *process) finishAll(t *testing.T) {
	t.Helper()
	if err := p.wait(); err != nil {
		t.Errorf("%s: %v: %s", p.name, err, p.stderr.String())
	}
}

// lifetime is far more than any writer needs. One that hangs is killed, so that
// its test fails and cleans up before go test ends everything.
const lifetime = 5 * time.Minute

func (p *process) wait() error {
	p.waitOnce.Do(func() {
		<-p.heard
		p.tooOld.Stop() // before its number may become another's
		p.waitErr = p.cmd.Wait()
	})
	return p.waitErr
}

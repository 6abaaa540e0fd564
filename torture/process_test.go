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
	if err := syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		t.Errorf("kill %s: %v", p.name, err)
	}
	_ = p.wait() // that it was killed is what was wanted
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
// not end well or never does.
func (p *process) finishAll(t *testing.T) {
	t.Helper()
	stuck := time.AfterFunc(stuckAfter, func() {
		t.Errorf("%s is still not done after %v; it was told %q", p.name, stuckAfter, last(p.ledger.said()))
		_ = p.stdin.Close() // it stops, or is killed at the end of the test
	})
	defer stuck.Stop()
	if err := p.wait(); err != nil {
		t.Errorf("%s: %v: %s", p.name, err, p.stderr.String())
	}
}

// stuckAfter is far more than any job takes.
const stuckAfter = time.Minute

func last(said []string) string {
	if len(said) == 0 {
		return ""
	}
	return said[len(said)-1]
}

func (p *process) wait() error {
	p.waitOnce.Do(func() {
		<-p.heard // before Wait, which closes nothing of ours but ends the process's life
		p.waitErr = p.cmd.Wait()
	})
	return p.waitErr
}

//go:build unix

package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// terminal is a program at a pseudo terminal, and who sits there.
type terminal struct {
	t      *testing.T
	cmd    *exec.Cmd
	pty    *os.File
	output chan string
	seen   string // and not asked for yet
}

func startAtTerminal(t *testing.T, name string, args ...string) *terminal {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "OTELAUDIT_PATH="+filepath.Join(cmd.Dir, "audit.jsonl"), "PS1=$ ", "TERM=dumb", "LC_ALL=C", "HISTFILE=")
	f, err := pty.Start(cmd)
	if err != nil {
		t.Skipf("no pseudo terminal: %v", err)
	}
	x := &terminal{t: t, cmd: cmd, pty: f, output: make(chan string)}
	go func() {
		defer close(x.output)
		buf := make([]byte, 4096)
		for {
			n, err := f.Read(buf)
			if err != nil {
				return // EIO, when nobody has the terminal any more
			}
			x.output <- string(buf[:n])
		}
	}()
	t.Cleanup(func() {
		_ = f.Close()
		for range x.output { //nolint:revive // until the reader has ended
		}
	})
	return x
}

// types types keys.
func (x *terminal) types(keys string) {
	x.t.Helper()
	if _, err := x.pty.WriteString(keys); err != nil {
		x.t.Fatal(err)
	}
}

// sees waits for text.
func (x *terminal) sees(text string) {
	x.t.Helper()
	patience := time.After(time.Minute)
	for {
		if _, rest, ok := strings.Cut(x.seen, text); ok {
			x.seen = rest
			return
		}
		select {
		case more, ok := <-x.output:
			if !ok {
				x.t.Fatalf("the program ended; got %q, want %q", x.seen, text)
			}
			x.seen += more
		case <-patience:
			x.t.Fatalf("got %q, want %q", x.seen, text)
		}
	}
}

const (
	ctrlC = "\x03"
	ctrlD = "\x04"
	ctrlZ = "\x1a"
)

// TestGuardedCommandIsAJobOfTheShell has bash do to guard what people do to
// the jobs of an interactive shell.
func TestGuardedCommandIsAJobOfTheShell(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("bash is not installed")
	}
	x := startAtTerminal(t, bash, "--norc", "--noprofile", "-i")
	x.types("stty -echo\n")
	x.types("echo ready-$((40+2))\n")
	x.sees("ready-42")

	// It reads the terminal.
	x.types("otelaudit guard --max-per-day 1 -- sh -c 'echo begun; cat'\n")
	x.sees("begun")
	x.types("one\n")
	x.sees("one")

	// It stops and goes on, in a pipeline too.
	for range 2 {
		x.types(ctrlZ)
		x.sees("Stopped")
		x.types("echo shell-$((40+2))\n")
		x.sees("shell-42")
		x.types("fg\n")
		x.sees("otelaudit guard")
		x.types("again\n")
		x.sees("again")
	}

	// It is interrupted.
	x.types(ctrlC)
	x.sees("$ ")
	x.types("echo code-$?\n")
	x.sees("code-130")
	x.types("otelaudit guard --max-per-day 1 -- sh -c 'echo begun >&2; cat' | tr a-z A-Z\n")
	x.sees("begun")
	x.types("piped\n" + ctrlD)
	x.sees("PIPED")
	x.sees("$ ")

	// In the background it waits for the terminal.
	x.types("otelaudit guard --max-per-day 1 -- sh -c 'echo begun; cat' &\n")
	x.sees("begun")
	x.types("fg\n")
	x.sees("otelaudit guard")
	x.types("from behind\n")
	x.sees("from behind")
	x.types(ctrlD)
	x.sees("$ ")

	// The budget ends it, and the terminal is the shell's.
	x.types("otelaudit guard --max-per-day 1 --interval 10ms -- sh -c 'otelaudit append --event e --cost 2; cat'\n")
	x.sees("otelaudit: stopping sh")
	x.sees("$ ")
	x.types("echo code-$?\n")
	x.sees("code-3")
	x.types("exit 7\n")
	if err := x.cmd.Wait(); x.cmd.ProcessState.ExitCode() != 7 {
		t.Errorf("bash: got %v, want exit code 7", err)
	}
}

// TestGuardWithoutAShellGivesTheTerminalBackAsItWas stops a command that had
// changed the terminal. Nobody could continue guard here.
func TestGuardWithoutAShellGivesTheTerminalBackAsItWas(t *testing.T) {
	x := startAtTerminal(t, "otelaudit", "guard", "--max-per-day", "1", "--interval", "10ms", "--",
		"sh", "-c", `stty -echo; echo begun; read line; echo "got $line"; otelaudit append --event e --cost 2; cat`)
	x.sees("begun")
	x.types(ctrlZ)
	x.types("one\n")
	x.sees("got one")
	x.sees("otelaudit: stopping sh")
	if err := x.cmd.Wait(); x.cmd.ProcessState.ExitCode() != codeSpent {
		t.Errorf("got %v, want exit code %d", err, codeSpent)
	}
	if mode := localModes(t, x.pty); mode&unix.ECHO == 0 {
		t.Error("the terminal does not echo any more")
	}
}

// TestKilledGuardTakesItsCommandAlong would leave a command behind that
// nobody stops.
func TestKilledGuardTakesItsCommandAlong(t *testing.T) {
	if !endsWithGuard {
		t.Skip("only Linux ends a process with its parent")
	}
	cmd := exec.CommandContext(t.Context(), "otelaudit", "guard", "--max-per-day", "1", "--path", filepath.Join(t.TempDir(), "audit.jsonl"), "--",
		"sh", "-c", `trap 'echo told; exit' TERM; echo begun; while :; do sleep 0.1; done`)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "begun" {
		t.Fatalf("got %q, %v, want begun", lines.Text(), lines.Err())
	}
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	// The pipe ends when the command has. Linux may tell it for each thread of
	// its parent that dies.
	told := 0
	for lines.Scan() {
		if lines.Text() != "told" {
			t.Errorf("got %q, want told", lines.Text())
		}
		told++
	}
	if told == 0 || lines.Err() != nil {
		t.Errorf("got %d times told, %v", told, lines.Err())
	}
	_ = cmd.Wait() // it was killed
}

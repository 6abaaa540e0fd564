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
	if !x.seesWithin(awaitPatience, text) {
		x.t.Fatalf("got %q, want %q", x.seen, text)
	}
}

func (x *terminal) seesWithin(d time.Duration, text string) bool {
	x.t.Helper()
	patience := time.After(d)
	for {
		if _, rest, ok := strings.Cut(x.seen, text); ok {
			x.seen = rest
			return true
		}
		select {
		case more, ok := <-x.output:
			if !ok {
				x.t.Fatalf("the program ended; got %q, want %q", x.seen, text)
			}
			x.seen += more
		case <-patience:
			return false
		}
	}
}

// asks types a line until it sees the answer: bash drops what is typed while
// it changes the modes of the terminal.
func (x *terminal) asks(line, answer string) {
	x.t.Helper()
	for wait := 2 * time.Second; wait < awaitPatience; wait *= 2 {
		x.types(line + "\n")
		if x.seesWithin(wait, answer) {
			return
		}
	}
	x.t.Fatalf("got %q, want %q", x.seen, answer)
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
	x.asks("stty -echo; echo ready-$((40+2))", "ready-42")

	// It reads the terminal.
	x.asks("otelaudit guard --max-per-day 1 -- sh -c 'echo begun; cat'", "begun")
	x.asks("one", "one")

	// It stops and goes on, more than once.
	for range 2 {
		x.types(ctrlZ)
		x.sees("Stopped")
		x.asks("echo shell-$((40+2))", "shell-42")
		x.asks("fg", "otelaudit guard")
		x.asks("again", "again")
	}

	// It is interrupted.
	x.types(ctrlC)
	x.asks("echo code-$?", "code-130")
	x.asks("otelaudit guard --max-per-day 1 -- sh -c 'echo begun >&2; cat' | tr a-z A-Z", "begun")
	x.types("piped\n" + ctrlD)
	x.sees("PIPED")

	// In the background it waits for the terminal.
	x.asks("[ -e bg ] || { > bg; otelaudit guard --max-per-day 1 -- sh -c 'echo begun; cat' & }", "begun") // may be typed twice
	x.asks("jobs", "Stopped")
	x.asks("fg", "otelaudit guard")
	x.asks("from behind", "from behind")
	x.types(ctrlD)
	x.asks("echo code-$?", "code-0")

	// The budget ends it, and the terminal is the shell's.
	x.asks("otelaudit guard --max-per-day 1 --interval 10ms -- sh -c 'otelaudit append --event e --cost 2; cat'", "otelaudit: stopping sh")
	x.asks("echo code-$?", "code-3")
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

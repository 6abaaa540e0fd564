package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// becomeRoot is a command of the tests that is root for good, as sudo is, if its file
// is setuid: its first line says so. It ends with its standard input.
func becomeRoot() {
	if err := unix.Setresuid(0, 0, 0); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("root")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// guardCommand runs guard with a limit of 5 USD and flags in a folder of its own.
func guardCommand(t *testing.T, args ...string) (cmd *exec.Cmd, stderr *bytes.Buffer) {
	t.Helper()
	cmd = exec.CommandContext(t.Context(), "otelaudit", append([]string{"guard", "--max-per-day", "5", "--interval", "10ms"}, args...)...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "OTELAUDIT_PATH="+filepath.Join(cmd.Dir, "audit.jsonl"))
	stderr = new(bytes.Buffer)
	cmd.Stderr = stderr
	return cmd, stderr
}

// TestGuardStopsAllThatItsCommandStarted has processes leave their parents in the
// ways that daemons and shells do. The one that spends comes last.
func TestGuardStopsAllThatItsCommandStarted(t *testing.T) {
	const spend = `echo $$ >> pids; otelaudit append --event e --cost 10 > out; exec sleep 1000`
	for name, test := range map[string]struct{ script, action string }{
		"background":     {`sh spend & exit 0`, actionStopped},
		"setsid":         {`setsid sh spend & exit 0`, actionStopped},
		"double fork":    {`(setsid sh -c "sh spend & exit" &) ; exit 0`, actionStopped},
		"own group":      {`bash -mc "sh spend & exit 0"`, actionStopped},
		"ignores":        {`sh -c "trap '' TERM; echo \$\$ >> pids; sh spend" & exit 0`, actionKilled},
		"daemon ignores": {`setsid sh -c "trap '' TERM; sh spend; sleep 1000" & exit 0`, actionKilled},
		"stopped":        {`sh -c "echo \$\$ >> pids; kill -STOP \$\$" & while ! grep -q . pids; do :; done; sh spend & exit 0`, actionStopped},
		"daemon stopped": {`setsid sh -c "echo \$\$ >> pids; kill -STOP \$\$" & while ! grep -q . pids; do :; done; sh spend & exit 0`, actionStopped},
		"forks on":       {`echo "trap '' TERM; echo \$\$ >> pids; [ \$1 = 0 ] || setsid sh chain \$((\$1 - 1)) & exit" > chain; sh chain 5000; sh spend & exit 0`, actionKilled},
		"still there":    {`setsid sh spend & wait; wait`, actionStopped},
	} {
		t.Run(name, func(t *testing.T) {
			grace := "1m"
			if test.action == actionKilled {
				grace = "300ms"
			}
			cmd, stderr := guardCommand(t, "--grace", grace, "--", "sh", "-c", test.script)
			for file, text := range map[string]string{"spend": spend, "pids": ""} {
				if err := os.WriteFile(filepath.Join(cmd.Dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := cmd.Run(); cmd.ProcessState.ExitCode() != codeSpent {
				t.Errorf("got %v, want exit code %d; %s", err, codeSpent, stderr)
			}
			pids, err := os.ReadFile(filepath.Join(cmd.Dir, "pids"))
			if err != nil || len(pids) == 0 {
				t.Errorf("got no processes, %v", err)
			}
			for pid := range strings.FieldsSeq(string(pids)) {
				pid, err := strconv.Atoi(pid)
				if err != nil {
					t.Fatal(err)
				}
				if err := unix.Kill(pid, 0); !errors.Is(err, unix.ESRCH) {
					t.Errorf("process %d goes on (%v); %s", pid, err, stderr)
					_ = unix.Kill(pid, unix.SIGKILL)
				}
			}
			log, err := os.ReadFile(filepath.Join(cmd.Dir, "audit.jsonl"))
			if err != nil || !strings.Contains(string(log), `"action":"`+test.action+`"`) {
				t.Errorf("got %s, %v, want the action %s; %s", log, err, test.action, stderr)
			}
		})
	}
}

// TestGuardStaysUntilWhatIsLeftEnds wants the exit code of the command all the same.
func TestGuardStaysUntilWhatIsLeftEnds(t *testing.T) {
	cmd, stderr := guardCommand(t, "--", "sh", "-c", `setsid sh -c "read line < fifo; otelaudit append --event e --cost 1" & exit 7`)
	if err := unix.Mkfifo(filepath.Join(cmd.Dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	said, err := pipeOf(cmd)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	awaitText(t, said, "guard goes on until that ends")
	if err := os.WriteFile(filepath.Join(cmd.Dir, "fifo"), []byte("go\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, said)
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 7 {
		t.Errorf("got %v, want exit code 7; %s", err, stderr)
	}
	if log, err := os.ReadFile(filepath.Join(cmd.Dir, "audit.jsonl")); err != nil || !strings.Contains(string(log), `"cost":1`) {
		t.Errorf("guard did not wait: got %s, %v", log, err)
	}
}

// TestADeadChildIsListed is of a process that may have started another one, and ended,
// since the list of processes was read. An empty list says that there is none.
func TestADeadChildIsListed(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "true")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	c := &child{process: cmd.Process.Pid} // not of its own group
	if !slices.ContainsFunc(c.left(), func(p process) bool { return p.pid == cmd.Process.Pid && p.dead }) {
		t.Error("a child that was not waited for is not in the list")
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if slices.ContainsFunc(c.left(), func(p process) bool { return p.pid == cmd.Process.Pid }) {
		t.Error("a child that was waited for is in the list")
	}
}

// endFirstThread is a command of the tests whose first thread ends: /proc shows a Z,
// and the other threads go on until standard input ends.
func endFirstThread() {
	for tid := 0; tid != os.Getpid(); {
		got := make(chan int)
		go func() {
			runtime.LockOSThread() // the thread ends with the goroutine, or is not used again
			got <- unix.Gettid()
			if unix.Gettid() == os.Getpid() {
				_, _, _ = unix.Syscall(unix.SYS_EXIT, 0, 0, 0)
			}
			select {}
		}()
		tid = <-got
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func TestAProcessWithoutItsFirstThreadLives(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "endfirstthread")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", cmd.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(stat), ") Z ") {
			break
		}
		runtime.Gosched()
	}
	if p, ok := readProcess(cmd.Process.Pid); !ok || p.dead {
		t.Errorf("got %+v, %t, want a process that lives", p, ok)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// TestASignalEndsWhatIsLeft would leave a user no way to end guard but a SIGKILL.
func TestASignalEndsWhatIsLeft(t *testing.T) {
	cmd, _ := guardCommand(t, "--grace", "300ms", "--", "sh", "-c", `setsid sh -c "trap '' TERM INT; while :; do sleep 1; done" & exit 0`)
	said, err := pipeOf(cmd)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	awaitText(t, said, "guard goes on until that ends")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, said) // which the daemon has open too
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 128+int(syscall.SIGTERM) {
		t.Errorf("got %v, want exit code %d", err, 128+int(syscall.SIGTERM))
	}
}

// TestAKilledGuardTakesTheWholeGroupAlong kills guard and its job, as kill -9 %1 does.
func TestAKilledGuardTakesTheWholeGroupAlong(t *testing.T) {
	cmd, _ := guardCommand(t, "--grace", "300ms", "--", "sh", "-c", `sh -c "trap '' TERM; echo begun; while :; do sleep 1; done" & wait; wait`)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stderr = nil
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	awaitText(t, out, "begun")
	// What is killed by the name of guard's program is not the watcher.
	for !slices.ContainsFunc(descendants(nil), func(p process) bool { return p.parent == cmd.Process.Pid && p.name == watcherVerb }) {
		runtime.Gosched()
	}
	if err := unix.Kill(-cmd.Process.Pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	// The pipe ends when all of the group has.
	if _, err := io.Copy(io.Discard, out); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait() // it was killed
}

// TestWhatGuardMayNotStopIsSaid is of a command that became root.
func TestWhatGuardMayNotStopIsSaid(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make a file setuid root")
	}
	const nobody = 65534
	cmd, stderr := guardCommand(t, "--grace", "100ms", "--")
	program := filepath.Join(cmd.Dir, "becomeroot")
	cmd.Args = append(cmd.Args, program)
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	otelaudit := filepath.Join(cmd.Dir, "otelaudit") // where nobody may read it
	for file, mode := range map[string]os.FileMode{program: 0o755 | os.ModeSetuid, otelaudit: 0o755} {
		if err := errors.Join(os.WriteFile(file, self, 0o600), os.Chmod(file, mode)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Chmod(filepath.Dir(cmd.Dir), 0o755), os.Chown(cmd.Dir, nobody, nobody)); err != nil {
		t.Fatal(err)
	}
	cmd.Path = otelaudit
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	awaitText(t, out, "root")
	path := filepath.Join(cmd.Dir, "audit.jsonl")
	spend := []byte(fmt.Sprintf(`{"ts":%d,"event":"e","cost":10}`+"\n", time.Now().Unix()))
	if err := errors.Join(os.WriteFile(path, spend, 0o600), os.Chown(path, nobody, nobody)); err != nil {
		t.Fatal(err)
	}
	state, err := cmd.Process.Wait()
	if err != nil || state.ExitCode() != codeSpent {
		t.Errorf("got %v, %v, want exit code %d", state, err, codeSpent)
	}
	if err := in.Close(); err != nil { // the command goes on until then
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, out)
	_ = cmd.Wait() // it was waited for
	log, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(log), `"action":"not_stopped"`) || !strings.Contains(stderr.String(), "may not signal it") {
		t.Errorf("got %s, %v; %s", log, err, stderr)
	}
}

// pipeOf returns what cmd writes to stderr.
func pipeOf(cmd *exec.Cmd) (io.Reader, error) {
	cmd.Stderr = nil
	return cmd.StderrPipe()
}

// awaitText reads until it has seen text.
func awaitText(t *testing.T, from io.Reader, text string) {
	t.Helper()
	var seen []byte
	buf := make([]byte, 4096)
	for !bytes.Contains(seen, []byte(text)) {
		n, err := from.Read(buf)
		seen = append(seen, buf[:n]...)
		if err != nil {
			t.Fatalf("got %q, %v, want %q", seen, err, text)
		}
	}
}

//go:build unix

package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// watcherVerb is the hidden verb of the process that outlives a guard that is killed.
const watcherVerb = "guard-watcher"

// watcherDone is what guard tells its watcher at its own end.
const watcherDone = "done\n"

// watcher is a process of guard's that ends the command's process group if guard is
// killed: their pipe ends then. It has a session of its own, so that what kills
// guard's job does not reach it.
type watcher struct {
	pid  int
	pipe *os.File
}

// startWatcher starts one. A group begins with watch.
func startWatcher(grace time.Duration) (w *watcher, err error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start the watcher of guard: %w", err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start the watcher of guard: %w", err)
	}
	defer func() { err = errors.Join(err, read.Close()) }()
	process, err := os.StartProcess(program, []string{os.Args[0], watcherVerb, grace.String()}, &os.ProcAttr{ //nolint:gosec // it is this program
		Files: []*os.File{read, nil, os.Stderr},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the watcher of guard: %w", err), write.Close())
	}
	w = &watcher{process.Pid, write}
	return w, process.Release() // child.wait waits for it
}

// watch makes the watcher watch a process group.
func (w *watcher) watch(group int) error {
	if _, err := fmt.Fprintln(w.pipe, group); err != nil {
		return fmt.Errorf("tell the watcher of guard the process group: %w", err)
	}
	return nil
}

// release ends the watcher.
func (w *watcher) release() error {
	_, err := w.pipe.WriteString(watcherDone)
	if errors.Is(err, unix.EPIPE) {
		err = nil // it was killed before
	}
	return errors.Join(err, w.pipe.Close())
}

func (a *app) guardWatcher() *cobra.Command {
	return &cobra.Command{
		Use:    watcherVerb,
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			grace, err := time.ParseDuration(args[0])
			if err != nil {
				return usagef("%s is started by guard", watcherVerb)
			}
			// killall and pkill end processes by this name, and guard has the program's.
			_ = os.WriteFile("/proc/self/comm", []byte(watcherVerb), 0) // only Linux has it
			lines := bufio.NewReader(a.in)
			first, err := lines.ReadString('\n')
			if err != nil || first == watcherDone {
				return nil //nolint:nilerr // guard ended before it had started the command
			}
			group, err := strconv.Atoi(strings.TrimSpace(first))
			if err != nil || group <= 1 {
				return usagef("%s is started by guard", watcherVerb)
			}
			if last, err := lines.ReadString('\n'); err == nil && last == watcherDone {
				return nil
			}
			a.sayf("guard was killed; stopping process group %d", group)
			return endGroup(group, grace)
		},
	}
}

// endGroup sends the group a SIGTERM, and a SIGKILL if some of it is left after grace.
func endGroup(group int, grace time.Duration) error {
	end := time.Now().Add(grace)
	err := errors.Join(unix.Kill(-group, unix.SIGTERM), unix.Kill(-group, unix.SIGCONT))
	for time.Now().Before(end) {
		if errors.Is(unix.Kill(-group, 0), unix.ESRCH) {
			return nil
		}
		time.Sleep(pollInterval / 10)
	}
	if killErr := unix.Kill(-group, unix.SIGKILL); killErr != nil && !errors.Is(killErr, unix.ESRCH) {
		return fmt.Errorf("stop process group %d: %w", group, errors.Join(err, killErr))
	}
	return nil
}

//go:build unix

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// child is a command in a process group of its own, so that all of it can be
// stopped and guard is not. What a shell does for a job that it starts, guard then
// has to do: give the terminal to the group and take it back, stop when the
// command does (Ctrl-Z), so that the shell sees a stopped job, and continue it.
//
// Its methods are called by one goroutine.
type child struct {
	process int // and its group
	ended   chan childEnd
	reaped  chan struct{} // that a process ended; with room for one
	watcher *watcher
	endErr  error // of the watcher that was ended early

	// reaping is held while a process is waited for, and while the processes are
	// listed: what ends meanwhile stays in /proc.
	reaping sync.Mutex
	others  []int          // children that guard had before, and the watcher; with reaping
	over    atomic.Bool    // the child was waited for
	emptied bool           // its process group too, so that another one may get its number
	stopped chan os.Signal // that stopped it

	tty   *os.File // nil: there is no terminal to give it
	own   int      // guard's process group
	given bool     // the terminal is the child's
	modes *term.State
}

// childEnd says how a child ended.
type childEnd struct {
	code int // 128 and the number of the signal, if one did it
	err  error
}

// guardedSignals are those that the child gets when guard does, and those
// that stop and continue a job.
func guardedSignals() []os.Signal {
	signals := []os.Signal{
		syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2,
		syscall.SIGWINCH, syscall.SIGTSTP, syscall.SIGCONT,
		// Not passed on. What is ignored stays so in the child, and main ignores
		// it; what is caught does not.
		syscall.SIGPIPE,
	}
	if !signal.Ignored(syscall.SIGHUP) { // nohup
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}

// startChild starts cmd in a process group of its own: in the foreground of
// the terminal, if guard is and reads it.
func startChild(cmd *exec.Cmd, grace time.Duration) (*child, error) {
	c := &child{ended: make(chan childEnd, 1), reaped: make(chan struct{}, 1), stopped: make(chan os.Signal, 1), own: unix.Getpgrp()}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if stdin, ok := cmd.Stdin.(*os.File); ok && term.IsTerminal(int(stdin.Fd())) { //nolint:gosec // a descriptor is a small number
		c.openTerminal()
	}
	if c.tty != nil && c.foreground() == c.own {
		cmd.SysProcAttr.Foreground, cmd.SysProcAttr.Ctty = true, int(c.tty.Fd()) //nolint:gosec // as above
		c.given = true
	}
	for _, p := range descendants(nil) { // of what guard was before an exec
		c.others = append(c.others, p.pid)
	}
	err := adopt(cmd.SysProcAttr)
	if err == nil {
		c.watcher, err = startWatcher(grace)
	}
	if err == nil {
		c.others = append(c.others, c.watcher.pid)
		err = cmd.Start()
	}
	if err != nil {
		c.release()
		return nil, errors.Join(err, c.end())
	}
	c.process = cmd.Process.Pid
	err = c.watcher.watch(c.process)
	go c.wait()
	if err != nil {
		c.kill()
		c.release()
		return nil, errors.Join(err, c.end())
	}
	return c, nil
}

// end ends the watcher.
func (c *child) end() error {
	if c.watcher != nil {
		c.endErr, c.watcher = c.watcher.release(), nil
	}
	return c.endErr
}

// openTerminal sets tty, if guard has a terminal.
func (c *child) openTerminal() {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return // standard input is the terminal of another session
	}
	c.tty = tty
	c.modes, _ = term.GetState(int(tty.Fd())) //nolint:errcheck,gosec // nil: they are left as they are
}

// wait waits for the child, and not by cmd.Wait, which does not see it stop;
// and for what it leaves behind, so that gone is not misled by the dead.
func (c *child) wait() {
	for {
		var status unix.WaitStatus
		pid, err := c.waitAny(&status)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.ECHILD):
			return
		case err != nil:
			c.ended <- childEnd{err: fmt.Errorf("wait for process %d: %w", c.process, err)}
			return
		case pid != c.process:
		case status.Stopped():
			select {
			case c.stopped <- status.StopSignal():
			default: // it is known
			}
		case status.Signaled():
			const signaled = 128
			c.over.Store(true)
			c.ended <- childEnd{code: signaled + int(status.Signal())}
		case status.Exited():
			c.over.Store(true)
			c.ended <- childEnd{code: status.ExitStatus()}
		}
		select {
		case c.reaped <- struct{}{}:
		default: // it is known
		}
	}
}

func (c *child) pid() int { return c.process }

// pass passes on a signal that guard got.
func (c *child) pass(sig os.Signal) error {
	switch sig {
	case syscall.SIGPIPE:
		return nil
	case syscall.SIGCONT:
		return c.resume()
	case syscall.SIGTSTP:
		err := c.signal(unix.SIGTSTP)
		if c.given || err != nil {
			return err // suspend does the rest
		}
		return unix.Kill(os.Getpid(), unix.SIGSTOP)
	}
	s, ok := sig.(syscall.Signal)
	if !ok {
		return nil
	}
	return c.signal(s)
}

// signal sends sig to the process group. That it is gone is no error.
func (c *child) signal(sig syscall.Signal) error {
	if c.emptied {
		return nil
	}
	if err := unix.Kill(-c.process, sig); err != nil && !errors.Is(err, unix.ESRCH) {
		return err
	}
	return nil
}

// suspend stops the job that guard is in, because sig stopped the child, so
// that the shell sees that and takes the terminal back.
func (c *child) suspend(sig os.Signal) error {
	switch {
	case c.given:
		if err := c.takeTerminal(); err != nil {
			return err
		}
		if !hasShell() {
			return c.resume()
		}
	case c.tty == nil || sig != syscall.SIGTTIN && sig != syscall.SIGTTOU:
		return nil // somebody stopped it, and will continue it
	case c.foreground() == c.own:
		return c.resume() // a shell that has not stopped a job does not continue it
	case !hasShell():
		return nil
	}
	return unix.Kill(0, unix.SIGSTOP)
}

// hasShell reports whether somebody may continue guard when it is stopped: a
// parent in the same session of the terminal.
func hasShell() bool {
	mine, err := unix.Getsid(0)
	if err != nil || mine == os.Getpid() || os.Getppid() == 0 {
		return false
	}
	parents, err := unix.Getsid(os.Getppid())
	return err == nil && parents == mine
}

// resume continues the child, in the foreground if guard is.
func (c *child) resume() error {
	select {
	case <-c.stopped: // not any more
	default:
	}
	if c.tty != nil {
		switch c.foreground() {
		case c.own:
			if err := c.setForeground(c.process); err != nil {
				return err
			}
			c.given = true
		case c.process:
		default:
			c.given = false
		}
	}
	return c.signal(unix.SIGCONT)
}

// terminate asks all that is left to end. What is stopped does not see that. It
// returns what this process may not signal.
func (c *child) terminate() []process {
	denied := c.signalAll(unix.SIGTERM)
	c.signalAll(unix.SIGCONT)
	return denied
}

// kill ends all that is left, and returns what this process may not end.
func (c *child) kill() []process {
	c.killChildren()
	return c.signalAll(unix.SIGKILL)
}

// signalAll sends sig to the process group and to the descendants that left it.
func (c *child) signalAll(sig unix.Signal) (denied []process) {
	groupErr := c.signal(sig)
	for _, p := range c.left() {
		var err error
		switch {
		case p.dead:
		case p.group != c.process:
			err = p.signal(sig)
		case p.pid == 0:
			err = groupErr
		default: // the group got it, if it may be signaled
			err = unix.Kill(p.pid, 0)
		}
		if errors.Is(err, unix.EPERM) {
			denied = append(denied, p)
		}
	}
	return denied
}

// left returns the processes of the command that outlive its first one: its process group,
// also where its members are not known, and its descendants.
func (c *child) left() []process {
	over := c.over.Load()
	c.reaping.Lock()
	list := descendants(c.others)
	c.reaping.Unlock()
	if c.emptied || slices.ContainsFunc(list, func(p process) bool { return p.group == c.process }) {
		return list
	}
	if !errors.Is(unix.Kill(-c.process, 0), unix.ESRCH) {
		return append(list, process{group: c.process})
	}
	if over {
		c.emptied = true
		_ = c.end() // there is no group to end; the error is kept
	}
	return list
}

// release takes the terminal back, for good.
func (c *child) release() {
	if c.tty == nil {
		return
	}
	// There is nothing to be done about a terminal that is gone.
	if c.given && c.process != 0 {
		_ = c.takeTerminal()
		if c.modes != nil {
			_ = term.Restore(int(c.tty.Fd()), c.modes) //nolint:gosec // a descriptor is a small number
		}
	}
	_ = c.tty.Close()
	c.tty, c.given = nil, false
}

func (c *child) takeTerminal() error {
	c.given = false
	return c.setForeground(c.own)
}

// foreground returns the process group in the foreground, 0 if the terminal is
// gone.
func (c *child) foreground() int {
	group, err := unix.IoctlGetInt(int(c.tty.Fd()), unix.TIOCGPGRP) //nolint:gosec // a descriptor is a small number
	if err != nil {
		return 0
	}
	return group
}

// setForeground is what only a process in the foreground may do, unless it
// ignores SIGTTOU.
func (c *child) setForeground(group int) error {
	signal.Ignore(syscall.SIGTTOU)
	defer signal.Reset(syscall.SIGTTOU)
	err := unix.IoctlSetPointerInt(int(c.tty.Fd()), unix.TIOCSPGRP, group) //nolint:gosec // a descriptor is a small number
	if err != nil {
		return fmt.Errorf("set the foreground of the terminal: %w", err)
	}
	return nil
}

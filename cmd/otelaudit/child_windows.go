package main

import (
	"errors"
	"os"
	"os/exec"
	"time"
)

// child is a command that runs in guard's console. There is no SIGTERM: it is
// killed at once.
type child struct {
	cmd     *exec.Cmd
	ended   chan childEnd
	stopped chan os.Signal // never
	reaped  chan struct{}  // never
}

// process is never made: what the command starts is not known.
type process struct{}

func (process) String() string { return "" }

// childEnd says how a child ended.
type childEnd struct {
	code int
	err  error
}

// guardedSignals are those that do not end guard: the console gives them to the
// child, too.
func guardedSignals() []os.Signal { return []os.Signal{os.Interrupt} }

func startChild(cmd *exec.Cmd, _ time.Duration) (*child, error) {
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &child{cmd: cmd, ended: make(chan childEnd, 1), stopped: make(chan os.Signal)}
	go func() {
		err := cmd.Wait()
		if _, ok := errors.AsType[*exec.ExitError](err); ok {
			err = nil
		}
		c.ended <- childEnd{cmd.ProcessState.ExitCode(), err}
	}()
	return c, nil
}

func (c *child) pid() int                { return c.cmd.Process.Pid }
func (c *child) pass(os.Signal) error    { return nil }
func (c *child) suspend(os.Signal) error { return nil }
func (c *child) terminate() []process    { return c.kill() }
func (c *child) left() []process         { return nil }
func (c *child) release()                {}
func (c *child) end() error              { return nil }

func (c *child) kill() []process {
	if err := c.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return []process{{}}
	}
	return nil
}

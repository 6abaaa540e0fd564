package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// program replays a log to a sink.
type program struct {
	name string
	// command starts it on the log at path. What it remembers is in the folder
	// state.
	command func(ctx context.Context, path, state, endpoint string) *exec.Cmd
	// ends says that it ends once all is sent; else it is told to.
	ends bool
}

// build returns the binary of a package of the repository, unless it is there
// already.
func build(have, dir, module, pkg string) (string, error) {
	if have != "" {
		return filepath.Abs(have)
	}
	_, file, _, _ := runtime.Caller(0)
	root := filepath.Join(filepath.Dir(file), "..", "..", module)
	binary := filepath.Join(dir, filepath.Base(root)+".bin")
	cmd := exec.CommandContext(context.Background(), "go", "build", "-o", binary, pkg) //nolint:gosec // fixed arguments
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s in %s: %w\n%s", pkg, root, err, out)
	}
	return binary, nil
}

// otelaudit is the command of this repository.
func otelaudit(dir string, args ...string) (program, error) {
	binary, err := build(*ours, dir, ".", "./cmd/otelaudit")
	return program{name: "otelaudit", ends: true, command: func(ctx context.Context, path, state, endpoint string) *exec.Cmd {
		all := append([]string{
			"replay", "--path", path, "--endpoint", endpoint,
			"--checkpoint", filepath.Join(state, "checkpoint"), "--reject", filepath.Join(state, "reject"),
		}, args...)
		return exec.CommandContext(ctx, binary, append(all, strings.Fields(*oursArgs)...)...) //nolint:gosec // what is measured
	}}, err
}

// The configuration of the collector, and what makes it safe at the price of
// speed.
var (
	//go:embed filelog.yaml
	fastest []byte
	//go:embed filelog-safest.yaml
	safest []byte
)

// filelog is a collector with the file log receiver. Later configurations win.
func filelog(dir string, configs ...[]byte) (program, error) {
	binary, err := build(*theirs, dir, "collector/filelog", ".")
	if err != nil {
		return program{}, err
	}
	var args []string
	for _, config := range configs {
		f, err := os.CreateTemp(dir, "filelog-*.yaml")
		if err != nil {
			return program{}, err
		}
		_, err = f.Write(config)
		if err := errors.Join(err, f.Close()); err != nil {
			return program{}, err
		}
		args = append(args, "--config", f.Name())
	}
	if len(configs) > 1 {
		// Only with this gate the receiver hands records on before it saves the
		// offset behind them.
		args = append(args, "--feature-gates=stanza.synchronousLogEmitter")
	}
	return program{name: "filelog receiver", command: func(ctx context.Context, path, state, endpoint string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, binary, args...) //nolint:gosec // what is measured
		cmd.Env = append(os.Environ(), "OTELAUDIT_FOLDER="+filepath.Dir(path), "OTELAUDIT_STORAGE="+filepath.Join(state, "offsets"),
			"OTELAUDIT_OTLP_ENDPOINT="+endpoint)
		return cmd
	}}, nil
}

// process is a program that runs.
type process struct {
	cmd    *exec.Cmd
	said   bytes.Buffer
	began  time.Time
	exited chan struct{}
	err    error // of Wait; set when exited is closed
}

func (p program) start(ctx context.Context, path, state, endpoint string) (*process, error) {
	r := &process{cmd: p.command(ctx, path, state, endpoint), exited: make(chan struct{})}
	if r.cmd.Env == nil {
		r.cmd.Env = os.Environ()
	}
	// What the environment says of exporters is not for these.
	r.cmd.Env = append(r.cmd.Env, "OTEL_EXPORTER_OTLP_ENDPOINT=", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=")
	r.cmd.Stdout, r.cmd.Stderr = &r.said, &r.said
	r.began = time.Now()
	if err := r.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	go func() {
		r.err = r.cmd.Wait()
		close(r.exited)
	}()
	return r, nil
}

// wait waits for a channel, and fails if the process ends before.
func (r *process) wait(ctx context.Context, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s: %w; it said:\n%s", r.cmd.Path, ctx.Err(), r.kill())
	case <-r.exited:
	}
	select {
	case <-done: // both
		return nil
	default:
		return fmt.Errorf("%s ended too early: %w; it said:\n%s", r.cmd.Path, r.err, r.said.String())
	}
}

// kill ends it as a kernel does that is out of memory, and returns what it said.
func (r *process) kill() string {
	_ = r.cmd.Process.Kill() // it may have ended
	<-r.exited
	return r.said.String()
}

// end waits for a program that ends by itself, and tells another one to. It must
// say that all went well.
func (r *process) end(p program) error {
	if !p.ends {
		if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return err
		}
	}
	<-r.exited
	if r.err != nil {
		return fmt.Errorf("%s: %w; it said:\n%s", p.name, r.err, r.said.String())
	}
	return nil
}

// used returns the CPU seconds and the peak of resident memory, in MiB, of a
// process that ended.
func (r *process) used() (cpu, peak float64) {
	usage := r.cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds(), float64(usage.Maxrss) / 1024
}

// Package program builds and runs the real programs that the tests and
// measurements of this module are about.
package program

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
	"time"
)

// VictoriaLogs is the package of the database.
const VictoriaLogs = "github.com/VictoriaMetrics/VictoriaLogs/app/victoria-logs"

// Build builds package pkg of the module in moduleDir into a new folder below
// dir, without the race detector, and returns the path of the program.
func Build(ctx context.Context, dir, moduleDir, pkg string) (string, error) {
	out, err := os.MkdirTemp(dir, "")
	if err != nil {
		return "", err
	}
	out = filepath.Join(out, "program")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", out, pkg) //nolint:gosec // the packages are constants
	cmd.Dir = moduleDir
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s in %s: %w\n%s", pkg, moduleDir, err, text)
	}
	return out, nil
}

// Server is a program that runs.
type Server struct {
	cmd  *exec.Cmd
	log  output
	done chan struct{}
	err  error // how it ended; valid when done is closed
}

// Start starts a program with env added to the environment. Somebody has to call
// [Server.Kill] or [Server.Stop].
func Start(file string, env []string, args ...string) (*Server, error) {
	s := &Server{done: make(chan struct{})}
	// No context: it would kill the program before those who want to see it end.
	s.cmd = exec.CommandContext(context.Background(), file, args...) //nolint:gosec // to run programs is what this is for
	s.cmd.Env = append(os.Environ(), env...)
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(s.done)
		s.err = s.cmd.Wait()
	}()
	return s, nil
}

// StartOn starts a program that listens on a free port of the loopback
// interface. with returns what it is started with for a host:port, up whether it
// answers there. StartOn returns when it does, and the host:port.
func StartOn(ctx context.Context, file string, with func(address string) (env, args []string),
	up func(ctx context.Context, address string) bool,
) (*Server, string, error) {
	// Between the choice of a free port and its use, another process may take it.
	for attempt := 1; ; attempt++ {
		address, err := freePort(ctx)
		if err != nil {
			return nil, "", err
		}
		env, args := with(address)
		s, err := Start(file, env, args...)
		if err != nil {
			return nil, "", err
		}
		switch err := s.await(ctx, func() bool { return up(ctx, address) }); {
		case err == nil:
			return s, address, nil
		case attempt < 5 && strings.Contains(s.Said(), "address already in use"):
		default:
			return nil, "", errors.Join(err, s.Kill())
		}
	}
}

// StartDatabase starts VictoriaLogs on a free port of the loopback interface,
// waits until it answers, and returns it with its host:port.
func StartDatabase(ctx context.Context, file string, flags ...string) (*Server, string, error) {
	return StartOn(ctx, file, func(address string) (env, args []string) {
		return nil, append([]string{"-httpListenAddr=" + address}, flags...)
	}, func(ctx context.Context, address string) bool {
		return isHealthy(ctx, "http://"+address+"/health")
	})
}

// await waits until the server is up.
func (s *Server) await(ctx context.Context, up func() bool) error {
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for !up() {
		select {
		case <-s.done:
			return fmt.Errorf("start %s: it ended: %w\n%s", s.cmd.Path, s.err, s.Said())
		case <-ctx.Done():
			return fmt.Errorf("start %s: %w", s.cmd.Path, context.Cause(ctx))
		case <-poll.C:
		}
	}
	return nil
}

// Kill ends the program as a machine that stops does: it finishes nothing.
// It does nothing if the program has ended.
func (s *Server) Kill() error {
	err := s.cmd.Process.Kill()
	<-s.done
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// Stop asks the program to end, waits until it has, and returns how it ended.
func (s *Server) Stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-s.done
	return s.err
}

// Wait waits until the program has ended by itself, and returns how.
func (s *Server) Wait() error {
	<-s.done
	return s.err
}

// Ended reports whether the program has ended.
func (s *Server) Ended() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// CPU returns the time that the program computed, once it has ended.
func (s *Server) CPU() time.Duration {
	<-s.done
	return s.cmd.ProcessState.UserTime() + s.cmd.ProcessState.SystemTime()
}

// Said returns the end of what the program said on stdout and stderr.
func (s *Server) Said() string { return s.log.tail() }

// output is what a program writes and somebody else reads.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) tail() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	text := o.buf.Bytes()
	return string(text[max(0, len(text)-4000):])
}

// freePort returns a host:port that nobody listens on now.
func freePort(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func isHealthy(ctx context.Context, url string) bool {
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

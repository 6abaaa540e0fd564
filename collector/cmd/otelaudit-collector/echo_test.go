package main

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/otelaudit/otelaudit/bridge"
)

// twoEvents starts a collector and has it write two events to the log at path.
func twoEvents(t *testing.T, path string, configs ...string) *collector {
	t.Helper()
	c := startWith(t, path, []string{"OTELAUDIT_QUEUE=" + t.TempDir(), "OTELAUDIT_BACKEND=http://" + freePort(t)}, configs...)
	mustPost(t, c.url+"/v1/logs", logsJSON("llm.call", "llm.call"))
	return c
}

// TestACollectorRefusesTheReplayOfTheLogThatItWrites. The defaults of both lead to
// this: the collector listens where a replay sends to.
func TestACollectorRefusesTheReplayOfTheLogThatItWrites(t *testing.T) {
	for _, config := range []string{"agent.yaml", "gateway.yaml", "tee.yaml"} {
		t.Run(config, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "logs", "audit.jsonl")
			if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			c := twoEvents(t, path, config)
			link, other := filepath.Join(dir, "link"), filepath.Join(dir, "link.jsonl")
			for from, to := range map[string]string{link: filepath.Dir(path), other: path} {
				if err := os.Symlink(to, from); err != nil {
					t.Fatal(err)
				}
			}
			for name, to := range map[string]string{
				"path": path, "linked folder": filepath.Join(link, "audit.jsonl"), "linked file": other, "detour": dir + "/logs/../link/./audit.jsonl",
			} {
				for _, opts := range [][]bridge.Option{nil, {bridge.WithFollow()}} {
					if c.keys != nil {
						opts = append(opts, bridge.WithTLSConfig(c.keys.tls(t)), bridge.WithHeaders(map[string]string{"Authorization": "Bearer " + c.keys.token}))
					}
					b, err := bridge.New(to, append(opts, bridge.WithEndpoint(c.url))...)
					if err != nil {
						t.Fatal(err)
					}
					stats, err := b.Run(t.Context())
					var stop *bridge.StopError
					if !errors.As(err, &stop) || stop.Status != http.StatusConflict || stop.Hint == "" || stats.Sent+stats.Rejected != 0 {
						t.Errorf("%s: got %+v and error %v, want a StopError with status 409, and nothing sent", name, stats, err)
					}
				}
			}
			if got := len(linesOf(t, path)); got != 2 {
				t.Errorf("the log has %d lines, want the 2 it had", got)
			}
		})
	}
}

func TestACollectorTakesTheReplayOfAnotherLog(t *testing.T) {
	dir := t.TempDir()
	c := twoEvents(t, filepath.Join(dir, "audit.jsonl"), "agent.yaml")
	line := `{"ts":"2026-01-02T03:04:05.678Z","event":"e","session_id":"s"}` + "\n"
	for _, other := range []string{filepath.Join(dir, "other.jsonl"), filepath.Join(t.TempDir(), "audit.jsonl")} {
		if err := os.WriteFile(other, []byte(line), 0o600); err != nil {
			t.Fatal(err)
		}
		b, err := bridge.New(other, bridge.WithEndpoint(c.url))
		if err != nil {
			t.Fatal(err)
		}
		if stats, err := b.Run(t.Context()); err != nil || stats.Sent != 1 {
			t.Errorf("%s: got %+v, %v, want one sent", other, stats, err)
		}
	}
}

// TestACollectorWithoutTheMiddlewareGetsOneEventTwice, and no batch.
func TestACollectorWithoutTheMiddlewareGetsOneEventTwice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	c := twoEvents(t, path, "agent.yaml", "yaml:receivers: {otlp: {protocols: {http: {middlewares: []}}}}")
	b, err := bridge.New(path, bridge.WithEndpoint(c.url))
	if err != nil {
		t.Fatal(err)
	}
	stats, err := b.Run(t.Context())
	var stop *bridge.StopError
	if !errors.As(err, &stop) || stats.Sent != 1 || len(linesOf(t, path)) != 3 {
		t.Errorf("got %+v, error %v and %d lines, want a StopError after one event", stats, err, len(linesOf(t, path)))
	}
}

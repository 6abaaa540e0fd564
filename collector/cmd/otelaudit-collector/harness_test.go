package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/otelaudit/otelaudit/internal/audittest"
)

// asCollector makes the test binary the collector, a process of its own, with
// the race detector if the tests have it.
const asCollector = "OTELAUDIT_TEST_COLLECTOR"

func TestMain(m *testing.M) {
	if os.Getenv(asCollector) != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// collector is a running collector.
type collector struct {
	cmd    *exec.Cmd
	url    string // base URL of its OTLP over HTTP
	grpc   string // host:port
	path   string // of its audit log
	output *output
	ended  chan struct{}
	err    error // of its end, when ended is closed

	keys *gatewayKeys // nil: it listens without TLS
}

// start starts a collector with configurations, files of collector/config or
// yaml:…, that writes to the log at path, and returns when it answers. It is
// killed when the test ends.
func start(t testing.TB, path string, configs ...string) *collector {
	t.Helper()
	return startWith(t, path, nil, configs...)
}

func startWith(t testing.TB, path string, env []string, configs ...string) *collector {
	t.Helper()
	// Between the choice of a free port and its use, another process may take it.
	for attempt := 1; ; attempt++ {
		c := launch(t, path, env, configs...)
		if c.await(t) {
			return c
		}
		if attempt == 5 || !strings.Contains(c.output.String(), "address already in use") {
			t.Fatalf("the collector ended: %v\n%s", c.err, c.output)
		}
	}
}

func launch(t testing.TB, path string, env []string, configs ...string) *collector {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	http, grpc := freePort(t), freePort(t)
	c := &collector{url: "http://" + http, grpc: grpc, path: path, output: &output{}, ended: make(chan struct{})}
	var args []string
	for _, config := range configs {
		if !strings.Contains(config, ":") {
			config = filepath.Join("..", "..", "config", config)
		}
		args = append(args, "--config", config)
	}
	if slices.Contains(configs, "gateway.yaml") {
		c.url, c.keys = "https://"+http, newGatewayKeys(t)
		env = append(c.keys.env(), env...)
		clients.Store(http, c.keys.client(t))
	}
	c.cmd = exec.CommandContext(context.WithoutCancel(t.Context()), self, args...)
	c.cmd.Env = append(append(os.Environ(), asCollector+"=1",
		"OTELAUDIT_PATH="+path, "OTELAUDIT_OTLP_HTTP="+http, "OTELAUDIT_OTLP_GRPC="+grpc, "OTELAUDIT_HEALTH="+freePort(t)), env...)
	c.cmd.Stdout, c.cmd.Stderr = c.output, c.output
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(c.ended)
		c.err = c.cmd.Wait()
	}()
	t.Cleanup(func() {
		c.kill(t)
		if t.Failed() {
			t.Logf("the collector said:\n%s", c.output)
		}
	})
	return c
}

// await reports whether the collector answers, which it does until it ends.
func (c *collector) await(t testing.TB) bool {
	t.Helper()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for {
		if status, _, err := post(t.Context(), c.url+"/v1/logs", `{}`); err == nil && status == http.StatusOK {
			return true
		}
		select {
		case <-c.ended:
			return false
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		case <-poll.C:
		}
	}
}

// kill kills the collector, whatever it is doing.
func (c *collector) kill(t testing.TB) {
	t.Helper()
	if err := c.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("kill the collector: %v", err)
	}
	<-c.ended
}

// terminate has the collector end by itself.
func (c *collector) terminate(t testing.TB) {
	t.Helper()
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if <-c.ended; c.err != nil {
		t.Errorf("the collector ended with %v\n%s", c.err, c.output)
	}
}

// output is what a process says, from several goroutines.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func freePort(t testing.TB) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// clients holds the *http.Client for each host:port that needs one of its own.
var clients sync.Map

// post posts JSON and returns the answer.
func post(ctx context.Context, url, body string) (status int, answer string, err error) {
	client := http.DefaultClient
	if own, ok := clients.Load(strings.Split(url, "/")[2]); ok {
		client = own.(*http.Client)
	}
	return postAs(ctx, client, url, "application/json", []byte(body))
}

func postAs(ctx context.Context, client *http.Client, url, contentType string, body []byte) (status int, answer string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", contentType)
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), errors.Join(err, resp.Body.Close())
}

// mustPost fails the test unless the answer is 200.
func mustPost(t testing.TB, url, body string) {
	t.Helper()
	if status, answer, err := post(t.Context(), url, body); err != nil || status != http.StatusOK {
		t.Fatalf("got %d %s, %v; want 200", status, answer, err)
	}
}

// linesOf returns the lines of a log's active file, held against FORMAT.md,
// read without the code that wrote it. A torn last line is left out.
func linesOf(t testing.TB, path string) (lines []map[string]any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	in := bufio.NewReader(bytes.NewReader(text))
	for {
		raw, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return lines
		}
		raw = bytes.TrimSuffix(raw, []byte("\n"))
		var line map[string]any
		if err := json.Unmarshal(raw, &line); err != nil {
			lines = append(lines, map[string]any{"damaged": string(raw)})
			continue
		}
		if err := audittest.CheckLine(raw); err != nil {
			t.Errorf("not a line of FORMAT.md: %v: %s", err, raw)
		}
		lines = append(lines, line)
	}
}

// logsJSON is a request with a record for each of names.
func logsJSON(names ...string) string {
	records := make([]string, len(names))
	for i, name := range names {
		records[i] = fmt.Sprintf(`{"eventName":%q}`, name)
	}
	return `{"resourceLogs":[{"scopeLogs":[{"logRecords":[` + strings.Join(records, ",") + `]}]}]}`
}

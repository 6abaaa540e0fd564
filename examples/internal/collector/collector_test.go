package collector_test

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/otelaudit/otelaudit/examples/internal/collector"
)

const (
	oneLog = `{"resourceLogs":[{"scopeLogs":[{"logRecords":[
		{"eventName":"nav","traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174"}]}]}]}`
	oneSpan = `{"resourceSpans":[{"scopeSpans":[{"spans":[
		{"name":"agent","traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174"}]}]}]}`
)

func config(t *testing.T) collector.Config {
	dir := t.TempDir()
	return collector.Config{
		Output: filepath.Join(dir, "received.jsonl"),
		Log:    filepath.Join(dir, "collector.log"),
	}
}

func start(t *testing.T, cfg collector.Config) *collector.Collector {
	t.Helper()
	c, err := collector.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func post(t *testing.T, url, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("POST %s: got %s, want 200", url, resp.Status)
	}
}

func count(t *testing.T, cfg collector.Config) (records, spans int) {
	t.Helper()
	received, err := collector.ReadOutput(cfg.Output)
	if err != nil {
		t.Fatal(err)
	}
	for range received.Records() {
		records++
	}
	for range received.Spans() {
		spans++
	}
	return records, spans
}

func TestWhatWasAcceptedIsInTheOutputAfterStop(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	c := start(t, cfg)
	post(t, c.URL()+"/v1/logs", oneLog)
	post(t, c.URL()+"/v1/traces", oneSpan)
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	if records, spans := count(t, cfg); records != 1 || spans != 1 {
		t.Errorf("got %d records and %d spans, want 1 of each", records, spans)
	}
	received, err := collector.ReadOutput(cfg.Output)
	if err != nil {
		t.Fatal(err)
	}
	for r := range received.Records() {
		if got, want := r.EventName(), "nav"; got != want {
			t.Errorf("event name: got %q, want %q", got, want)
		}
		for s := range received.Spans() {
			if r.TraceID() != s.TraceID() || r.SpanID() != s.SpanID() {
				t.Errorf("the record is in span %v of trace %v, want %v of %v", r.SpanID(), r.TraceID(), s.SpanID(), s.TraceID())
			}
		}
	}
	if log, err := os.ReadFile(cfg.Log); err != nil {
		t.Error(err)
	} else if !bytes.Contains(log, []byte("Everything is ready")) {
		t.Errorf("the collector's log is not in %s", cfg.Log)
	}
}

// TestMetricsAreCountedAndNotKept: emitters that cannot turn them off get 200.
func TestMetricsAreCountedAndNotKept(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	c := start(t, cfg)
	post(t, c.URL()+"/v1/metrics", `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","gauge":{"dataPoints":[{"asInt":"1"},{"asInt":"2"}]}}]}]}]}`)
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	if output, err := os.ReadFile(cfg.Output); err != nil || len(output) != 0 {
		t.Errorf("got the output %q, %v; want none", output, err)
	}
	if log, err := os.ReadFile(cfg.Log); err != nil || !bytes.Contains(log, []byte(`"data points": 2`)) {
		t.Errorf("the collector's log has no count, %v:\n%s", err, log)
	}
}

func TestARestartKeepsTheOutput(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	for range 2 {
		c := start(t, cfg)
		post(t, c.URL()+"/v1/logs", oneLog)
		if err := c.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	if records, _ := count(t, cfg); records != 2 {
		t.Errorf("got %d records after a restart, want 2", records)
	}
}

func TestTwoCollectorsInOneProcessDoNotShareAnything(t *testing.T) {
	t.Parallel()
	cfgA, cfgB := config(t), config(t)
	a, b := start(t, cfgA), start(t, cfgB)
	post(t, a.URL()+"/v1/logs", oneLog)
	if err := errors.Join(a.Stop(), b.Stop()); err != nil {
		t.Fatal(err)
	}
	records, _ := count(t, cfgA)
	others, _ := count(t, cfgB)
	if records != 1 || others != 0 {
		t.Errorf("got %d records in the one and %d in the other, want 1 and 0", records, others)
	}
}

func TestATakenPortIsAnError(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	cfg := config(t)
	cfg.Endpoint = l.Addr().String()
	_, err = collector.Start(t.Context(), cfg)
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("got %v, want an error that is EADDRINUSE", err)
	}
}

func TestAMalformedOutputNamesItsLine(t *testing.T) {
	t.Parallel()
	for name, line := range map[string]string{
		"torn":    `{"resourceLogs":[{`,
		"foreign": `{"resourceMetrics":[]}`,
	} {
		path := filepath.Join(t.TempDir(), "received.jsonl")
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(oneLog, "\n", "")+"\n"+line+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := collector.ReadOutput(path)
		if err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%s: got %v, want an error that names line 2", name, err)
		}
	}
}

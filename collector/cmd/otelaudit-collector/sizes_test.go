package main

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// requestOfMiB is a request of so many records of a MiB each.
func requestOfMiB(event string, n int) plogotlp.ExportRequest {
	ld := plog.NewLogs()
	sl := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty()
	for range n {
		r := sl.LogRecords().AppendEmpty()
		r.SetEventName(event)
		r.Body().SetStr(strings.Repeat("x", 1<<20-100))
	}
	return plogotlp.NewExportRequestFromLogs(ld)
}

// TestARequestOf64MiBIsTaken over HTTP and gRPC. A larger one is refused with
// an answer and a line in the collector's log that say why.
func TestARequestOf64MiBIsTaken(t *testing.T) {
	c := start(t, filepath.Join(t.TempDir(), "audit.jsonl"), "agent.yaml",
		"yaml:exporters: {auditlog: {rotation: {max_bytes: 1073741824}, sync: {mode: never}}}")
	grpc := plogotlp.NewGRPCClient(dial(t, c, nil))
	overHTTP := func(r plogotlp.ExportRequest) (int, string) {
		t.Helper()
		body, err := r.MarshalProto()
		if err != nil {
			t.Fatal(err)
		}
		code, answer, err := postAs(t.Context(), http.DefaultClient, c.url+"/v1/logs", "application/x-protobuf", body)
		if err != nil {
			t.Fatal(err)
		}
		return code, answer
	}
	if code, answer := overHTTP(requestOfMiB("over.http", 63)); code != http.StatusOK {
		t.Errorf("over HTTP: got %d %s, want 200", code, answer)
	}
	if _, err := grpc.Export(t.Context(), requestOfMiB("over.grpc", 63)); err != nil {
		t.Errorf("over gRPC: %v", err)
	}
	got := make(map[any]int)
	for _, line := range linesOf(t, c.path) {
		got[line["event"]]++
	}
	if got["over.http"] != 63 || got["over.grpc"] != 63 {
		t.Errorf("got %v, want 63 of each", got)
	}

	if code, answer := overHTTP(requestOfMiB("too.large", 65)); code != http.StatusRequestEntityTooLarge || !strings.Contains(answer, "67108864 bytes") {
		t.Errorf("over HTTP: got %d %s, want 413 that says the limit", code, answer)
	}
	long := `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"` + strings.Repeat("x", 64<<20) + `"}}]}]}]}`
	if code, answer, err := post(t.Context(), c.url+"/v1/logs", long); err != nil || code != http.StatusRequestEntityTooLarge {
		t.Errorf("JSON over HTTP: got %d %s, %v; want 413", code, answer, err)
	}
	if _, err := grpc.Export(t.Context(), requestOfMiB("too.large", 65)); status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "67108864") {
		t.Errorf("over gRPC: got %v, want ResourceExhausted that says the limit", err)
	}
	waitFor(t, "a line in the collector's log for each", func() bool {
		return strings.Count(c.output.String(), "refused a request") == 3
	})
	c.terminate(t)
}

// TestEachConfigurationTakes64MiB by its settings, and bounds the gRPC calls that
// may receive as much at a time.
func TestEachConfigurationTakes64MiB(t *testing.T) {
	for file, protocols := range configurations(t) {
		for name, settings := range map[string]map[string]int{
			"http": {"max_request_body_size": 64 << 20},
			"grpc": {"max_recv_msg_size_mib": 64, "max_concurrent_streams": 16},
		} {
			if !protocols.IsSet(name) {
				continue
			}
			for key, want := range settings {
				if got := protocols.Get(name + "::" + key); got != want {
					t.Errorf("%s: %s is %v, want %d", file, key, got, want)
				}
			}
		}
	}
}

// TestEachConfigurationTakesMetrics and keeps none: over HTTP, as Gemini CLI
// sends them when it has nothing to say, and over gRPC.
func TestEachConfigurationTakesMetrics(t *testing.T) {
	for _, config := range []string{"agent.yaml", "gateway.yaml", "tee.yaml"} {
		t.Run(config, func(t *testing.T) {
			dir := t.TempDir()
			c := startWith(t, filepath.Join(dir, "audit.jsonl"), []string{"OTELAUDIT_QUEUE=" + filepath.Join(dir, "queue")}, config)
			mustPost(t, c.url+"/v1/metrics", `{"resourceMetrics":[]}`)
			const metrics = `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"tokens","sum":{"dataPoints":[{"asInt":"1"},{"asInt":"2"}]}}]}]}]}`
			mustPost(t, c.url+"/v1/metrics", metrics)
			req := pmetricotlp.NewExportRequest()
			if err := req.UnmarshalJSON([]byte(metrics)); err != nil {
				t.Fatal(err)
			}
			if _, err := pmetricotlp.NewGRPCClient(dial(t, c, c.keys)).Export(t.Context(), req); err != nil {
				t.Error(err)
			}
			if lines := linesOf(t, c.path); len(lines) != 0 {
				t.Errorf("got the lines %v, want none", lines)
			}
			if config == "tee.yaml" {
				return // the backend gets them
			}
			c.terminate(t)
			if said := c.output.String(); !strings.Contains(said, "Dropped metrics") || !strings.Contains(said, fmt.Sprintf(`"data_points": %d`, 4)) {
				t.Errorf("the collector's log has no number of data points:\n%s", said)
			}
		})
	}
}

// waitFor waits until ok.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for !ok() {
		select {
		case <-t.Context().Done():
			t.Fatalf("no %s: %v", what, t.Context().Err())
		case <-poll.C:
		}
	}
}

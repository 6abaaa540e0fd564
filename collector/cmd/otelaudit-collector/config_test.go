package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"testing"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

const aCall = `{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"GET /x"},
	{"name":"ChatOpenAI","attributes":[{"key":"openinference.span.kind","value":{"stringValue":"LLM"}}]}]}]}]}`

// TestEachConfigurationWritesTheAuditLog over HTTP and gRPC, and ends well when
// it is told to.
func TestEachConfigurationWritesTheAuditLog(t *testing.T) {
	for _, config := range []string{"agent.yaml", "gateway.yaml"} {
		t.Run(config, func(t *testing.T) {
			c := start(t, filepath.Join(t.TempDir(), "audit.jsonl"), config)
			mustPost(t, c.url+"/v1/logs", logsJSON("over.http"))
			mustPost(t, c.url+"/v1/traces", aCall)
			exportOverGRPC(t, c, "over.grpc")
			var got []string
			for _, line := range linesOf(t, c.path) {
				got = append(got, line["event"].(string))
			}
			if want := []string{"over.http", "LLM", "over.grpc"}; !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
			c.terminate(t)
		})
	}
}

func exportOverGRPC(t *testing.T, c *collector, event string) {
	t.Helper()
	ld := plog.NewLogs()
	ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().SetEventName(event)
	if _, err := plogotlp.NewGRPCClient(dial(t, c, c.keys)).Export(t.Context(), plogotlp.NewExportRequestFromLogs(ld)); err != nil {
		t.Fatal(err)
	}
}

// dial connects to a collector with credentials, nil for none.
func dial(t *testing.T, c *collector, with *gatewayKeys) *grpc.ClientConn {
	t.Helper()
	opts := []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
	if with != nil {
		opts = []grpc.DialOption{grpc.WithTransportCredentials(credentials.NewTLS(with.tls(t))), grpc.WithPerRPCCredentials(with)}
	}
	conn, err := grpc.NewClient(c.grpc, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// backend is an OTLP backend that refuses everything until it is told not to.
type backend struct {
	*httptest.Server

	up       chan struct{}
	received chan string // events and names of spans
}

func newBackend(t *testing.T) *backend {
	b := &backend{up: make(chan struct{}), received: make(chan string, 100)}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-b.up:
		default:
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if r.URL.Path == "/v1/logs" {
			req := plogotlp.NewExportRequest()
			if err := req.UnmarshalProto(body); err != nil {
				t.Error(err)
			}
			for _, record := range req.Logs().ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().All() {
				b.received <- record.EventName()
			}
			return
		}
		req := ptraceotlp.NewExportRequest()
		if err := req.UnmarshalProto(body); err != nil {
			t.Error(err)
		}
		for _, span := range req.Traces().ResourceSpans().At(0).ScopeSpans().At(0).Spans().All() {
			b.received <- span.Name()
		}
	}))
	t.Cleanup(b.Close)
	return b
}

// TestATeeWritesTheAuditLogWhileTheBackendIsDown and passes all of it on when
// it is back, also what a collector queued that was killed.
func TestATeeWritesTheAuditLogWhileTheBackendIsDown(t *testing.T) {
	b := newBackend(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.jsonl")
	env := []string{"OTELAUDIT_BACKEND=" + b.URL, "OTELAUDIT_QUEUE=" + filepath.Join(dir, "queue")}
	// The receiver's gzip is not of interest here, and a second between attempts
	// would be the time of the test.
	fast := "yaml:exporters: {otlp_http: {compression: none, retry_on_failure: {initial_interval: 10ms, max_interval: 50ms}}}"
	c := startWith(t, path, env, "tee.yaml", fast)
	mustPost(t, c.url+"/v1/logs", logsJSON("a"))
	c.kill(t)
	c = startWith(t, path, env, "tee.yaml", fast)
	mustPost(t, c.url+"/v1/traces", aCall)
	if lines := linesOf(t, path); len(lines) != 2 || lines[0]["event"] != "a" || lines[1]["event"] != "LLM" {
		t.Errorf("got %v, want events a and LLM", lines)
	}
	close(b.up)
	want := map[string]bool{"a": true, "GET /x": true, "ChatOpenAI": true}
	for len(want) > 0 {
		select {
		case name := <-b.received:
			delete(want, name)
		case <-c.ended:
			t.Fatalf("the collector ended; %v did not arrive", want)
		case <-t.Context().Done():
			t.Fatalf("%v did not arrive", want)
		}
	}
	c.terminate(t)
}

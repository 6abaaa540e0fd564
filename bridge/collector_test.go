package bridge_test

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/protobuf/proto"

	"github.com/otelaudit/otelaudit/bridge"
)

// answer is what the collector does with one request instead of accepting it.
type answer func(http.ResponseWriter, *http.Request, *collogspb.ExportLogsServiceRequest)

// collector is a scripted OTLP receiver. It accepts, and keeps in order, what
// its script does not answer.
type collector struct {
	mu       sync.Mutex
	script   []answer // of the next requests; nil: always
	always   answer   // of all others; nil: accept
	requests int
	accepted []*collogspb.ExportLogsServiceRequest
}

var _ http.Handler = (*collector)(nil)

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = z
	}
	data, err := io.ReadAll(body)
	if err != nil {
		return // the client went away
	}
	req := new(collogspb.ExportLogsServiceRequest)
	if err := proto.Unmarshal(data, req); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	var do answer
	if len(c.script) > 0 {
		do, c.script = c.script[0], c.script[1:]
	}
	if do == nil {
		do = c.always
	}
	c.requests++
	c.mu.Unlock()
	if do == nil {
		do = c.accept
	}
	do(w, r, req)
}

func (c *collector) keep(req *collogspb.ExportLogsServiceRequest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.accepted = append(c.accepted, req)
}

func (c *collector) accept(w http.ResponseWriter, _ *http.Request, req *collogspb.ExportLogsServiceRequest) {
	c.keep(req)
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func (c *collector) push(script ...answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.script = append(c.script, script...)
}

// serve starts the collector on loopback and returns its URL.
func (c *collector) serve(t testing.TB) string {
	t.Helper()
	s := httptest.NewServer(c)
	t.Cleanup(s.Close)
	return s.URL
}

// records returns the records of all accepted requests, in order of arrival.
func (c *collector) records() []*logspb.LogRecord {
	c.mu.Lock()
	defer c.mu.Unlock()
	return recordsOf(c.accepted...)
}

// names returns the event names of what was accepted, and forgets it.
func (c *collector) names() []string {
	names := []string{}
	for _, r := range c.records() {
		names = append(names, r.GetEventName())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.accepted = nil
	return names
}

func recordsOf(reqs ...*collogspb.ExportLogsServiceRequest) []*logspb.LogRecord {
	var out []*logspb.LogRecord
	for _, req := range reqs {
		for _, rl := range req.GetResourceLogs() {
			for _, sl := range rl.GetScopeLogs() {
				out = append(out, sl.GetLogRecords()...)
			}
		}
	}
	return out
}

func uidOf(t testing.TB, r *logspb.LogRecord) string {
	t.Helper()
	for _, kv := range r.GetAttributes() {
		if kv.GetKey() == "log.record.uid" {
			return kv.GetValue().GetStringValue()
		}
	}
	t.Errorf("record %q has no log.record.uid", r.GetEventName())
	return ""
}

// reply answers with a status and a body.
func reply(status int, contentType, body string) answer {
	return func(w http.ResponseWriter, _ *http.Request, _ *collogspb.ExportLogsServiceRequest) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// line is one event as another program may have appended it.
func line(name string) string {
	return fmt.Sprintf(`{"ts":"2026-01-02T03:04:05.678Z","event":%q,"session_id":"s"}`, name)
}

// lines returns n events named prefix-0, prefix-1, …, and their names.
func lines(prefix string, n int) (content string, names []string) {
	var b strings.Builder
	for i := range n {
		names = append(names, fmt.Sprintf("%s-%d", prefix, i))
		b.WriteString(line(names[i]) + "\n")
	}
	return b.String(), names
}

func logPath(t testing.TB) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "audit.jsonl")
}

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func appendTo(t testing.TB, path, content string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(content); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// archive makes path the archive of that stamp, compressed.
func archive(t testing.TB, path, stamp string) {
	t.Helper()
	f, err := os.Create(strings.TrimSuffix(path, ".jsonl") + "_" + stamp + ".jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	z := gzip.NewWriter(f)
	if _, err := io.WriteString(z, read(t, path)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// newBridge returns a bridge with waits that do not hold up a test, and one
// request in flight, so that the script of a collector meets requests in order. Its
// first request has a whole batch.
func newBridge(t testing.TB, path, url string, opts ...bridge.Option) *bridge.Bridge {
	t.Helper()
	opts = append([]bridge.Option{
		bridge.WithEndpoint(url),
		bridge.WithInFlight(1), bridge.WithProbe(false),
		bridge.WithBackoff(time.Millisecond, 2*time.Millisecond),
	}, opts...)
	b, err := bridge.New(path, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// run replays once and wants no error.
func run(t testing.TB, path, url string, opts ...bridge.Option) bridge.Stats {
	t.Helper()
	stats, err := newBridge(t, path, url, opts...).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return stats
}

// onLog returns a logger that calls f with each message.
func onLog(f func(message string)) *slog.Logger { return slog.New(logFunc(f)) }

type logFunc func(string)

func (f logFunc) Enabled(context.Context, slog.Level) bool { return true }

func (f logFunc) Handle(_ context.Context, r slog.Record) error {
	f(r.Message)
	return nil
}

func (f logFunc) WithAttrs([]slog.Attr) slog.Handler { return f }
func (f logFunc) WithGroup(string) slog.Handler      { return f }

// inMemory serves round trips from a handler, without a connection. A handler
// that panics with http.ErrAbortHandler closes it without an answer.
type inMemory struct{ http.Handler }

func (h inMemory) RoundTrip(r *http.Request) (_ *http.Response, err error) {
	defer func() {
		if v := recover(); v == http.ErrAbortHandler { //nolint:errorlint // as net/http does
			err = io.ErrUnexpectedEOF
		} else if v != nil {
			panic(v)
		}
	}()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	resp := w.Result()
	resp.Request = r
	return resp, nil
}

// header accepts and keeps the values of these request headers, with slashes
// between them.
func header(c *collector, values *string, names ...string) answer {
	return func(w http.ResponseWriter, r *http.Request, req *collogspb.ExportLogsServiceRequest) {
		var got []string
		for _, name := range names {
			got = append(got, r.Header.Get(name))
		}
		*values = strings.Join(got, "/")
		c.accept(w, r, req)
	}
}

package bridge_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	"google.golang.org/protobuf/proto"

	"github.com/otelaudit/otelaudit/bridge"
)

const (
	typeProto = "application/x-protobuf"
	typeJSON  = "application/json"
	typeGRPC  = "application/grpc"
	typeHTML  = "text/html; charset=utf-8"
	typeText  = "text/plain"
)

func partialBody(t testing.TB, rejected int64, message string) string {
	t.Helper()
	b, err := proto.Marshal(&collogspb.ExportLogsServiceResponse{
		PartialSuccess: &collogspb.ExportLogsPartialSuccess{RejectedLogRecords: rejected, ErrorMessage: message},
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// hijack answers with raw bytes and closes the connection.
func hijack(raw string, reset bool) answer {
	return func(w http.ResponseWriter, _ *http.Request, _ *collogspb.ExportLogsServiceRequest) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = io.WriteString(conn, raw)
		if reset {
			_ = conn.(*net.TCPConn).SetLinger(0)
		}
		_ = conn.Close()
	}
}

// The rows of the table in DESIGN.md.
const (
	rowAccepted = "2xx, empty or with an OTLP answer that rejects nothing"
	rowPartial  = "2xx with an OTLP answer that rejects some records"
	rowLater    = "408, 425, 429, and 5xx but 501, 505 and 511, also of a proxy"
	rowBroken   = "connection refused, reset or closed; no HTTP; a header or a 2xx that is cut off"
	rowTimeout  = "no answer within the time-out"
	rowHiccup   = "name not resolved or TLS failed, after the endpoint answered once"
	rowRefused  = "400, 413, 422"
	rowTooLarge = "no request: the body is over the exporter's limit"
	rowPlain    = "400, or an alert of TLS, of a TLS port to plain HTTP"
	rowProxy    = "an answer of a proxy to CONNECT but 200 and what is retried"
	rowClient   = "3xx; 4xx but the above"
	rowServer   = "501, 505, 511"
	rowSwitched = "1xx that is no final answer"
	rowGRPC     = "an answer of gRPC, or HTTP/2 without being asked for it"
	rowForeign  = "2xx with anything that is no OTLP answer"
	rowWrong    = "name not resolved or TLS failed, before the endpoint answered"
)

// verdictRow is what the table in DESIGN.md says of one row.
type verdictRow struct {
	verdict string
	exit    string
	tested  bool
}

// designTable reads the table of verdicts.
func designTable(t *testing.T) map[string]*verdictRow {
	t.Helper()
	_, text, ok := strings.Cut(read(t, filepath.Join("..", "DESIGN.md")), "| answer | verdict | what happens | exit code |\n|---|---|---|---|\n")
	if !ok {
		t.Fatal("DESIGN.md has no table of verdicts")
	}
	table := map[string]*verdictRow{}
	for row := range strings.Lines(text) {
		cells := strings.Split(strings.Trim(row, "|\n"), "|")
		if len(cells) != 4 {
			break
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if table[cells[0]] != nil {
			t.Errorf("two rows of DESIGN.md begin with %q", cells[0])
		}
		table[cells[0]] = &verdictRow{verdict: cells[1], exit: cells[3]}
	}
	return table
}

// grpcStatus answers as a server of gRPC that does not implement the method.
func grpcStatus(trailer bool) answer {
	return func(w http.ResponseWriter, _ *http.Request, _ *collogspb.ExportLogsServiceRequest) {
		if trailer {
			w.Header().Set("Trailer", "Grpc-Status")
			w.WriteHeader(http.StatusOK)
		}
		w.Header().Set("Grpc-Status", "12")
	}
}

// TestEveryAnswerEndsInOneVerdict is the table in DESIGN.md, row by row: a log
// of four events meets a collector that gives the answer to its first request,
// and takes all others.
func TestEveryAnswerEndsInOneVerdict(t *testing.T) {
	const four = 4
	accepted := bridge.Stats{Read: four, Sent: four}
	retried := bridge.Stats{Read: four, Sent: four, Retried: 1}
	halved := accepted // both halves are taken
	stopped := bridge.Stats{Read: four}
	partial := bridge.Stats{Read: four, Sent: 1, Rejected: 3, Unnamed: 3}

	type row struct {
		design string
		name   string
		answer answer
		want   bridge.Stats
		status int // of the StopError

		failures []error // of the first round trips, nil: none
		opts     []bridge.Option
	}
	rows := []row{
		{design: rowAccepted, name: "200 empty", answer: reply(200, "", "")},
		{design: rowAccepted, name: "200 empty protobuf", answer: reply(200, typeProto, "")},
		{design: rowAccepted, name: "200 empty HTML", answer: reply(200, typeHTML, "")},
		{design: rowAccepted, name: "200 protobuf, partial success of nothing", answer: reply(200, typeProto, "\x0a\x00")},
		{design: rowAccepted, name: "200 protobuf, rejected 0 with a message", answer: reply(200, typeProto, partialBody(t, 0, "careful"))},
		{design: rowAccepted, name: "200 JSON {}", answer: reply(200, typeJSON, "{}")},
		{design: rowAccepted, name: "200 JSON partialSuccess {}", answer: reply(200, typeJSON+"; charset=utf-8", `{"partialSuccess":{}}`)},
		{design: rowAccepted, name: "200 JSON with a later field", answer: reply(200, typeJSON, `{"partialSuccess":{"new":1},"later":[]}`)},
		{design: rowAccepted, name: "200 rejected fewer than none", answer: reply(200, typeProto, partialBody(t, -3, ""))},

		{design: rowPartial, name: "200 protobuf, rejected 3", answer: reply(200, typeProto, partialBody(t, 3, "too old"))},
		{design: rowPartial, name: "200 JSON, rejected 3", answer: reply(200, typeJSON, `{"partialSuccess":{"rejectedLogRecords":"3","errorMessage":"too old"}}`)},
		{design: rowPartial, name: "200 JSON, rejected 3 as a number", answer: reply(200, typeJSON, `{"partialSuccess":{"rejectedLogRecords":3}}`)},
		{design: rowPartial, name: "200 rejected more than were sent", answer: reply(200, typeProto, partialBody(t, 99, "")), want: bridge.Stats{Read: four, Rejected: four, Unnamed: four}},

		{design: rowBroken, name: "connection refused", failures: []error{syscall.ECONNREFUSED}},
		{design: rowBroken, name: "connection closed before an answer", answer: hijack("", false)},
		{design: rowBroken, name: "connection reset before an answer", answer: hijack("", true)},
		{design: rowBroken, name: "no HTTP", answer: hijack("SSH-2.0-x\r\n", false)},
		{design: rowBroken, name: "header cut off", answer: hijack("HTTP/1.1 200 OK\r\nContent-Le", false)},
		{design: rowBroken, name: "body cut off", answer: hijack("HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 9\r\n\r\n\x0a", false)},
		{design: rowBroken, name: "chunked body cut off", answer: hijack("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", false)},
		{design: rowTimeout, name: "time-out", failures: []error{context.DeadlineExceeded}},
		{design: rowHiccup, name: "name not resolved, later", failures: []error{nil, noSuchHost}, opts: []bridge.Option{bridge.WithBatchSize(2)}},
		{design: rowHiccup, name: "TLS failed, later", failures: []error{nil, unknownAuthority}, opts: []bridge.Option{bridge.WithBatchSize(2)}},

		{
			design: rowTooLarge, name: "body over the limit",
			want: bridge.Stats{Read: four, Rejected: four},
			opts: []bridge.Option{bridge.WithExporterOptions(otlploghttp.WithMaxRequestSize(30))},
		},

		{design: rowForeign, name: "200 HTML", answer: reply(200, typeHTML, "<html>Please log in"), status: 200},
		{design: rowForeign, name: "200 text", answer: reply(200, typeText, "ok"), status: 200},
		{design: rowForeign, name: "200 without a type", answer: reply(200, "", "ok"), status: 200},
		{design: rowForeign, name: "200 JSON, an error", answer: reply(200, typeJSON, `{"error":"not logged in"}`), status: 200},
		{design: rowForeign, name: "200 JSON, an array", answer: reply(200, typeJSON, `[]`), status: 200},
		{design: rowForeign, name: "200 JSON, cut inside", answer: reply(200, typeJSON, `{"partialSuccess":`), status: 200},
		{design: rowForeign, name: "200 protobuf, garbage", answer: reply(200, typeProto, "<html>"), status: 200},
		{design: rowForeign, name: "200 protobuf, a google.rpc.Status", answer: reply(200, typeProto, "\x08\x05\x12\x02no"), status: 200},
		{design: rowForeign, name: "200 HTML of 5 MiB", answer: reply(200, typeHTML, strings.Repeat("x", 5<<20)), status: 200},
		{design: rowPartial, name: "200 application/protobuf, rejected 3", answer: reply(200, "application/protobuf", partialBody(t, 3, "too old"))},
		{design: rowPartial, name: "200 protobuf in capitals, with a broken parameter", answer: reply(200, "Application/X-Protobuf; charset", partialBody(t, 3, "too old"))},
		{design: rowForeign, name: "200 octets", answer: reply(200, "application/octet-stream", partialBody(t, 3, "too old")), status: 200},
		{design: rowForeign, name: "200 with a type that is none", answer: reply(200, "/;", "{}"), status: 200},
		{design: rowSwitched, name: "101", answer: hijack("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", false), status: 101},
		{design: rowGRPC, name: "gRPC with protobuf's type", answer: reply(200, "application/grpc+proto", ""), status: 200},
		{design: rowGRPC, name: "gRPC-Web", answer: reply(200, "application/grpc-web+proto", ""), status: 200},
		{design: rowGRPC, name: "grpc-status without a type", answer: grpcStatus(false), status: 200},
		{design: rowGRPC, name: "grpc-status in a trailer", answer: grpcStatus(true), status: 200},
		{design: rowGRPC, name: "400 of Kestrel", answer: reply(400, "", "An HTTP/1.x request was sent to an HTTP/2 only endpoint."), status: 400},
		{design: rowPlain, name: "400 from a TLS port", answer: reply(400, typeText, "Client sent an HTTP request to an HTTPS server.\n"), status: 400},
		{design: rowPlain, name: "400 of Tomcat's TLS port", answer: reply(400, typeText, "Bad Request\r\nThis combination of host and port requires TLS.\r\n"), status: 400},
		{design: rowPlain, name: "alert of TLS", answer: hijack("\x15\x03\x03\x00\x02\x02\x0a", false)},
		{design: rowRefused, name: "400 cut off", answer: hijack("HTTP/1.1 400 Bad Request\r\nContent-Length: 9\r\n\r\nno", false)},
		{design: rowClient, name: "404 cut off", answer: hijack("HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nno", false), status: 404},
		{design: rowWrong, name: "name not resolved", failures: []error{noSuchHost}},
		{design: rowWrong, name: "TLS failed", failures: []error{unknownAuthority}},
	}
	for _, status := range []int{201, 202, 203, 204, 205, 206, 226, 299} {
		rows = append(rows, row{design: rowAccepted, name: strconv.Itoa(status) + " empty", answer: reply(status, "", "")})
		if status == 204 {
			continue // has no body
		}
		rows = append(rows,
			row{design: rowAccepted, name: strconv.Itoa(status) + " with an OTLP answer", answer: reply(status, typeJSON, "{}")},
			row{design: rowPartial, name: strconv.Itoa(status) + ", rejected 3", answer: reply(status, typeProto, partialBody(t, 3, "too old"))},
			row{design: rowForeign, name: strconv.Itoa(status) + " HTML", answer: reply(status, typeHTML, "<html>"), status: status},
			row{design: rowForeign, name: strconv.Itoa(status) + " text", answer: reply(status, typeText, "ok"), status: status})
	}
	for name, raw := range map[string]string{
		"HTTP/2 SETTINGS": "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64",
		"HTTP/2 GOAWAY":   "\x00\x00\x08\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01",
	} {
		rows = append(rows, row{design: rowGRPC, name: name, answer: hijack(raw, false)})
	}
	for status, body := range map[int]string{200: "", 415: "", 404: "", 503: "", 400: "x"} {
		rows = append(rows, row{design: rowGRPC, name: "gRPC " + strconv.Itoa(status), answer: reply(status, typeGRPC, body), status: status})
	}
	for _, status := range []int{408, 425, 429, 500, 502, 503, 504, 507, 599} {
		rows = append(rows, row{design: rowLater, name: strconv.Itoa(status), answer: reply(status, typeText, "later")})
	}
	for _, status := range []int{400, 413, 422} {
		rows = append(rows, row{design: rowRefused, name: strconv.Itoa(status), answer: reply(status, typeText, "too bad")})
	}
	for _, status := range []int{300, 301, 302, 303, 304, 307, 308, 401, 402, 403, 404, 405, 406, 407, 409, 410, 411, 415, 421, 431, 451} {
		rows = append(rows, row{design: rowClient, name: strconv.Itoa(status), answer: reply(status, typeText, "go away"), status: status})
	}
	for _, status := range []int{501, 505, 511} {
		rows = append(rows, row{design: rowServer, name: strconv.Itoa(status), answer: reply(status, typeText, "go away"), status: status})
	}
	for _, status := range []int{101, 201, 204, 302, 400, 403, 407, 413, 422, 501} {
		rows = append(rows, row{design: rowProxy, name: strconv.Itoa(status) + " of a proxy", failures: []error{bridge.ProxyError(status)}})
	}
	for _, status := range []int{408, 429, 502, 503} {
		rows = append(rows, row{design: rowLater, name: strconv.Itoa(status) + " of a proxy", failures: []error{bridge.ProxyError(status)}})
	}
	table := designTable(t)
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			design := table[r.design]
			if design == nil {
				t.Fatalf("DESIGN.md has no row %q", r.design)
			}
			design.tested = true
			want := r.want
			if want == (bridge.Stats{}) {
				want = map[string]bridge.Stats{
					"accepted": accepted, "partial": partial, "retry": retried, "bisect": halved, "stop": stopped,
				}[design.verdict]
			}
			c := &collector{script: []answer{r.answer}}
			path, url := logPath(t), c.serve(t)
			content, names := lines("a", four)
			write(t, path, content)
			opts := r.opts
			if r.failures != nil {
				opts = append(opts, bridge.WithTransport(&fails{errs: r.failures, next: http.DefaultTransport}))
			}
			stats, err := newBridge(t, path, url, opts...).Run(t.Context())
			if stats != want {
				t.Errorf("got %+v, want %+v", stats, want)
			}
			stop, isStop := errors.AsType[*bridge.StopError](err)
			exit := "0"
			switch {
			case err != nil:
				exit = "2"
			case stats.Rejected > 0:
				exit = "1"
			}
			if design.verdict == "bisect" && exit == "0" {
				exit = "1 if a record is refused" // and none was
			}
			if !strings.HasPrefix(design.exit, exit) {
				t.Errorf("got the exit code %s, and DESIGN.md says %s", exit, design.exit)
			}
			if design.verdict != "stop" {
				if err != nil {
					t.Errorf("got error %v, want none", err)
				}
				if got := run(t, path, url); got != (bridge.Stats{}) {
					t.Errorf("second run: got %+v, want nothing", got)
				}
				return
			}
			if !isStop || stop.Status != r.status || stop.URL != url+"/v1/logs" || stop.Reason == "" || stop.Hint == "" {
				t.Errorf("got error %#v, want a StopError with status %d, URL, reason and hint", err, r.status)
			}
			// Nothing was skipped.
			c.names()
			run(t, path, url)
			if diff := cmp.Diff(names, c.names()); diff != "" {
				t.Errorf("arrived in the second run (-want +got):\n%s", diff)
			}
		})
	}
	for name, row := range table {
		if !row.tested {
			t.Errorf("no test of the row %q of DESIGN.md", name)
		}
	}
}

var (
	noSuchHost       = &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "collector", IsNotFound: true}}
	unknownAuthority = &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}
)

func TestRedirectIsNotFollowed(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			var c, other collector
			path, url, to := logPath(t), c.serve(t), other.serve(t)+"/v1/logs"
			write(t, path, line("a")+"\n")
			c.push(func(w http.ResponseWriter, r *http.Request, _ *collogspb.ExportLogsServiceRequest) {
				http.Redirect(w, r, to, status)
			})
			_, err := newBridge(t, path, url).Run(t.Context())
			if stop, ok := errors.AsType[*bridge.StopError](err); !ok || !strings.Contains(stop.Hint, to) {
				t.Errorf("got error %v, want a StopError that names %s", err, to)
			}
			if c.requests != 1 || other.requests != 0 {
				t.Errorf("got %d and %d requests, want 1 and none", c.requests, other.requests)
			}
		})
	}
}

func TestTimeoutIsRetried(t *testing.T) {
	for name, tt := range map[string]struct {
		variable string
		opts     []bridge.Option
	}{
		"variable": {"50", nil},
		"option":   {"60000", []bridge.Option{bridge.WithTimeout(50 * time.Millisecond)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", tt.variable)
			var c collector
			path, url := logPath(t), c.serve(t)
			write(t, path, line("a")+"\n")
			c.push(func(_ http.ResponseWriter, r *http.Request, _ *collogspb.ExportLogsServiceRequest) {
				<-r.Context().Done()
			})
			if got, want := run(t, path, url, tt.opts...), (bridge.Stats{Read: 1, Sent: 1, Retried: 1}); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func TestCollectorThatComesLaterGetsEverything(t *testing.T) {
	var c collector
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	path := logPath(t)
	content, names := lines("a", 3)
	write(t, path, content)
	failures := 0
	arrive := onLog(func(string) {
		if failures++; failures != 3 {
			return
		}
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", addr)
		if err != nil {
			t.Error(err)
			return
		}
		s := &httptest.Server{Listener: l, Config: &http.Server{Handler: &c}}
		s.Start()
		t.Cleanup(s.Close)
	})
	if got, want := run(t, path, "http://"+addr, bridge.WithLogger(arrive)), (bridge.Stats{Read: 3, Sent: 3, Retried: 3}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if diff := cmp.Diff(names, c.names()); diff != "" {
		t.Errorf("arrived (-want +got):\n%s", diff)
	}
}

// fails is a transport whose first round trips fail.
type fails struct {
	errs []error
	next http.RoundTripper
}

func (f *fails) RoundTrip(r *http.Request) (*http.Response, error) {
	if len(f.errs) > 0 {
		err := f.errs[0]
		f.errs = f.errs[1:]
		if err != nil {
			return nil, err
		}
	}
	return f.next.RoundTrip(r)
}

func TestNameThatCannotBeResolvedStopsAtTheStartOnly(t *testing.T) {
	dns := &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "collector", IsNotFound: true}}
	content, _ := lines("a", 4)
	t.Run("start", func(t *testing.T) {
		var c collector
		path := logPath(t)
		write(t, path, content)
		_, err := newBridge(t, path, "http://collector", bridge.WithTransport(&fails{errs: []error{dns}, next: inMemory{&c}})).Run(t.Context())
		if stop, ok := errors.AsType[*bridge.StopError](err); !ok || stop.Status != 0 || !errors.Is(err, dns) {
			t.Errorf("got error %v, want a StopError without status that wraps the failure", err)
		}
	})
	t.Run("later", func(t *testing.T) {
		var c collector
		path := logPath(t)
		write(t, path, content)
		got := run(t, path, "http://collector", bridge.WithBatchSize(2),
			bridge.WithTransport(&fails{errs: []error{nil, dns}, next: inMemory{&c}}))
		if want := (bridge.Stats{Read: 4, Sent: 4, Retried: 1}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}

func TestTLSThatFailsStopsAtTheStart(t *testing.T) {
	var c collector
	path := logPath(t)
	write(t, path, line("a")+"\n")
	s := httptest.NewUnstartedServer(&c)
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.StartTLS()
	t.Cleanup(s.Close)
	for name, url := range map[string]string{
		"unknown authority": s.URL,
		"plain text to TLS": strings.Replace(s.URL, "https", "http", 1),
		"TLS to plain text": strings.Replace(c.serve(t), "http", "https", 1),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newBridge(t, path, url).Run(t.Context())
			if stop, ok := errors.AsType[*bridge.StopError](err); !ok || stop.Hint == "" {
				t.Errorf("got error %v, want a StopError with a hint", err)
			}
		})
	}
}

func TestRefusedConnectionIsRetriedAtTheStart(t *testing.T) {
	var c collector
	path := logPath(t)
	write(t, path, line("a")+"\n")
	got := run(t, path, "http://collector", bridge.WithTransport(&fails{
		errs: []error{syscall.ECONNREFUSED, io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, context.DeadlineExceeded},
		next: inMemory{&c},
	}))
	if want := (bridge.Stats{Read: 1, Sent: 1, Retried: 5}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	for name, tt := range map[string]struct {
		header func() string
		min    time.Duration
		max    time.Duration
	}{
		"seconds":       {func() string { return "120" }, 120 * time.Second, 120 * time.Second},
		"date":          {func() string { return time.Now().Add(5 * time.Minute).UTC().Format(http.TimeFormat) }, 5*time.Minute - time.Second, 5 * time.Minute},
		"absent":        {func() string { return "" }, time.Second / 2, 3 * time.Second / 2},
		"zero":          {func() string { return "0" }, time.Second / 2, 3 * time.Second / 2},
		"negative":      {func() string { return "-5" }, time.Second / 2, 3 * time.Second / 2},
		"garbage":       {func() string { return "soon" }, time.Second / 2, 3 * time.Second / 2},
		"beyond reason": {func() string { return "99999999999999" }, time.Hour, time.Hour},
		"beyond int64":  {func() string { return "99999999999999999999" }, time.Hour, time.Hour},
		// As nanoseconds these wrap around, some of them to more than 0.
		"far below 0":    {func() string { return "-13835058055" }, time.Second / 2, 3 * time.Second / 2},
		"the least":      {func() string { return "-9223372036854775808" }, time.Second / 2, 3 * time.Second / 2},
		"below int64":    {func() string { return "-99999999999999999999" }, time.Second / 2, 3 * time.Second / 2},
		"date long gone": {func() string { return "Sat, 02 Jan 1999 15:04:05 GMT" }, time.Second / 2, 3 * time.Second / 2},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				path := filepath.Join(dir, "audit.jsonl")
				write(t, path, line("a")+"\n")
				c := &collector{script: []answer{func(w http.ResponseWriter, r *http.Request, req *collogspb.ExportLogsServiceRequest) {
					w.Header().Set("Retry-After", tt.header())
					reply(503, typeText, "busy")(w, r, req)
				}}}
				start := time.Now()
				b, err := bridge.New(path, bridge.WithEndpoint("http://collector"), bridge.WithTransport(inMemory{c}))
				if err != nil {
					t.Fatal(err)
				}
				if _, err := b.Run(t.Context()); err != nil {
					t.Fatal(err)
				}
				if got := time.Since(start); got < tt.min || got > tt.max {
					t.Errorf("got a wait of %s, want %s to %s", got, tt.min, tt.max)
				}
			})
		})
	}
}

func TestWaitsGrowAndNeverEnd(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(dir, "audit.jsonl")
		write(t, path, line("a")+"\n")
		c := &collector{script: slices.Repeat([]answer{reply(503, typeText, "busy")}, 1000)}
		start := time.Now()
		b, err := bridge.New(path, bridge.WithEndpoint("http://collector"), bridge.WithTransport(inMemory{c}))
		if err != nil {
			t.Fatal(err)
		}
		stats, err := b.Run(t.Context())
		if err != nil || stats.Retried != 1000 || stats.Sent != 1 {
			t.Errorf("got %+v, %v, want 1000 retries and 1 sent", stats, err)
		}
		if got := time.Since(start); got < 1000*10*time.Second || got > 1000*45*time.Second {
			t.Errorf("1000 retries took %s, want about 30 seconds each", got)
		}
	})
}

// reject is one line of the reject file.
type reject struct {
	TS         string `json:"ts"`
	Kind       string `json:"kind"`
	File       string `json:"file"`
	Line       int64  `json:"line"`
	Offset     int64  `json:"offset"`
	LastLine   int64  `json:"last_line"`
	LastOffset int64  `json:"last_offset"`
	UID        string `json:"uid"`
	LastUID    string `json:"last_uid"`
	Count      int64  `json:"count"`
	Of         int64  `json:"of"`
	Status     int    `json:"status"`
	Reason     string `json:"reason"`
	Record     any    `json:"record"`
}

func rejects(t testing.TB, file string) []reject {
	t.Helper()
	var out []reject
	for text := range strings.Lines(read(t, file)) {
		var r reject
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			t.Fatalf("reject file: %v: %s", err, text)
		}
		if _, err := time.Parse("2006-01-02T15:04:05.000Z", r.TS); err != nil {
			t.Errorf("reject file: %v", err)
		}
		r.TS = ""
		out = append(out, r)
	}
	return out
}

// refuse answers 400 to a batch that holds an event of one of these names.
func (c *collector) refuse(names ...string) answer {
	return func(w http.ResponseWriter, r *http.Request, req *collogspb.ExportLogsServiceRequest) {
		for _, rec := range recordsOf(req) {
			if slices.Contains(names, rec.GetEventName()) {
				reply(400, typeJSON, `{"code":3,"message":"bad \u001b[31mrecord"}`)(w, r, req)
				return
			}
		}
		c.accept(w, r, req)
	}
}

func TestRefusedRecordsAreSetAsideAndAllOthersArrive(t *testing.T) {
	var c collector
	c.always = c.refuse("a-0", "a-13", "a-14", "a-29")
	path, url := logPath(t), c.serve(t)
	content, names := lines("a", 30)
	// Not UTF-8, to see the bytes kept, with spaces to see the line kept.
	bad := "{ \"event\" : \"bad\", \"x\":\"\xff\" }\r\n"
	c.always = c.refuse("a-0", "a-13", "a-14", "a-29", "bad")
	write(t, path, content+bad)
	b := newBridge(t, path, url)
	stats, err := b.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := (bridge.Stats{Read: 31, Sent: 26, Rejected: 5}); stats != want {
		t.Errorf("got %+v, want %+v", stats, want)
	}
	want := slices.DeleteFunc(slices.Clone(names), func(n string) bool {
		return n == "a-0" || n == "a-13" || n == "a-14" || n == "a-29"
	})
	if diff := cmp.Diff(want, c.names()); diff != "" {
		t.Errorf("arrived (-want +got):\n%s", diff)
	}
	var wantRejects []reject
	for _, i := range []int{0, 13, 14, 29} {
		wantRejects = append(wantRejects, reject{
			Kind: "record", File: "audit.jsonl", Line: int64(i + 1), Offset: int64(strings.Index(content, line(names[i]))),
			Count: 1, Status: 400, Reason: `"bad \x1b[31mrecord"`, Record: line(names[i]),
		})
	}
	wantRejects = append(wantRejects, reject{
		Kind: "record", File: "audit.jsonl", Line: 31, Offset: int64(len(content)), Count: 1, Status: 400,
		Reason: `"bad \x1b[31mrecord"`,
		Record: map[string]any{"bytesValue": "eyAiZXZlbnQiIDogImJhZCIsICJ4Ijoi/yIgfQ=="},
	})
	if diff := cmp.Diff(wantRejects, rejects(t, b.RejectFile())); diff != "" {
		t.Errorf("reject file (-want +got):\n%s", diff)
	}
	if got := run(t, path, url); got != (bridge.Stats{}) {
		t.Errorf("second run: got %+v, want nothing", got)
	}
}

func TestBatchThatTheExporterRefusesIsHalved(t *testing.T) {
	var c collector
	path, url := logPath(t), c.serve(t)
	content, names := lines("a", 8)
	large := line(strings.Repeat("x", 10_000)) + "\n"
	write(t, path, content+large+line("b")+"\n")
	b := newBridge(t, path, url, bridge.WithExporterOptions(otlploghttp.WithMaxRequestSize(5000)))
	stats, err := b.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := (bridge.Stats{Read: 10, Sent: 9, Rejected: 1}); stats != want {
		t.Errorf("got %+v, want %+v", stats, want)
	}
	if diff := cmp.Diff(append(names, "b"), c.names()); diff != "" {
		t.Errorf("arrived (-want +got):\n%s", diff)
	}
	got := rejects(t, b.RejectFile())
	if len(got) != 1 || got[0].Status != 0 || !strings.Contains(got[0].Reason, "too large") || got[0].Line != 9 {
		t.Errorf("reject file: got %.300v", got)
	}
}

func TestPartialSuccessIsWrittenDownAndNeverSentAgain(t *testing.T) {
	var c collector
	path, url := logPath(t), c.serve(t)
	content, _ := lines("a", 6)
	write(t, path, content)
	var uids []string
	c.push(nil, func(w http.ResponseWriter, r *http.Request, req *collogspb.ExportLogsServiceRequest) {
		for _, rec := range recordsOf(req) {
			uids = append(uids, uidOf(t, rec))
		}
		reply(200, typeProto, partialBody(t, 2, "two of them are too old"))(w, r, req)
	})
	b := newBridge(t, path, url, bridge.WithBatchSize(3))
	stats, err := b.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := (bridge.Stats{Read: 6, Sent: 4, Rejected: 2, Unnamed: 2}); stats != want {
		t.Errorf("got %+v, want %+v", stats, want)
	}
	want := []reject{{
		Kind: "partial", File: "audit.jsonl",
		Line: 4, Offset: int64(strings.Index(content, line("a-3"))),
		LastLine: 6, LastOffset: int64(strings.Index(content, line("a-5"))),
		UID: uids[0], LastUID: uids[2],
		Count: 2, Of: 3, Status: 200, Reason: "two of them are too old",
	}}
	if diff := cmp.Diff(want, rejects(t, b.RejectFile())); diff != "" {
		t.Errorf("reject file (-want +got):\n%s", diff)
	}
	if c.requests != 2 {
		t.Errorf("got %d requests, want 2", c.requests)
	}
}

func TestRejectedCountThatCannotBeIsBroughtIntoBounds(t *testing.T) {
	for name, tt := range map[string]struct {
		says  int64
		count int64 // in the reject file, 0: no entry
		warns string
	}{
		"more than were sent": {99, 3, "collector rejected a part of a batch and does not say which; the range is in the reject file"},
		"fewer than none":     {-1, 0, "collector accepted a batch with a remark"},
	} {
		t.Run(name, func(t *testing.T) {
			var c collector
			path, url := logPath(t), c.serve(t)
			content, _ := lines("a", 3)
			write(t, path, content)
			c.push(reply(200, typeProto, partialBody(t, tt.says, "")))
			var logged []string
			b := newBridge(t, path, url, bridge.WithLogger(onLog(func(m string) { logged = append(logged, m) })))
			stats, err := b.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if want := (bridge.Stats{Read: 3, Sent: 3 - tt.count, Rejected: tt.count, Unnamed: tt.count}); stats != want {
				t.Errorf("got %+v, want %+v", stats, want)
			}
			if diff := cmp.Diff([]string{tt.warns}, logged); diff != "" {
				t.Errorf("logged (-want +got):\n%s", diff)
			}
			if tt.count == 0 {
				if _, err := os.Stat(b.RejectFile()); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("reject file: got %v, want none", err)
				}
				return
			}
			if got := rejects(t, b.RejectFile()); len(got) != 1 || got[0].Count != tt.count || got[0].Of != 3 {
				t.Errorf("reject file: got %+v, want %d of 3", got, tt.count)
			}
		})
	}
}

// TestWordsOfTheCollectorAreBoundedAndFitForATerminal: what it says goes into the
// log and the reject file, once for each batch.
func TestWordsOfTheCollectorAreBoundedAndFitForATerminal(t *testing.T) {
	const most = 600 // bytes, with some for what the bridge adds
	for what, words := range map[string]string{
		"long":     strings.Repeat("x", 1<<20),
		"escapes":  "bad \x1b[31m\nrecord",
		"controls": strings.Repeat("\x01", 1<<20),
	} {
		for name, a := range map[string]answer{
			"partial":    reply(200, typeProto, partialBody(t, 1, words)),
			"remark":     reply(200, typeProto, partialBody(t, 0, words)),
			"impossible": reply(200, typeProto, partialBody(t, -1, words)),
			"refused":    reply(400, typeText, words),
			"stop":       reply(401, typeText, words),
			"no answer":  reply(200, typeProto, "\xff"+words),
			"endless":    reply(200, typeProto, strings.Repeat(partialBody(t, 0, "x"), 4<<20/5+1)),
			"later":      reply(503, typeText, words),
		} {
			t.Run(what+" "+name, func(t *testing.T) {
				var c collector
				path, url := logPath(t), c.serve(t)
				write(t, path, line("a")+"\n")
				c.push(a)
				var said []string
				logger := slog.New(attrsFunc(func(attr slog.Attr) { said = append(said, attr.Value.String()) }))
				b := newBridge(t, path, url, bridge.WithLogger(logger))
				_, err := b.Run(t.Context())
				if stop, ok := errors.AsType[*bridge.StopError](err); ok {
					said = append(said, stop.Reason)
				} else if err != nil {
					t.Fatal(err)
				}
				if _, err := os.Stat(b.RejectFile()); err == nil {
					for _, r := range rejects(t, b.RejectFile()) {
						said = append(said, r.Reason)
					}
				}
				if len(said) == 0 {
					t.Error("nothing was said")
				}
				for _, s := range said {
					if len(s) > most || strings.ContainsFunc(s, unicode.IsControl) {
						t.Errorf("said %d bytes, want at most %d without control characters: %.100q", len(s), most, s)
					}
					if strings.Count(s, `"`)%2 != 0 {
						t.Errorf("a quoted text has no end: %s", s)
					}
				}
			})
		}
	}
}

// attrsFunc is a handler that passes the attributes of each record on.
type attrsFunc func(slog.Attr)

var _ slog.Handler = attrsFunc(nil)

func (f attrsFunc) Enabled(context.Context, slog.Level) bool { return true }

func (f attrsFunc) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		f(a)
		return true
	})
	return nil
}

func (f attrsFunc) WithAttrs([]slog.Attr) slog.Handler { return f }
func (f attrsFunc) WithGroup(string) slog.Handler      { return f }

func TestEndpointThatTakesNoGzipSaysHowToSendWithout(t *testing.T) {
	var c collector
	path, url := logPath(t), c.serve(t)
	write(t, path, line("a")+"\n")
	c.push(reply(415, typeText, "unsupported Content-Encoding"))
	_, err := newBridge(t, path, url).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "OTEL_EXPORTER_OTLP_COMPRESSION=none") {
		t.Errorf("got error %v, want one that says how to send without compression", err)
	}
	t.Setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
	if got, want := run(t, path, url), (bridge.Stats{Read: 1, Sent: 1}); got != want {
		t.Errorf("without compression: got %+v, want %+v", got, want)
	}
}

func TestEndpointThatRefusesEverythingIsToldOfOnce(t *testing.T) {
	const suspicion = "the endpoint refuses everything; WithFromStart sends it again once that is mended"
	alike := reply(400, typeText, "no")
	n := 0
	different := func(w http.ResponseWriter, r *http.Request, req *collogspb.ExportLogsServiceRequest) {
		n++
		reply(400, typeText, fmt.Sprintf("no %d", n))(w, r, req)
	}
	for name, tt := range map[string]struct {
		records int
		first   answer // nil: accept
		always  answer
		want    int
	}{
		"all of many":          {120, alike, alike, 1},
		"few":                  {49, alike, alike, 0},
		"one was accepted":     {120, nil, alike, 0},
		"each for its reasons": {120, different, different, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var c collector
			path, url := logPath(t), c.serve(t)
			content, _ := lines("a", tt.records)
			write(t, path, content)
			first := tt.first
			if first == nil {
				first = c.accept
			}
			c.push(first)
			c.always = tt.always
			told := 0
			run(t, path, url, bridge.WithBatchSize(1), bridge.WithLogger(onLog(func(m string) {
				if m == suspicion {
					told++
				}
			})))
			if told != tt.want {
				t.Errorf("told %d times, want %d", told, tt.want)
			}
		})
	}
}

func TestTornEntryOfTheRejectFileIsEndedFirst(t *testing.T) {
	var c collector
	c.always = c.refuse("a")
	path, url := logPath(t), c.serve(t)
	write(t, path, line("a")+"\n")
	file := filepath.Join(t.TempDir(), "refused")
	write(t, file, `{"ts":"2026`)
	run(t, path, url, bridge.WithRejectFile(file))
	first, second, _ := strings.Cut(read(t, file), "\n")
	if first != `{"ts":"2026` || !json.Valid([]byte(second)) {
		t.Errorf("got %q and %q, want the torn entry kept and a whole one after it", first, second)
	}
}

func TestRejectFileThatCannotBeWrittenHoldsTheCheckpoint(t *testing.T) {
	var c collector
	nowhere := filepath.Join(t.TempDir(), "removed", "refused")
	if err := os.Mkdir(filepath.Dir(nowhere), 0o700); err != nil {
		t.Fatal(err)
	}
	c.push(func(w http.ResponseWriter, r *http.Request, req *collogspb.ExportLogsServiceRequest) {
		if err := os.Remove(filepath.Dir(nowhere)); err != nil {
			t.Error(err)
		}
		c.always(w, r, req)
	})
	c.always = c.refuse("a-2")
	path, url := logPath(t), c.serve(t)
	content, _ := lines("a", 5)
	write(t, path, content)
	if _, err := newBridge(t, path, url, bridge.WithRejectFile(nowhere)).Run(t.Context()); err == nil || !strings.Contains(err.Error(), nowhere) {
		t.Errorf("got error %v, want one that names the reject file", err)
	}
	if got, want := run(t, path, url), (bridge.Stats{Read: 3, Sent: 2, Rejected: 1}); got != want {
		t.Errorf("second run: got %+v, want %+v", got, want)
	}
	// a-3 and a-4 were accepted in the first run, in the batch of a-2.
	if diff := cmp.Diff([]string{"a-0", "a-1", "a-3", "a-4", "a-3", "a-4"}, c.names()); diff != "" {
		t.Errorf("arrived (-want +got):\n%s", diff)
	}
}

func TestNothingIsSentThatCouldNotBeRemembered(t *testing.T) {
	for name, file := range map[string]func(*bridge.Bridge) string{
		"checkpoint":  func(b *bridge.Bridge) string { return b.Checkpoint() + ".tmp" },
		"reject file": (*bridge.Bridge).RejectFile,
	} {
		t.Run(name, func(t *testing.T) {
			var c collector
			path, url := logPath(t), c.serve(t)
			write(t, path, line("a")+"\n")
			b := newBridge(t, path, url)
			in := file(b)
			if err := os.Mkdir(in, 0o700); err != nil { // a folder cannot be written to, by root either
				t.Fatal(err)
			}
			for range 2 {
				_, err := b.Run(t.Context())
				if err == nil || !strings.Contains(err.Error(), in) || !strings.Contains(err.Error(), "nothing is sent") {
					t.Errorf("got error %v, want one that says that nothing is sent because of %s", err, in)
				}
			}
			if c.requests != 0 {
				t.Errorf("got %d requests, want none", c.requests)
			}
			if err := os.Remove(in); err != nil {
				t.Fatal(err)
			}
			if got, want := run(t, path, url), (bridge.Stats{Read: 1, Sent: 1}); got != want {
				t.Errorf("once it can be written: got %+v, want %+v", got, want)
			}
			if _, err := os.Stat(b.Checkpoint() + ".tmp"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the trial left its file: %v", err)
			}
		})
	}
}

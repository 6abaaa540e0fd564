package bridge_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/otelaudit/otelaudit/bridge"
)

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// serverPair returns a certificate for 127.0.0.1, and the file of its authority.
func serverPair(t *testing.T) (pair tls.Certificate, ca string) {
	t.Helper()
	authority := newAuthority(t, "ours")
	cert, key := authority.issue(t, "collector", x509.ExtKeyUsageServerAuth)
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return pair, pemFile(t, "CERTIFICATE", authority.cert.Raw)
}

// TestAPortForGRPCIsRecognised meets a real server of gRPC: plain, with TLS, and with
// TLS that does not negotiate a protocol.
func TestAPortForGRPCIsRecognised(t *testing.T) {
	pair, ca := serverPair(t)
	serve := func(wrap func(net.Listener) net.Listener, opts ...grpc.ServerOption) func(t *testing.T) string {
		return func(t *testing.T) string {
			s := grpc.NewServer(opts...)
			collogspb.RegisterLogsServiceServer(s, collogspb.UnimplementedLogsServiceServer{})
			l := listen(t)
			addr := l.Addr().String()
			if wrap != nil {
				l = wrap(l)
			}
			ended := make(chan error, 1)
			go func() { ended <- s.Serve(l) }()
			t.Cleanup(func() {
				s.Stop()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			})
			return addr
		}
	}
	for name, tt := range map[string]struct {
		scheme string
		serve  func(t *testing.T) string
	}{
		"plain": {"http", serve(nil)},
		"TLS":   {"https", serve(nil, grpc.Creds(credentials.NewServerTLSFromCert(&pair)))},
		"TLS without ALPN": {"https", serve(func(l net.Listener) net.Listener {
			return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
		})},
	} {
		t.Run(name, func(t *testing.T) {
			clearEnv(t)
			if tt.scheme == "https" {
				t.Setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", ca)
			}
			path := logPath(t)
			write(t, path, line("a")+"\n")
			for range 5 { // the server's first frame and the request meet in either order
				stats, err := newBridge(t, path, tt.scheme+"://"+tt.serve(t)).Run(t.Context())
				if stop, ok := errors.AsType[*bridge.StopError](err); !ok || !strings.Contains(stop.Hint, "4318") || stats.Sent > 0 {
					t.Fatalf("got %+v, error %v, want a StopError that names the port 4318", stats, err)
				}
			}
		})
	}
}

// parts is a connection whose reads return one byte each.
type parts struct {
	net.Conn
	io.Reader
}

func (p parts) Read(b []byte) (int, error) { return p.Reader.Read(b) }

// TestWhatAPeerSpeaksIsKnownFromItsFirstBytes has them arrive at once, and each by
// itself. All other bytes are passed on as they are.
func TestWhatAPeerSpeaksIsKnownFromItsFirstBytes(t *testing.T) {
	_, http2, tls := bridge.NewHTTP1Conn(nil)
	for text, want := range map[string]error{
		"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64":         http2, // SETTINGS
		"\x00\x00\x08\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01": http2, // GOAWAY
		"\x00\x00\x08\x06\x00\x00\x00\x00\x0012345678":                         nil,   // PING
		"\x00\x00\x06\x04\x00\x00\x00\x00\x01123456":                           nil,   // SETTINGS of a stream
		"\x00\x00\x06\x04\x00\x00":                                             nil,
		"\x15\x03\x01\x00\x02\x02\x46":                                         tls,
		"\x15\x03\x03\x00\x02\x02\x0a":                                         tls,
		"\x15\x03\x03\x00\x02\x02":                                             nil,
		"\x15 is no record":                                                    nil,
		"HTTP/1.1 200 OK\r\n\r\n":                                              nil,
		"":                                                                     nil,
	} {
		for name, r := range map[string]io.Reader{"at once": strings.NewReader(text), "by byte": iotest.OneByteReader(strings.NewReader(text))} {
			c, _, _ := bridge.NewHTTP1Conn(parts{Reader: r})
			got, err := io.ReadAll(c)
			if !errors.Is(err, want) || want == nil && string(got) != text {
				t.Errorf("%q %s: got %q, %v, want %v", text, name, got, err, want)
			}
		}
	}
}

func TestThePortBesideThatForGRPCIsNamed(t *testing.T) {
	for endpoint, want := range map[string]string{
		"http://collector.example:4317":         "use http://collector.example:4318)",
		"https://[::1]:4317/v1/logs":            "use https://[::1]:4318)",
		"http://collector.example:4317/prefix/": "use http://collector.example:4318/prefix/)",
		"http://collector.example:9999":         "4318 unless configured otherwise)",
		"https://collector.example":             "4318 unless configured otherwise)",
	} {
		path := logPath(t)
		write(t, path, line("a")+"\n")
		c := &collector{always: reply(415, typeGRPC, "")}
		_, err := newBridge(t, path, endpoint, bridge.WithTransport(inMemory{c})).Run(t.Context())
		if err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: got error %v, want one that ends in %s", endpoint, err, want)
		}
	}
}

// TestAProxyThatRefusesAConnectionEndsTheRun has a process of its own, as the variable
// of the proxy is read once. The proxy answers later tries otherwise.
func TestAProxyThatRefusesAConnectionEndsTheRun(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for status, want := range map[int]string{
		http.StatusProxyAuthRequired: "the proxy answered 407 Proxy Authentication Required to CONNECT (the proxy asks for credentials: put them into its URL)",
		http.StatusForbidden:         "the proxy answered 403 Forbidden to CONNECT (check the proxy: ",
		http.StatusBadRequest:        "the proxy answered 400 Bad Request to CONNECT (check the proxy: ",
	} {
		tries := 0
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if tries++; r.Method != http.MethodConnect {
				t.Errorf("the proxy was asked for %s", r.Method)
			}
			if tries == 1 {
				w.WriteHeader(http.StatusServiceUnavailable) // is tried again
				return
			}
			w.WriteHeader(status)
		}))
		path := logPath(t)
		write(t, path, line("a")+"\n")
		cmd := exec.CommandContext(t.Context(), exe)
		cmd.Env = append(os.Environ(), replayEnv+"="+path, "OTEL_EXPORTER_OTLP_ENDPOINT=https://collector.example:4318", "HTTPS_PROXY="+proxy.URL, "NO_PROXY=")
		out, err := cmd.CombinedOutput()
		proxy.Close()
		if _, ended := errors.AsType[*exec.ExitError](err); !ended || !strings.Contains(string(out), want) || tries != 2 {
			t.Errorf("%d: got %s, error %v after %d tries, want %q after 2", status, out, err, tries, want)
		}
	}
}

// TestASwitchedProtocolEndsTheRun has the server keep the connection after its 101.
func TestASwitchedProtocolEndsTheRun(t *testing.T) {
	c := new(collector)
	held := make(chan net.Conn, 1)
	c.push(func(w http.ResponseWriter, _ *http.Request, _ *collogspb.ExportLogsServiceRequest) {
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		held <- conn
		_, _ = buffered.WriteString("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
		_ = buffered.Flush()
	})
	path, url := logPath(t), c.serve(t)
	t.Cleanup(func() { _ = (<-held).Close() })
	write(t, path, line("a")+"\n")
	_, err := newBridge(t, path, url, bridge.WithTimeout(0)).Run(t.Context())
	if stop, ok := errors.AsType[*bridge.StopError](err); !ok || stop.Status != http.StatusSwitchingProtocols {
		t.Errorf("got error %v, want a StopError with status 101", err)
	}
}

// TestAnInterimAnswerIsNoAnswer has the server say 103, and then the final answer, or
// none: such a request ends with its time-out.
func TestAnInterimAnswerIsNoAnswer(t *testing.T) {
	early := func(w http.ResponseWriter) {
		w.Header().Set("Link", "</x>")
		w.WriteHeader(http.StatusEarlyHints)
	}
	c := new(collector)
	c.push(func(w http.ResponseWriter, r *http.Request, _ *collogspb.ExportLogsServiceRequest) {
		early(w)
		<-r.Context().Done()
	}, func(w http.ResponseWriter, r *http.Request, req *collogspb.ExportLogsServiceRequest) {
		early(w)
		c.accept(w, r, req)
	})
	path, url := logPath(t), c.serve(t)
	write(t, path, line("a")+"\n")
	got := run(t, path, url, bridge.WithTimeout(50*time.Millisecond))
	if got.Sent != 1 || got.Retried < 1 {
		t.Errorf("got %+v, want one sent, and one retried", got)
	}
}

func TestAnUnusualStatusOfAcceptanceIsReportedOnce(t *testing.T) {
	c := &collector{always: reply(http.StatusNoContent, "", "")}
	path, url := logPath(t), c.serve(t)
	content, _ := lines("a", 9)
	write(t, path, content)
	var reports []string
	got := run(t, path, url, bridge.WithBatchSize(2), bridge.WithLogger(onLog(func(text string) { reports = append(reports, text) })))
	if got.Sent != 9 || len(reports) != 1 || !strings.Contains(reports[0], "status") {
		t.Errorf("got %+v and reports %q, want 9 sent and one report of the status", got, reports)
	}
}

// renewal is a server with TLS whose certificates and whose client's are renewed.
type renewal struct {
	mu            sync.Mutex
	server        *tls.Config
	ca, cert, key string // the client's files
}

func newRenewal(t *testing.T, c http.Handler) (r *renewal, url string) {
	t.Helper()
	clearEnv(t)
	dir := t.TempDir()
	r = &renewal{ca: filepath.Join(dir, "ca.pem"), cert: filepath.Join(dir, "client.pem"), key: filepath.Join(dir, "client.key")}
	s := httptest.NewUnstartedServer(c)
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.server, nil
	}}
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	files := r.renew(t)
	write(t, r.ca, files.ca)
	write(t, r.cert, files.cert)
	write(t, r.key, files.key)
	s.StartTLS()
	t.Cleanup(s.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", r.ca)
	t.Setenv("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", r.cert)
	t.Setenv("OTEL_EXPORTER_OTLP_CLIENT_KEY", r.key)
	return r, s.URL
}

// renew has the server take a new authority, and no other, and returns what belongs
// into the client's files.
func (r *renewal) renew(t *testing.T) (files struct{ ca, cert, key string }) {
	t.Helper()
	authority := newAuthority(t, "renewed")
	serverCert, serverKey := authority.issue(t, "collector", x509.ExtKeyUsageServerAuth)
	pair, err := tls.LoadX509KeyPair(serverCert, serverKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, key := authority.issue(t, "bridge", x509.ExtKeyUsageClientAuth)
	files.ca = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.cert.Raw}))
	files.cert, files.key = read(t, cert), read(t, key)
	pool := x509.NewCertPool()
	pool.AddCert(authority.cert)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.server = &tls.Config{
		Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"},
	}
	return files
}

// closing has c answer and close the connection, as the handshake decides.
type closing struct{ *collector }

func (c closing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Connection", "close")
	c.collector.ServeHTTP(w, r)
}

func TestRenewedCertificatesAreUsedWhileTheLogIsFollowed(t *testing.T) {
	c := new(collector)
	r, url := newRenewal(t, closing{c})
	path := logPath(t)
	write(t, path, line("a")+"\n")
	var mu sync.Mutex
	var logged bytes.Buffer
	logger := slog.New(slog.NewTextHandler(lockedWriter{&mu, &logged}, nil))
	says := func(text string) func() bool {
		return func() bool {
			mu.Lock()
			defer mu.Unlock()
			return strings.Contains(logged.String(), text)
		}
	}
	f := follow(t, path, url, bridge.WithLogger(logger))
	c.arrive(t, 1)

	files := r.renew(t)
	// The files are written one after the other, each in two halves.
	write(t, r.ca, files.ca[:len(files.ca)/2])
	appendTo(t, path, line("b")+"\n")
	waitFor(t, "a warning of the half certificate", says("no PEM certificate"))
	write(t, r.ca, files.ca)
	write(t, r.cert, files.cert)
	waitFor(t, "a warning of a key that does not match", says("private key does not match public key"))
	write(t, r.key, files.key)
	c.arrive(t, 2)

	if err := os.Remove(r.key); err != nil {
		t.Fatal(err)
	}
	// With its files gone the bridge goes on with what it has.
	for n := 3; !says("no such file")(); n++ {
		appendTo(t, path, line("c")+"\n")
		c.arrive(t, n)
	}
	f.stop(t)
}

type lockedWriter struct {
	mu *sync.Mutex
	*bytes.Buffer
}

func (w lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.Buffer.Write(p)
}

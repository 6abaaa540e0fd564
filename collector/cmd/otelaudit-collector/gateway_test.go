package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/confmaptest"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
)

// gatewayKeys is what the commands of collector/README.md make, as a sender
// uses it.
type gatewayKeys struct {
	dir   string
	token string // empty: the sender has none
	cert  bool   // the sender has a certificate
}

var _ credentials.PerRPCCredentials = (*gatewayKeys)(nil)

// newGatewayKeys runs the commands of the README for a gateway at 127.0.0.1.
func newGatewayKeys(t testing.TB) *gatewayKeys {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skipf("the README's commands need openssl: %v", err)
	}
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "### Certificate and token")
	if !found {
		t.Fatal("the README has no section on the certificate and the token")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	k := &gatewayKeys{dir: t.TempDir()}
	blocks := strings.Split(section, "```sh\n")[1:]
	if len(blocks) < 2 {
		t.Fatalf("the section has %d blocks of commands, want one for the gateway and one for senders", len(blocks))
	}
	for _, block := range blocks[:2] {
		commands, _, _ := strings.Cut(block, "```")
		commands = strings.ReplaceAll(commands, "DNS:gateway.example", "IP:127.0.0.1")
		cmd := exec.CommandContext(t.Context(), "sh", "-e", "-c", commands) //nolint:gosec // the README's commands
		cmd.Dir = k.dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s\n%s", err, out, commands)
		}
	}
	for _, secret := range []string{"key.pem", "token"} {
		info, err := os.Stat(filepath.Join(k.dir, secret))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: got %v, %v; want mode 0600", secret, info, err)
		}
	}
	token, err := os.ReadFile(filepath.Join(k.dir, "token"))
	if err != nil {
		t.Fatal(err)
	}
	if k.token = strings.TrimSpace(string(token)); len(k.token) != 64 {
		t.Fatalf("got the token %q, want 32 bytes in hexadecimal", k.token)
	}
	return k
}

// env is the environment of the gateway.
func (k *gatewayKeys) env() []string {
	return []string{
		"OTELAUDIT_TLS_CERT=" + filepath.Join(k.dir, "cert.pem"),
		"OTELAUDIT_TLS_KEY=" + filepath.Join(k.dir, "key.pem"),
		"OTELAUDIT_TOKEN_FILE=" + filepath.Join(k.dir, "token"),
	}
}

func (k *gatewayKeys) tls(t testing.TB) *tls.Config {
	t.Helper()
	pem, err := os.ReadFile(filepath.Join(k.dir, "cert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	cfg := &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	if !cfg.RootCAs.AppendCertsFromPEM(pem) {
		t.Fatal("cert.pem holds no certificate")
	}
	if k.cert {
		pair, err := tls.LoadX509KeyPair(filepath.Join(k.dir, "client.pem"), filepath.Join(k.dir, "client.key"))
		if err != nil {
			t.Fatal(err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg
}

// client returns a client that shows what k has.
func (k *gatewayKeys) client(t testing.TB) *http.Client {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: k.tls(t)}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: bearer{transport, k.token}}
}

type bearer struct {
	next  http.RoundTripper
	token string
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.token != "" {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+b.token)
	}
	return b.next.RoundTrip(r)
}

// GetRequestMetadata is the token over gRPC.
func (k *gatewayKeys) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	if k.token == "" {
		return nil, nil
	}
	return map[string]string{"authorization": "Bearer " + k.token}, nil
}

// RequireTransportSecurity keeps the token from being sent in plain text.
func (k *gatewayKeys) RequireTransportSecurity() bool { return true }

// TestAGatewayDoesNotStartWithoutCertificateAndToken and says which file it
// misses.
func TestAGatewayDoesNotStartWithoutCertificateAndToken(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	for _, name := range []string{"OTELAUDIT_TLS_CERT", "OTELAUDIT_TLS_KEY", "OTELAUDIT_TLS_CLIENT_CA", "OTELAUDIT_TOKEN_FILE"} {
		t.Run(name, func(t *testing.T) {
			c := launch(t, filepath.Join(t.TempDir(), "audit.jsonl"), []string{name + "=" + missing}, "gateway.yaml")
			if c.await(t) {
				t.Fatal("it started")
			}
			if c.err == nil || !strings.Contains(c.output.String(), missing) {
				t.Errorf("it ended with %v\n%s\nwant the missing file in it", c.err, c.output)
			}
		})
	}
}

// TestAGatewayTakesNothingWithoutItsToken over HTTP and gRPC.
func TestAGatewayTakesNothingWithoutItsToken(t *testing.T) {
	c := start(t, filepath.Join(t.TempDir(), "audit.jsonl"), "gateway.yaml")
	for name, token := range map[string]string{"no token": "", "another token": strings.Repeat("0", 64)} {
		k := &gatewayKeys{dir: c.keys.dir, token: token}
		if status, answer, err := postAs(t.Context(), k.client(t), c.url+"/v1/logs", "application/json", []byte(logsJSON("x"))); err != nil || status != http.StatusUnauthorized {
			t.Errorf("%s: got %d %s, %v; want 401", name, status, answer, err)
		}
		_, err := plogotlp.NewGRPCClient(dial(t, c, k)).Export(t.Context(), plogotlp.NewExportRequest())
		if status.Code(err) != codes.Unauthenticated {
			t.Errorf("%s: got %v, want Unauthenticated", name, err)
		}
	}
	plain := "http" + strings.TrimPrefix(c.url, "https") + "/v1/logs"
	if status, answer, err := postAs(t.Context(), http.DefaultClient, plain, "application/json", []byte(logsJSON("x"))); err == nil && status == http.StatusOK {
		t.Errorf("without TLS: got %d %s, want an error", status, answer)
	}
	if _, err := plogotlp.NewGRPCClient(dial(t, c, nil)).Export(t.Context(), plogotlp.NewExportRequest()); err == nil {
		t.Error("without TLS over gRPC: got no error")
	}
	if lines := linesOf(t, c.path); len(lines) != 0 {
		t.Errorf("got %d lines, want none", len(lines))
	}
}

// TestAGatewayWithAClientCATakesNothingWithoutACertificate.
func TestAGatewayWithAClientCATakesNothingWithoutACertificate(t *testing.T) {
	k := newGatewayKeys(t)
	c := launch(t, filepath.Join(t.TempDir(), "audit.jsonl"), append(k.env(), "OTELAUDIT_TLS_CLIENT_CA="+filepath.Join(k.dir, "ca.pem")), "gateway.yaml")
	with := *k
	with.cert = true
	clients.Store(strings.TrimPrefix(c.url, "https://"), with.client(t))
	if !c.await(t) {
		t.Fatalf("the gateway ended: %v", c.err)
	}
	if status, answer, err := postAs(t.Context(), k.client(t), c.url+"/v1/logs", "application/json", []byte(logsJSON("x"))); err == nil {
		t.Errorf("without a certificate: got %d %s, want an error", status, answer)
	}
	if _, err := plogotlp.NewGRPCClient(dial(t, c, k)).Export(t.Context(), plogotlp.NewExportRequest()); status.Code(err) != codes.Unavailable {
		t.Errorf("without a certificate over gRPC: got %v, want Unavailable", err)
	}
	if _, err := plogotlp.NewGRPCClient(dial(t, c, &with)).Export(t.Context(), plogotlp.NewExportRequest()); err != nil {
		t.Errorf("with a certificate over gRPC: %v", err)
	}
	mustPost(t, c.url+"/v1/logs", logsJSON("x"))
}

// TestEachReceiverIsOnLoopbackOrAsksForCredentials holds every configuration of
// this repository to it, by what they default to.
func TestEachReceiverIsOnLoopbackOrAsksForCredentials(t *testing.T) {
	for file, protocols := range configurations(t) {
		for name := range protocols.ToStringMap() {
			protocol, err := protocols.Sub(name)
			if err != nil {
				t.Fatal(err)
			}
			endpoint, _ := protocol.Get("endpoint").(string)
			_, endpoint, _ = strings.Cut(strings.TrimSuffix(endpoint, "}"), ":-")
			host, _, err := net.SplitHostPort(endpoint)
			if err != nil {
				t.Errorf("%s: %s: %v", file, name, err)
			}
			if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() {
				continue
			}
			if protocol.Get("tls::cert_file") == nil || protocol.Get("auth::authenticator") == nil {
				t.Errorf("%s: %s listens on %s without tls or auth", file, name, endpoint)
			}
		}
	}
}

// configurations returns the protocols of the OTLP receivers of all files that
// configure one.
func configurations(t *testing.T) map[string]*confmap.Conf {
	t.Helper()
	all := make(map[string]*confmap.Conf)
	for _, pattern := range []string{"../../config/*.yaml", "../../store/*.yaml", "../../../*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			conf, err := confmaptest.LoadConf(file)
			if err != nil {
				t.Fatal(err)
			}
			protocols, err := conf.Sub("receivers::otlp::protocols")
			if err != nil {
				t.Fatal(err)
			}
			if len(protocols.AllKeys()) == 0 {
				t.Errorf("%s has no OTLP receiver", file)
			}
			all[file] = protocols
		}
	}
	if len(all) < 5 {
		t.Errorf("got %d configurations, want at least 5", len(all))
	}
	return all
}

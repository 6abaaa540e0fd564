package bridge_test

import (
	"encoding/pem"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"

	"github.com/otelaudit/otelaudit/bridge"
)

func TestEndpointFollowsOTLP(t *testing.T) {
	const (
		all  = "OTEL_EXPORTER_OTLP_ENDPOINT"
		logs = "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"
	)
	for _, tt := range []struct {
		name string
		env  map[string]string
		opts []bridge.Option
		want string
	}{
		{"default", nil, nil, "http://localhost:4318/v1/logs"},
		{"base", map[string]string{all: "http://c:1"}, nil, "http://c:1/v1/logs"},
		{"base with a path", map[string]string{all: "https://c/otlp/"}, nil, "https://c/otlp/v1/logs"},
		{"signal", map[string]string{logs: "http://c:1/x"}, nil, "http://c:1/x"},
		{"signal without a path", map[string]string{logs: "http://c:1"}, nil, "http://c:1/"},
		{"signal before base", map[string]string{all: "http://b", logs: "http://l/x"}, nil, "http://l/x"},
		{"option", map[string]string{logs: "http://l/x"}, []bridge.Option{bridge.WithEndpoint("http://o:1")}, "http://o:1/v1/logs"},
		{"option with slash", nil, []bridge.Option{bridge.WithEndpoint("http://o:1/")}, "http://o:1/v1/logs"},
		{"option with a path", nil, []bridge.Option{bridge.WithEndpoint("http://o:1/a/b")}, "http://o:1/a/b"},
		{"spelling", nil, []bridge.Option{bridge.WithEndpoint("HTTPS://Collector.Example:443")}, "https://collector.example/v1/logs"},
		{"exporter option", nil, []bridge.Option{bridge.WithExporterOptions(otlploghttp.WithEndpointURL("https://e:1/p"))}, "https://e:1/p"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clearEnv(t)
			for k, v := range tt.env {
				t.Setenv(k, v)
			}
			b, err := bridge.New(logPath(t), tt.opts...)
			if err != nil {
				t.Fatal(err)
			}
			if got := b.Endpoint(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// clearEnv unsets what the machine the test runs on may have set.
func clearEnv(t *testing.T) {
	t.Helper()
	for _, setting := range []string{
		"ENDPOINT", "HEADERS", "COMPRESSION", "TIMEOUT", "INSECURE", "CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY",
	} {
		t.Setenv("OTEL_EXPORTER_OTLP_"+setting, "")
		t.Setenv("OTEL_EXPORTER_OTLP_LOGS_"+setting, "")
	}
}

func TestMalformedConfigurationIsAnErrorAndTellsWhere(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	write(t, empty, "")
	env := func(name, value string) func(*testing.T) []bridge.Option {
		return func(t *testing.T) []bridge.Option {
			t.Setenv("OTEL_EXPORTER_OTLP_"+name, value)
			return nil
		}
	}
	opt := func(o bridge.Option) func(*testing.T) []bridge.Option {
		return func(*testing.T) []bridge.Option { return []bridge.Option{o} }
	}
	for _, tt := range []struct {
		name string
		set  func(*testing.T) []bridge.Option
		want string
	}{
		{"no scheme", opt(bridge.WithEndpoint("localhost:4318")), "http://"},
		{"no scheme, an address", opt(bridge.WithEndpoint("127.0.0.1:4318")), "http://"},
		{"empty", opt(bridge.WithEndpoint("")), "http://"},
		{"other scheme", opt(bridge.WithEndpoint("grpc://c:4317")), "http://"},
		{"no host", opt(bridge.WithEndpoint("http:///v1/logs")), "host"},
		{"port", opt(bridge.WithEndpoint("http://c:99999")), "port"},
		{"query", opt(bridge.WithEndpoint("http://c/?token=x")), "query"},
		{"credentials", opt(bridge.WithEndpoint("http://me:secret@c/")), "header"},
		{"endpoint variable", env("ENDPOINT", "127.0.0.1:4318"), "OTEL_EXPORTER_OTLP_ENDPOINT"},
		{"signal endpoint variable", env("LOGS_ENDPOINT", "c:4318"), "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"},
		{"compression", env("COMPRESSION", "zstd"), "OTEL_EXPORTER_OTLP_COMPRESSION"},
		{"timeout", env("LOGS_TIMEOUT", "10s"), "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT"},
		{"headers", env("HEADERS", "api-key:secret"), "OTEL_EXPORTER_OTLP_HEADERS"},
		{"header name", env("HEADERS", "api key=secret"), "OTEL_EXPORTER_OTLP_HEADERS"},
		{"header value", env("HEADERS", "k=a%0Asecret"), "OTEL_EXPORTER_OTLP_HEADERS"},
		{"certificate missing", env("CERTIFICATE", "/nowhere/secret.pem"), "OTEL_EXPORTER_OTLP_CERTIFICATE"},
		{"certificate empty", env("CERTIFICATE", empty), empty},
		{"client key missing", env("CLIENT_CERTIFICATE", empty), "OTEL_EXPORTER_OTLP_CLIENT_KEY"},
		{"header option", opt(bridge.WithHeaders(map[string]string{"a b": "c"})), `"a b"`},
		{"batch size", opt(bridge.WithBatchSize(0)), "batch size"},
		{"time-out option", opt(bridge.WithTimeout(-time.Second)), "time-out"},
		{"in flight", opt(bridge.WithInFlight(0)), "in flight"},
		{"linger", opt(bridge.WithLinger(time.Hour)), "linger"},
		{"backoff", opt(bridge.WithBackoff(time.Second, 0)), "backoff"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clearEnv(t)
			_, err := bridge.New(logPath(t), tt.set(t)...)
			if err == nil || !strings.HasPrefix(err.Error(), "bridge: ") || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got error %v, want one that names %s", err, tt.want)
			}
			if strings.Contains(strings.ReplaceAll(err.Error(), "/nowhere/secret.pem", ""), "secret") {
				t.Errorf("the error tells a secret: %v", err)
			}
		})
	}
}

func TestHeadersOfVariableAndOptionAreSent(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-env=from%20env")
	for name, tt := range map[string]struct {
		opts []bridge.Option
		want string
	}{
		"variable": {nil, "from env/"},
		"option":   {[]bridge.Option{bridge.WithHeaders(map[string]string{"x-opt": "from opt"})}, "/from opt"},
	} {
		t.Run(name, func(t *testing.T) {
			var c collector
			path := logPath(t)
			write(t, path, line("a")+"\n")
			var got string
			url := c.serve(t)
			c.push(header(&c, &got, "x-env", "x-opt"))
			run(t, path, url, tt.opts...)
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestCertificateVariableIsUsed(t *testing.T) {
	var c collector
	s := httptest.NewTLSServer(&c)
	t.Cleanup(s.Close)
	file := filepath.Join(t.TempDir(), "ca.pem")
	write(t, file, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})))
	t.Setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", file)
	path := logPath(t)
	write(t, path, line("a")+"\n")
	if got := run(t, path, s.URL); got.Sent != 1 {
		t.Errorf("got %+v, want 1 sent", got)
	}
}

func TestRequestsAreCompressedUnlessTheyShallNot(t *testing.T) {
	for name, tt := range map[string]struct {
		variable string
		opts     []bridge.Option
		want     string
	}{
		"default":                  {"", nil, "gzip"},
		"variable says gzip":       {"gzip", nil, "gzip"},
		"variable says none":       {"none", nil, ""},
		"option says none":         {"gzip", []bridge.Option{bridge.WithExporterOptions(otlploghttp.WithCompression(otlploghttp.NoCompression))}, ""},
		"option says gzip":         {"none", []bridge.Option{bridge.WithExporterOptions(otlploghttp.WithCompression(otlploghttp.GzipCompression))}, "gzip"},
		"option says nothing else": {"", []bridge.Option{bridge.WithExporterOptions()}, "gzip"},
	} {
		t.Run(name, func(t *testing.T) {
			clearEnv(t)
			t.Setenv("OTEL_EXPORTER_OTLP_COMPRESSION", tt.variable)
			var c collector
			path, url := logPath(t), c.serve(t)
			content, names := lines("a", 100)
			write(t, path, content)
			var got string
			c.push(header(&c, &got, "Content-Encoding"))
			run(t, path, url, tt.opts...)
			if got != tt.want {
				t.Errorf("got Content-Encoding %q, want %q", got, tt.want)
			}
			if diff := cmp.Diff(names, c.names()); diff != "" {
				t.Errorf("arrived (-want +got):\n%s", diff)
			}
		})
	}
}

package otlprepairextension

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	otlp "go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"

	"github.com/otelaudit/otelaudit/collector/otlprepairextension/internal/metadata"
)

// otlpReceiver is a running OTLP receiver of the collector, and what it received.
type otlpReceiver struct {
	client *http.Client
	conn   *grpc.ClientConn
	log    *observer.ObservedLogs
	ext    *repairer // nil for a receiver without the extension

	mu       sync.Mutex
	received []string // requests in JSON
}

// host has the extensions of a collector.
type host map[component.ID]component.Component

func (h host) GetExtensions() map[component.ID]component.Component { return h }

// startReceiver starts a receiver on sockets of its own, with the limit of the
// distribution's configurations.
func startReceiver(t testing.TB, repaired bool) *otlpReceiver {
	t.Helper()
	return startReceiverWith(t, repaired, 64)
}

func startReceiverWith(t testing.TB, repaired bool, limitMiB int) *otlpReceiver {
	t.Helper()
	dir, err := os.MkdirTemp("", "otlp") //nolint:usetesting // short: the path of a socket has at most 104 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	core, log := observer.New(zapcore.DebugLevel)
	r := &otlpReceiver{log: log}
	id := component.NewID(metadata.Type)
	f := NewFactory()
	ext, err := f.Create(t.Context(), extension.Settings{ID: id, TelemetrySettings: telemetry(core)}, f.CreateDefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	var middlewares []any
	if repaired {
		r.ext = ext.(*repairer)
		middlewares = []any{map[string]any{"id": id.String()}}
	}
	httpSocket, grpcSocket := filepath.Join(dir, "h"), filepath.Join(dir, "g")
	factory := otlpreceiver.NewFactory()
	cfg := factory.CreateDefaultConfig()
	if err := confmap.NewFromStringMap(map[string]any{"protocols": map[string]any{
		"http": map[string]any{"endpoint": httpSocket, "transport": "unix", "max_request_body_size": limitMiB << 20, "middlewares": middlewares},
		"grpc": map[string]any{"endpoint": grpcSocket, "transport": "unix", "max_recv_msg_size_mib": limitMiB, "middlewares": middlewares},
	}}).Unmarshal(cfg); err != nil {
		t.Fatal(err)
	}
	set := otlp.Settings{ID: component.NewID(factory.Type()), TelemetrySettings: telemetry(core), BuildInfo: component.NewDefaultBuildInfo()}
	logs, err := factory.CreateLogs(t.Context(), set, cfg, must(consumer.NewLogs(func(_ context.Context, ld plog.Logs) error {
		return r.keep(plogotlp.NewExportRequestFromLogs(ld).MarshalJSON())
	})))
	if err != nil {
		t.Fatal(err)
	}
	spans, err := factory.CreateTraces(t.Context(), set, cfg, must(consumer.NewTraces(func(_ context.Context, td ptrace.Traces) error {
		return r.keep(ptraceotlp.NewExportRequestFromTraces(td).MarshalJSON())
	})))
	if err != nil {
		t.Fatal(err)
	}
	metrics, err := factory.CreateMetrics(t.Context(), set, cfg, must(consumer.NewMetrics(func(_ context.Context, md pmetric.Metrics) error {
		return r.keep(pmetricotlp.NewExportRequestFromMetrics(md).MarshalJSON())
	})))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []component.Component{ext, logs, spans, metrics} {
		if err := c.Start(t.Context(), host{id: ext}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := c.Shutdown(context.WithoutCancel(t.Context())); err != nil {
				t.Error(err)
			}
		})
	}
	r.client = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", httpSocket)
	}}}
	t.Cleanup(r.client.CloseIdleConnections)
	if r.conn, err = grpc.NewClient("unix:"+grpcSocket, grpc.WithTransportCredentials(insecure.NewCredentials())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.conn.Close() })
	return r
}

func telemetry(core zapcore.Core) component.TelemetrySettings {
	set := componenttest.NewNopTelemetrySettings()
	set.Logger = zap.New(core)
	return set
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func (r *otlpReceiver) keep(request []byte, err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.received = append(r.received, string(request))
	return err
}

// take returns the request that was received since the last call, "" if none was.
func (r *otlpReceiver) take(t testing.TB) string {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.received) > 1 {
		t.Fatalf("got %d requests, want one at most", len(r.received))
	}
	var request string
	if len(r.received) == 1 {
		request = r.received[0]
	}
	r.received = nil
	return request
}

// post sends a body and returns the answer. header are names and values.
func (r *otlpReceiver) post(t testing.TB, path, contentType string, body []byte, header ...string) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://receiver"+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := r.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// rawMessage is a request that is encoded already.
type rawMessage []byte

// rawCodec sends a rawMessage as it is.
var rawCodec = grpc.ForceCodecV2(passThrough{encoding.GetCodecV2("proto")})

type passThrough struct{ encoding.CodecV2 }

func (p passThrough) Marshal(v any) (mem.BufferSlice, error) {
	if raw, ok := v.(rawMessage); ok {
		return mem.BufferSlice{mem.SliceBuffer(raw)}, nil
	}
	return p.CodecV2.Marshal(v)
}

package store

import (
	"context"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/otelaudit/otelaudit/collector/store/internal/program"
)

// startGateway starts a collector with gateway.yaml in front of the database,
// and returns its host:port.
func startGateway(t *testing.T, db *database) string {
	t.Helper()
	s, address, err := program.StartOn(t.Context(), built(t, buildFilelog), func(address string) (env, args []string) {
		return []string{
			"OTELAUDIT_OTLP_HTTP=" + address,
			"OTELAUDIT_LOGS_ENDPOINT=http://" + db.address + "/insert/opentelemetry/v1/logs",
		}, []string{"--config", "gateway.yaml"}
	}, func(ctx context.Context, address string) bool {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		return err == nil && conn.Close() == nil
	})
	if err != nil {
		t.Fatal(err)
	}
	clean(t, s)
	return address
}

func TestTheAnswerOfTheGatewayIsThatOfTheDatabase(t *testing.T) {
	t.Parallel()
	files := writeAuditFiles(t, t.TempDir())
	data := t.TempDir()
	flags := []string{"-storageDataPath=" + data, "-retentionPeriod=100y"}
	db := startDatabase(t, flags...)
	gateway := startGateway(t, db)
	stop(t, db.Server)

	args := command(t, "otelaudit replay --endpoint http://gateway", "gateway.example:4318", gateway)
	replay, err := program.Start(built(t, buildOtelaudit), nil, append(args[1:], "--path", files.path)...)
	if err != nil {
		t.Fatal(err)
	}
	clean(t, replay)
	eventually(t, "the replay waits for the database", func() bool {
		return strings.Contains(replay.Said(), "status=503") || replay.Ended()
	})

	// It comes back where it was.
	db = startDatabase(t, append(flags, "-httpListenAddr="+db.address)...)
	if err := replay.Wait(); err != nil {
		t.Fatalf("replay: %v\n%s", err, replay.Said())
	}
	if got, want := db.count(t), strconv.Itoa(files.events); got != want {
		t.Errorf("got %s events, want %s", got, want)
	}
	got := db.spendOf(t, "model", logsql(t, "spend by model, whatever the names"))
	if diff := diffSpend(spend(t, files.path, "model"), got); diff != "" {
		t.Errorf("spend (-file +database):\n%s", diff)
	}
}

// TestTheGatewayTakesMetrics and drops them, whatever the database says.
func TestTheGatewayTakesMetrics(t *testing.T) {
	t.Parallel()
	gateway := startGateway(t, &database{address: "127.0.0.1:1"})
	const metrics = `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","gauge":{"dataPoints":[{"asInt":"1"}]}}]}]}]}`
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+gateway+"/v1/metrics", strings.NewReader(metrics))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("got %s, %v; want 200", resp.Status, err)
	}
}

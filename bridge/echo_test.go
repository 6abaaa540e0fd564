package bridge_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"

	"github.com/otelaudit/otelaudit/bridge"
)

// echoing returns a collector that appends to the log at path what line makes
// of each record, before it answers.
func echoing(t testing.TB, path string, line func(*logspb.LogRecord) string) *collector {
	c := new(collector)
	c.always = func(w http.ResponseWriter, r *http.Request, req *collogspb.ExportLogsServiceRequest) {
		for _, record := range recordsOf(req) {
			appendTo(t, path, line(record)+"\n")
		}
		c.accept(w, r, req)
	}
	return c
}

// withUID returns the line of a record as the exporter auditlog writes it.
func withUID(t testing.TB) func(*logspb.LogRecord) string {
	return func(r *logspb.LogRecord) string {
		return fmt.Sprintf(`{"ts":"2026-01-02T03:04:05.678Z","event":%q,"session_id":"s","log.record.uid":%q}`, r.GetEventName(), uidOf(t, r))
	}
}

func TestACollectorThatWritesToTheSameLogIsFoundOut(t *testing.T) {
	for name, opts := range map[string][]bridge.Option{
		"once":      nil,
		"following": {bridge.WithFollow()},
	} {
		t.Run(name, func(t *testing.T) {
			path := logPath(t)
			c := echoing(t, path, withUID(t))
			url := c.serve(t)
			older, _ := lines("older", 2)
			write(t, path, older)
			archive(t, path, "20260101_000000")
			content, _ := lines("a", 5)
			write(t, path, content)
			stats, err := newBridge(t, path, url, append(opts, bridge.WithInFlight(8), bridge.WithBatchSize(3), bridge.WithProbe(true))...).Run(t.Context())
			var stop *bridge.StopError
			if !errors.As(err, &stop) || !strings.Contains(err.Error(), path) {
				t.Errorf("got error %v, want a StopError that names %s", err, path)
			}
			// The first batch is the archive's, of which one event is sent.
			if names := c.names(); stats.Sent != 1 || c.requests != 1 || !slices.Equal(names, []string{"older-0"}) {
				t.Errorf("got %+v and %q in %d requests, want the first event alone", stats, names, c.requests)
			}
		})
	}
}

func TestACollectorThatWritesToTheSameLogIsFoundOutByTheActiveFile(t *testing.T) {
	path := logPath(t)
	c := echoing(t, path, withUID(t))
	url := c.serve(t)
	content, _ := lines("a", 5)
	write(t, path, content)
	var stop *bridge.StopError
	if _, err := newBridge(t, path, url, bridge.WithProbe(true)).Run(t.Context()); !errors.As(err, &stop) || c.requests != 1 {
		t.Errorf("got error %v after %d requests, want a StopError after one", err, c.requests)
	}
	if got := strings.Count(read(t, path), "\n"); got != 5+1 {
		t.Errorf("the log has %d lines, want 5 and one twice", got)
	}
}

// TestEventsGoAloneUntilOneIsAccepted has the collector refuse the first two events:
// a batch behind them would be in the log twice.
func TestEventsGoAloneUntilOneIsAccepted(t *testing.T) {
	path := logPath(t)
	c := echoing(t, path, withUID(t))
	c.push(reply(http.StatusBadRequest, typeText, "bad"), reply(http.StatusOK, typeProto, partialBody(t, 1, "old")))
	url := c.serve(t)
	content, _ := lines("a", 9)
	write(t, path, content)
	var stop *bridge.StopError
	stats, err := newBridge(t, path, url, bridge.WithInFlight(8), bridge.WithBatchSize(2), bridge.WithProbe(true)).Run(t.Context())
	if names := c.names(); !errors.As(err, &stop) || !slices.Equal(names, []string{"a-2"}) || stats.Sent != 1 || stats.Rejected != 2 {
		t.Errorf("got %+v, error %v and %q, want a StopError after a-2", stats, err, names)
	}
}

func TestEventsThatWereInTheLogTwiceAreNoEcho(t *testing.T) {
	path := logPath(t)
	const twice = `{"ts":"2026-01-02T03:04:05.678Z","event":"e","session_id":"s","log.record.uid":"019c4f3e-5f1b-7a51-8f5e-0d6c1f0a9b11"}` + "\n"
	write(t, path, twice+twice+twice)
	c := echoing(t, path, func(*logspb.LogRecord) string { return line("new") }) // as an app does
	url := c.serve(t)
	if got := run(t, path, url, bridge.WithBatchSize(2), bridge.WithProbe(true)); got.Sent < 3 {
		t.Errorf("got %+v, want all three sent", got)
	}
}

func TestAFollowerOfAnEmptyLogTakesWhatItReadForNoEcho(t *testing.T) {
	var c collector
	path, url := logPath(t), c.serve(t)
	write(t, path, "")
	began := make(chan struct{})
	begin := sync.OnceFunc(func() { close(began) })
	f := follow(t, path, url, bridge.WithProgress(func(bridge.Progress) { begin() }))
	<-began
	appendTo(t, path, `{"event":"e","log.record.uid":"019c4f3e-5f1b-7a51-8f5e-0d6c1f0a9b11"}`+"\n")
	c.arrive(t, 1)
	appendTo(t, path, line("next")+"\n")
	c.arrive(t, 2)
	f.stop(t)
}

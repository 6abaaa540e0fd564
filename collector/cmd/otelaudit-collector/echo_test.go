package main

import (
	"errors"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/otelaudit/otelaudit/bridge"
)

// The defaults of both lead to this: the collector listens where a replay sends
// to.
func TestAReplayToTheCollectorThatWritesTheLogEnds(t *testing.T) {
	for name, opts := range map[string][]bridge.Option{"once": nil, "following": {bridge.WithFollow()}} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "audit.jsonl")
			c := start(t, path, "agent.yaml")
			const two = `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"llm.call"}},{"body":{"stringValue":"llm.call"}}]}]}]}`
			if status, answer, err := post(t.Context(), c.url+"/v1/logs", two); err != nil || status != http.StatusOK {
				t.Fatalf("got %d %s, %v, want 200", status, answer, err)
			}
			b, err := bridge.New(path, append(opts, bridge.WithEndpoint(c.url))...)
			if err != nil {
				t.Fatal(err)
			}
			stats, err := b.Run(t.Context())
			var stop *bridge.StopError
			if !errors.As(err, &stop) || stats.Sent != 2 {
				t.Errorf("got %+v and error %v, want both records sent once, and a StopError", stats, err)
			}
		})
	}
}

package main

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// A record that no line can hold is answered with a 400 that says so, so that its
// sender does not try again. The others of the request are in the log.
func TestARecordThatNoLineCanHoldIsABadRequest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	c := start(t, path, "agent.yaml")
	long := strings.Repeat("\x7f", 12<<20) // six bytes each on the line
	body := `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"eventName":"a"},{"eventName":"long","body":{"stringValue":"` + long + `"}},{"eventName":"b"}]}]}]}`
	status, answer, err := post(t.Context(), c.url+"/v1/logs", body)
	if err != nil || status != http.StatusBadRequest || !strings.Contains(answer, "longer than 67108864 bytes") {
		t.Errorf("got %d %.500s, %v; want 400 and the reason", status, answer, err)
	}
	mustPost(t, c.url+"/v1/logs", logsJSON("c"))
	c.terminate(t)
	var names strings.Builder
	for _, line := range linesOf(t, path) {
		names.WriteString(line["event"].(string))
	}
	if got := names.String(); got != "abc" {
		t.Errorf("got events %s, want abc", got)
	}
	if said := c.output.String(); len(said) > 1<<20 {
		t.Errorf("the collector said %d bytes", len(said))
	}
}

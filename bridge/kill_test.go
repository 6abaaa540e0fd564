package bridge_test

import (
	"net/http"
	"os"
	"os/exec"
	"testing"

	"github.com/google/go-cmp/cmp"
	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
)

func TestKillLosesNothingAndRepeatsOnlyWhatWasInFlight(t *testing.T) {
	const events, batch = 60, 5
	var c collector
	path, url := logPath(t), c.serve(t)
	content, names := lines("a", events)
	write(t, path, content)

	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// Each process but the last is killed within its third batch, whose request the
	// collector has taken but not answered.
	const kills = 4
	for i := range kills + 1 {
		cmd := exec.CommandContext(t.Context(), exe)
		cmd.Env = append(os.Environ(), replayEnv+"="+path, "OTEL_EXPORTER_OTLP_ENDPOINT="+url)
		cmd.Stderr = os.Stderr
		started := make(chan struct{})
		if i < kills {
			c.push(nil, nil, nil, func(_ http.ResponseWriter, r *http.Request, req *collogspb.ExportLogsServiceRequest) {
				c.keep(req)
				<-started
				if err := cmd.Process.Kill(); err != nil {
					t.Error(err)
				}
				<-r.Context().Done()
			})
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		close(started)
		if err := cmd.Wait(); (err != nil) != (i < kills) {
			t.Fatalf("process %d: got error %v", i, err)
		}
	}
	uids := map[string]bool{}
	for _, r := range c.records() {
		uids[uidOf(t, r)] = true
	}
	if len(uids) != events {
		t.Errorf("got %d different log.record.uid, want %d", len(uids), events)
	}
	var want []string
	for i := 0; i < events; i += batch {
		want = append(want, names[i:i+batch]...)
		// The third batch of each killed process comes again as the first of the next one.
		if n := i / batch; n >= 2 && n%2 == 0 && n/2 <= kills {
			want = append(want, names[i:i+batch]...)
		}
	}
	if diff := cmp.Diff(want, c.names()); diff != "" {
		t.Errorf("arrived (-want +got):\n%s", diff)
	}
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/otelaudit/otelaudit/auditlog"
)

// burnAt runs burn on a log at a time.
func burnAt(t *testing.T, now, zone, lines string) (b burn) {
	t.Helper()
	logOf(t, lines)
	at, err := time.Parse(time.RFC3339, now)
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	args := []string{"burn", "--format", "json", "--timezone", zone}
	if code := runAt(t.Context(), at, args, streams{in: strings.NewReader(""), out: &stdout, err: &stderr}); code != codeDone {
		t.Fatalf("exit code %d: %s", code, &stderr)
	}
	if err := json.Unmarshal(stdout.Bytes(), &b); err != nil {
		t.Fatal(err)
	}
	return b
}

// Just after midnight, the rate is that of yesterday's last hour too.
func TestTheBurnRateReachesBackOverMidnight(t *testing.T) {
	b := burnAt(t, "2026-02-13T23:15:00Z", "Europe/Berlin", // 00:15 on the 14th
		`{"ts":"2026-02-13T22:14:59.999Z","event":"e","cost":100}
{"ts":"2026-02-13T22:15:00.000Z","event":"e","cost":3,"input_t":50}
{"ts":"2026-02-13T23:00:00.000Z","event":"e","cost":1,"output_t":10}
{"ts":"2026-02-13T23:15:00.000Z","event":"e","cost":0.5}
{"ts":"2026-02-13T23:15:00.001Z","event":"a moment ahead","cost":100}
`)
	if got := b.Rate.Totals; got != (auditlog.Totals{Events: 3, Calls: 3, Cost: 4.5, InputTokens: 50, OutputTokens: 10}) || b.Rate.TokensPerMinute != 1 {
		t.Errorf("rate: got %+v", b.Rate)
	}
	// A moment ahead is in the hour, as for a budget, but not in the last 60 minutes.
	today := auditlog.Totals{Events: 3, Calls: 3, Cost: 101.5, OutputTokens: 10}
	if b.Hour.Totals != today || b.Day.Totals != today {
		t.Errorf("got %+v in the hour and %+v in the day, want %+v in both", b.Hour.Totals, b.Day.Totals, today)
	}
	// 45 minutes, and 23 hours and 45 minutes, are left.
	if diff := cmp.Diff(projection{Cost: 101.5 + 4.5*0.75, InputTokens: 38, OutputTokens: 18}, b.Hour.Projected); diff != "" {
		t.Errorf("projection of the hour (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(projection{Cost: 101.5 + 4.5*23.75, InputTokens: 1188, OutputTokens: 248}, b.Day.Projected); diff != "" {
		t.Errorf("projection of the day (-want +got):\n%s", diff)
	}
	if got := b.Day.Start.Format(time.RFC3339); got != "2026-02-14T00:00:00+01:00" {
		t.Errorf("the day starts at %s", got)
	}
}

// On the day on which clocks go back, there is an hour more to burn.
func TestADayIsAsLongAsItIs(t *testing.T) {
	b := burnAt(t, "2026-10-24T22:00:00Z", "Europe/Berlin", `{"ts":"2026-10-24T21:30:00Z","event":"e","cost":1}`+"\n")
	if b.Day.Projected.Cost != 25 {
		t.Errorf("got a projection of %v USD, want 25", b.Day.Projected.Cost)
	}
}

// What goes on until it is interrupted has done its work when it is.
func TestBurnLiveGoesOnUntilItIsInterrupted(t *testing.T) {
	home := logOf(t, "{\"event\n")
	path := filepath.Join(home, ".scout", "audit.jsonl")
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	read, out := io.Pipe()
	var stderr bytes.Buffer
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"burn", "--live", "--interval", "1ms", "--format", "json"}, streams{in: strings.NewReader(""), out: out, err: &stderr})
	}()
	lines := json.NewDecoder(read)
	last := burn{}
	for round := 0; last.Rate.Events == 0; round++ {
		var next burn
		if err := lines.Decode(&next); err != nil {
			t.Fatal(err)
		}
		if !next.Now.After(last.Now) {
			t.Fatalf("one is of %v, the next one of %v", last.Now, next.Now)
		}
		last = next
		if round != 1 {
			continue
		}
		// Later than what was shown: it is seen in one of the next rounds.
		event := fmt.Sprintf("{\"ts\":%q,\"event\":\"e\",\"cost\":2}\n", time.Now().UTC().Format(time.RFC3339Nano))
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(event); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	rest := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, read) // it may be about to write
		rest <- err
	}()
	interrupt()
	if got := <-code; got != codeWrong {
		t.Errorf("got exit code %d, want %d for the damage: %s", got, codeWrong, &stderr)
	}
	if got := strings.Count(stderr.String(), "skipping damaged line"); got != 1 {
		t.Errorf("told of the damaged line %d times, want once:\n%s", got, &stderr)
	}
	if err := errors.Join(out.Close(), <-rest); err != nil {
		t.Error(err)
	}
}

func TestAProjectionIsAlwaysANumber(t *testing.T) {
	b := burnAt(t, "2026-02-13T01:00:00Z", "UTC", `{"ts":"2026-02-13T00:30:00Z","event":"e","cost":1e308,"input_t":9007199254740991}
{"ts":"2026-02-13T00:30:00Z","event":"e","cost":1e308}
`)
	if b.Day.Projected.Cost != math.MaxFloat64 {
		t.Errorf("got %v USD, want the largest number", b.Day.Projected.Cost)
	}
	if got := projectTokens(math.MaxInt64-1, math.MaxInt64, 23); got != math.MaxInt64 {
		t.Errorf("got %d tokens, want the largest number", got)
	}
}

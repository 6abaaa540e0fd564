package spend

import (
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/otelaudit/otelaudit/internal/history"
	"github.com/otelaudit/otelaudit/internal/scan"
)

// TestSumsOfAGrowingLogAreRightAtEachCall compares a tally in the middle of
// a log with a deduper at whose end the log ends there.
func TestSumsOfAGrowingLogAreRightAtEachCall(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 1))
		var calls []*call
		for n := range 30 {
			for line := range strings.Lines(randomCall(random, n, seed%2 == 1)) {
				var f scan.Fields
				if err := f.Scan([]byte(line)); err != nil {
					t.Fatal(err)
				}
				if c := callOf(&f, scan.AmountsOf(&f)); c != nil {
					calls = append(calls, c)
				}
			}
		}
		tally, again := newCallTally(true), func() []*call {
			copies := make([]*call, len(calls))
			for i, c := range calls {
				copies[i] = new(*c)
			}
			return copies
		}
		for i, c := range again() {
			tally.add([]counted{{Amounts: c.Amounts, slot: c.slot, call: c}}, 0)
			var want sum
			d := newDeduper(func(a, b, merged *call) {
				want.remove(a.Amounts)
				want.remove(b.Amounts)
				want.add(merged.Amounts)
			})
			for _, c := range again()[:i+1] {
				d.add(c)
			}
			d.end()
			var got sum
			tally.corrections.addTo(&got, 0, math.MaxInt64)
			if diff := cmp.Diff(want.totals(), got.totals()); diff != "" {
				t.Fatalf("seed %d, call %d: want, got:\n%s", seed, i, diff)
			}
		}
	}
}

// randomCall returns from one to four lines that may tell of one call.
func randomCall(random *rand.Rand, n int, spans bool) string {
	var b strings.Builder
	for range 1 + random.IntN(4) {
		fmt.Fprintf(&b, `{"ts":%q,"session_id":"s%d"`, "2026-02-13T14:30:22Z", random.IntN(2))
		for _, member := range []string{
			`,"otelaudit.span.name":"chat"`, fmt.Sprintf(`,"span_id":"s-%d"`, n), fmt.Sprintf(`,"request_id":"q-%d"`, n),
			fmt.Sprintf(`,"response_id":"r-%d"`, n-random.IntN(2)), `,"cost":0.5`, `,"input_t":10`, `,"event":"gemini_cli.api_response"`,
		} {
			if random.IntN(2) == 0 {
				b.WriteString(member)
			}
		}
		// Spans as an exporter writes them. They have a trace and no logs of their own, and each
		// line has tokens then: where a call gets tokens or a second span by a late line, a
		// growing log may count a log of one of its spans apart until it leaves the window.
		if spans {
			b.WriteString(`,"input_t":10`)
			if random.IntN(2) == 0 {
				fmt.Fprintf(&b, `,"otelaudit.span.name":"chat","model":"m","trace_id":"%032d","call_id":"%016[1]d/%d","otelaudit.span.parent_id":"s-%d","otel":{"derived":["call_id"],"same":"x-%d","scope":{"name":"n-%d"}}`,
					random.IntN(2), n-random.IntN(2), n-1-random.IntN(2), n-random.IntN(2), random.IntN(2))
			}
		}
		b.WriteString("}\n")
	}
	return b.String()
}

func TestHourlyForgetsHoursThatPassed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, line := growingLog(t)
		h := NewHourly(log)
		for i := range 100 { // ahead of the clock, and nothing is before them
			line(`{"ts":%q,"cost":1}`, time.Now().Add(time.Duration(450+i)*time.Hour))
		}
		for i := range 600 {
			line(`{"ts":%q,"cost":1}`, time.Now())
			want := float64(min(i+1, 2))
			if got, err := h.Since(t.Context(), 1); err != nil || got.Cost != want {
				t.Fatalf("at %v: got %+v, %v, want a cost of %v", time.Now(), got, err, want)
			}
			if n := len(h.running.slots); n > 4 {
				t.Fatalf("%d hours are remembered", n)
			}
			time.Sleep(time.Hour)
		}
	})
}

// growingLog returns a log, and a function that appends a line of a time.
func growingLog(t *testing.T) (log *history.Log, line func(format string, at time.Time)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return history.New(scan.NewSource(path, slog.New(slog.DiscardHandler), scan.DefaultMaxLine), false), func(format string, at time.Time) {
		if _, err := fmt.Fprintf(f, format+"\n", at.Format(time.RFC3339Nano)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRunningHoldsNoMoreThanItWasAskedFor lets a week pass, of which each day is asked for.
func TestRunningHoldsNoMoreThanItWasAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, line := growingLog(t)
		r := NewRunning(log, SecondsPerHour, "", true)
		for range 7 * 24 {
			for _, format := range []string{
				`{"ts":%q,"cost":1,"request_id":"q","span_id":"s"}`, `{"ts":%q,"cost":1,"request_id":"q","span_id":"s"}`,
				`{"ts":%q,"cost":1,"request_id":"q","otelaudit.span.name":"n"}`,
			} {
				line(format, time.Now())
			}
			midnight := time.Now().UTC().Truncate(24 * time.Hour)
			if _, err := r.Refresh(t.Context(), time.Now(), r.SlotOf(midnight)); err != nil {
				t.Fatal(err)
			}
			for _, slots := range r.allSlots() {
				if len(slots) > 25 {
					t.Fatalf("%d slots are remembered", len(slots))
				}
			}
			time.Sleep(time.Hour)
		}
	})
}

package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	"pgregory.net/rapid"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/bridge"
	"github.com/otelaudit/otelaudit/internal/audittest"
)

func TestReplayBesideAWriterThatRotatesLosesAndDoublesNothing(t *testing.T) {
	const events = 2000
	var c collector
	path, url := logPath(t), c.serve(t)
	log := audittest.Open(t, path, auditlog.WithMaxFileSize(16<<10))
	if err := log.Append(t.Context(), auditlog.Event{Name: "e-0"}); err != nil {
		t.Fatal(err)
	}
	wrote := make(chan error, 1)
	go func() {
		var err error
		for i := 1; i < events && err == nil; i++ {
			err = log.Append(context.Background(), auditlog.Event{Name: fmt.Sprintf("e-%d", i)})
		}
		wrote <- err
	}()
	b := newBridge(t, path, url, bridge.WithBatchSize(50))
	replay := func() {
		stats, err := b.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if stats.Restarted || stats.Damaged > 0 {
			t.Fatalf("got %+v, want no damage and no restart", stats)
		}
	}
	for writing := true; writing; {
		replay()
		select {
		case err := <-wrote:
			if err != nil {
				t.Fatal(err)
			}
			writing = false
		default:
		}
	}
	replay()
	var want []string
	for i := range events {
		want = append(want, fmt.Sprintf("e-%d", i))
	}
	if diff := cmp.Diff(want, c.names()); diff != "" {
		t.Errorf("arrived (-want +got):\n%s", diff)
	}
	archives, err := filepath.Glob(strings.TrimSuffix(path, ".jsonl") + "_*")
	if err != nil || len(archives) < 5 {
		t.Errorf("got %d archives (%v), want several", len(archives), err)
	}
}

// TestNothingIsLostWhateverHappens lets a bridge meet random answers, deaths
// and rotations. What must hold: each event arrives, or is in the reject file;
// in order with one request in flight, but for batches that come again after
// a death; and again come only the batches in flight.
func TestNothingIsLostWhateverHappens(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir := t.TempDir()
		var (
			c        collector
			path     = filepath.Join(dir, "audit.jsonl")
			written  []string
			ticks    int // lines that are all the same, each at the beginning of a file
			bad      = map[string]bool{}
			deaths   int
			stops    int
			stamp    int
			batch    = rapid.IntRange(1, 6).Draw(rt, "batch")
			inFlight = rapid.IntRange(1, 4).Draw(rt, "in flight")
			opts     = []bridge.Option{bridge.WithBatchSize(batch), bridge.WithInFlight(inFlight), bridge.WithTransport(inMemory{&c})}
			poisoned = func(req *collogspb.ExportLogsServiceRequest) bool {
				return slices.ContainsFunc(recordsOf(req), func(r *logspb.LogRecord) bool { return bad[r.GetEventName()] })
			}
		)
		c.always = func(w http.ResponseWriter, r *http.Request, req *collogspb.ExportLogsServiceRequest) {
			if poisoned(req) {
				reply(400, typeText, "poison")(w, r, req)
				return
			}
			c.accept(w, r, req)
		}
		add := func(rt *rapid.T) {
			var content strings.Builder
			for range rapid.IntRange(1, 12).Draw(rt, "events") {
				name := fmt.Sprintf("e-%d", len(written))
				written = append(written, name)
				bad[name] = rapid.IntRange(0, 9).Draw(rt, "bad") == 0
				content.WriteString(line(name) + "\n")
			}
			appendTo(t, path, content.String())
		}
		replay := func(rt *rapid.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			for range rapid.IntRange(0, 4).Draw(rt, "answers") {
				c.push(rapid.SampledFrom([]answer{
					nil,
					reply(503, typeText, "busy"),
					reply(200, typeProto, "<html>"),
					reply(404, typeText, "nothing here"),
					func(_ http.ResponseWriter, _ *http.Request, req *collogspb.ExportLogsServiceRequest) {
						if !poisoned(req) { // accepted, but the bridge dies before it knows
							c.keep(req)
						}
						c.mu.Lock()
						deaths++
						c.mu.Unlock()
						cancel()
						panic(http.ErrAbortHandler)
					},
				}).Draw(rt, "answer"))
			}
			stats, err := newBridge(t, path, "http://collector", opts...).Run(ctx)
			_, stop := errors.AsType[*bridge.StopError](err)
			if err != nil && !stop && !errors.Is(err, context.Canceled) {
				rt.Fatal(err)
			}
			if stop {
				stops++
			}
			if stats.Restarted || stats.Damaged > 0 {
				rt.Fatalf("got %+v, want no restart and no damage", stats)
			}
			c.script = nil
		}
		add(rt)
		rotate := func(*rapid.T) {
			if _, err := os.Stat(path); err == nil {
				stamp++
				archive(t, path, fmt.Sprintf("20260101_000000_%02d", stamp))
			}
		}
		tick := func(rt *rapid.T) {
			rotate(rt)
			ticks++
			appendTo(t, path, line("tick")+"\n")
		}
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			rapid.SampledFrom([]func(*rapid.T){add, replay, replay, rotate, tick}).Draw(rt, "step")(rt)
		}
		c.script = nil
		b := newBridge(t, path, "http://collector", opts...)
		if _, err := b.Run(t.Context()); err != nil {
			rt.Fatal(err)
		}

		var want []string
		refused := map[string]bool{}
		for _, name := range written {
			if bad[name] {
				refused[name] = true
			} else {
				want = append(want, name)
			}
		}
		got := c.names()
		arrivedTicks := 0
		for _, name := range got {
			if name == "tick" {
				arrivedTicks++
			}
		}
		if arrivedTicks < ticks {
			rt.Errorf("got %d of %d ticks", arrivedTicks, ticks)
		}
		// A death repeats what is in flight, a stop what is in flight behind it.
		bound := deaths*inFlight*batch + stops*(inFlight-1)*batch
		if extra := len(got) - len(want) - ticks; extra < 0 || extra > bound {
			rt.Errorf("got %d events twice after %d deaths and %d stops with %d batches of %d in flight", extra, deaths, stops, inFlight, batch)
		}
		// Without the repetitions it is what was written, in order.
		var once []string
		for _, name := range got {
			if name != "tick" && !slices.Contains(once, name) {
				once = append(once, name)
			}
		}
		if inFlight > 1 {
			slices.Sort(once)
			slices.Sort(want)
		}
		if diff := cmp.Diff(want, once); diff != "" {
			rt.Errorf("arrived (-want +got):\n%s", diff)
		}
		if len(refused) > 0 {
			for _, r := range rejects(t, b.RejectFile()) {
				for name := range refused {
					if r.Record == line(name) {
						delete(refused, name)
					}
				}
			}
		}
		if len(refused) > 0 {
			rt.Errorf("neither delivered nor in the reject file: %v", refused)
		}
	})
}

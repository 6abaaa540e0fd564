package bridge_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"

	"github.com/otelaudit/otelaudit/bridge"
)

// holding is a collector that answers a request with the event named held only
// when it is told to.
type holding struct {
	collector
	held    string
	release chan struct{}
}

func newHolding(held string) *holding {
	h := &holding{held: held, release: make(chan struct{})}
	h.always = func(w http.ResponseWriter, r *http.Request, req *collogspb.ExportLogsServiceRequest) {
		if recordsOf(req)[0].GetEventName() == held {
			<-h.release
		}
		h.accept(w, r, req)
	}
	return h
}

// lineOf returns the line that the checkpoint is behind, 0 without a
// checkpoint.
func lineOf(t testing.TB, b *bridge.Bridge) (line int64) {
	t.Helper()
	data, err := os.ReadFile(b.Checkpoint())
	if errors.Is(err, os.ErrNotExist) {
		return 0
	}
	var cp struct{ Line int64 }
	if err == nil {
		err = json.Unmarshal(data, &cp)
	}
	if err != nil {
		t.Fatal(err)
	}
	return cp.Line
}

func TestRequestsOvertakeEachOtherWithinTheWindowAndTheCheckpointDoesNot(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(dir, "audit.jsonl")
		content, names := lines("a", 8)
		write(t, path, content)
		c := newHolding("a-1")
		b := newBridge(t, path, "http://collector", bridge.WithBatchSize(1), bridge.WithInFlight(3), bridge.WithTransport(inMemory{c}))
		done := make(chan error, 1)
		go func() {
			_, err := b.Run(t.Context())
			done <- err
		}()
		synctest.Wait()
		if c.requests != 4 {
			t.Errorf("got %d requests while one is held, want the first one and a window of 3", c.requests)
		}
		if got := lineOf(t, b); got != 1 {
			t.Errorf("while line 2 is held the checkpoint is behind line %d, want 1", got)
		}
		got := c.names()
		slices.Sort(got)
		if diff := cmp.Diff([]string{"a-0", "a-2", "a-3"}, got); diff != "" {
			t.Errorf("arrived (-want +got):\n%s", diff)
		}
		close(c.release)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		got = c.names()
		slices.Sort(got)
		if diff := cmp.Diff([]string{"a-1", "a-4", "a-5", "a-6", "a-7"}, got); diff != "" {
			t.Errorf("arrived then (-want +got):\n%s", diff)
		}
		if got := lineOf(t, b); got != int64(len(names)) {
			t.Errorf("the checkpoint is behind line %d, want %d", got, len(names))
		}
	})
}

func TestWindowIsBoundedInBytes(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(dir, "audit.jsonl")
		const size = 1 << 20 // of a line
		large := fmt.Sprintf(`{"event":"large","reason":%q}`, strings.Repeat("x", size)) + "\n"
		write(t, path, line("first")+"\n"+strings.Repeat(large, 20))
		c := newHolding("large")
		b := newBridge(t, path, "http://collector", bridge.WithBatchSize(1), bridge.WithInFlight(32), bridge.WithTransport(inMemory{c}))
		done := make(chan error, 1)
		go func() {
			_, err := b.Run(t.Context())
			done <- err
		}()
		synctest.Wait()
		if c.requests < 5 || c.requests > 12 {
			t.Errorf("got %d requests of 1 MiB while all are held, want 5 to 12", c.requests)
		}
		close(c.release)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
}

// The end of the context lets what is under way come to its end.
func TestEndOfTheContextWaitsForRequestsUnderWay(t *testing.T) {
	for name, tt := range map[string]struct {
		answers bool
		sent    int64
	}{
		"that are answered": {true, 4},
		"that are not":      {false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				path := filepath.Join(dir, "audit.jsonl")
				content, _ := lines("a", 8)
				write(t, path, content)
				c := newHolding("a-1")
				defer func() {
					if !tt.answers {
						close(c.release)
					}
				}()
				b := newBridge(t, path, "http://collector", bridge.WithBatchSize(1), bridge.WithInFlight(3),
					bridge.WithTransport(cutOff{inMemory{c}}))
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				type result struct {
					stats bridge.Stats
					err   error
				}
				done := make(chan result, 1)
				go func() {
					stats, err := b.Run(ctx)
					done <- result{stats, err}
				}()
				synctest.Wait()
				start := time.Now()
				cancel()
				synctest.Wait()
				if tt.answers {
					close(c.release)
				}
				got := <-done
				if !errors.Is(got.err, context.Canceled) || got.stats.Sent != tt.sent {
					t.Errorf("got %+v, %v, want %d sent and context.Canceled", got.stats, got.err, tt.sent)
				}
				if got := lineOf(t, b); got != tt.sent {
					t.Errorf("the checkpoint is behind line %d, want %d", got, tt.sent)
				}
				if waited := time.Since(start); waited > 10*time.Second {
					t.Errorf("it took %s", waited)
				}
			})
		})
	}
}

// cutOff ends a round trip when its context does, as a connection does.
type cutOff struct{ next http.RoundTripper }

func (c cutOff) RoundTrip(r *http.Request) (*http.Response, error) {
	type result struct {
		resp *http.Response
		err  error
	}
	done := make(chan result, 1)
	go func() {
		resp, err := c.next.RoundTrip(r) //nolint:bodyclose // the caller closes it
		done <- result{resp, err}
	}()
	select {
	case got := <-done:
		return got.resp, got.err
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

func TestCollectorThatIsAwayMeetsOneRequestAtATime(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(dir, "audit.jsonl")
		content, names := lines("a", 100)
		write(t, path, content)
		start := time.Now()
		var c collector
		tries := 0
		c.push(c.accept) // so that the window is open
		c.always = func(w http.ResponseWriter, r *http.Request, req *collogspb.ExportLogsServiceRequest) {
			since := time.Since(start)
			switch {
			case since > 5*time.Minute:
				c.accept(w, r, req)
				return
			case since > 30*time.Second:
				c.mu.Lock()
				tries++
				c.mu.Unlock()
			}
			reply(503, typeText, "busy")(w, r, req)
		}
		b, err := bridge.New(path, bridge.WithEndpoint("http://collector"), bridge.WithTransport(inMemory{&c}),
			bridge.WithBatchSize(1), bridge.WithInFlight(4), bridge.WithBackoff(30*time.Second, 30*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		if stats, err := b.Run(t.Context()); err != nil || stats.Sent != 100 {
			t.Errorf("got %+v, %v, want 100 sent", stats, err)
		}
		// One that waits 15 to 45 seconds between two tries makes 6 to 18 of
		// them in 270 seconds, and four make at least 24.
		if tries < 6 || tries > 18 {
			t.Errorf("got %d tries while the collector is away, want 6 to 18", tries)
		}
		got := c.names()
		slices.Sort(got)
		slices.Sort(names)
		if diff := cmp.Diff(names, got); diff != "" {
			t.Errorf("arrived (-want +got):\n%s", diff)
		}
	})
}

func TestStopWithRequestsInFlightSkipsNothing(t *testing.T) {
	for range 20 {
		var c collector
		path, url := logPath(t), c.serve(t)
		content, names := lines("a", 30)
		write(t, path, content)
		c.push(nil, nil, nil, nil, nil, reply(401, typeText, "who are you?"))
		stats, err := newBridge(t, path, url, bridge.WithBatchSize(2), bridge.WithInFlight(4)).Run(t.Context())
		if _, stop := errors.AsType[*bridge.StopError](err); !stop {
			t.Fatalf("got %+v, %v, want a StopError", stats, err)
		}
		run(t, path, url)
		count := map[string]int{}
		for _, name := range c.names() {
			count[name]++
		}
		twice := 0
		for _, name := range names {
			if count[name] == 0 {
				t.Errorf("%s is lost", name)
			}
			twice += count[name] - 1
		}
		if twice > 3*2 {
			t.Errorf("got %d events twice, want at most the 3 batches of 2 behind the one that was refused", twice)
		}
	}
}

func TestStopWithinABatchThatIsHalvedSkipsNothing(t *testing.T) {
	for stop := range 7 { // how many requests come before it
		var c collector
		c.always = c.refuse("a-5")
		path, url := logPath(t), c.serve(t)
		content, names := lines("a", 8)
		write(t, path, content)
		for range stop {
			c.push(nil)
		}
		c.push(reply(401, typeText, "who are you?"))
		b := newBridge(t, path, url)
		first, err := b.Run(t.Context())
		if _, stopped := errors.AsType[*bridge.StopError](err); !stopped {
			t.Errorf("%d: got %+v, %v, want a StopError", stop, first, err)
		}
		second := run(t, path, url)
		want := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == "a-5" })
		if diff := cmp.Diff(want, c.names()); diff != "" {
			t.Errorf("%d: arrived (-want +got):\n%s", stop, diff)
		}
		if first.Sent+second.Sent != 7 || first.Rejected+second.Rejected != 1 {
			t.Errorf("%d: got %+v and %+v, want 7 sent and 1 rejected in both", stop, first, second)
		}
	}
}

package bridge_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/bridge"
	"github.com/otelaudit/otelaudit/internal/audittest"
	"github.com/otelaudit/otelaudit/internal/trials"
)

// follower is a Run that follows a log.
type follower struct {
	*bridge.Bridge
	cancel context.CancelFunc
	done   chan struct{}
	stats  bridge.Stats
	err    error
}

func follow(t testing.TB, path, url string, opts ...bridge.Option) *follower {
	t.Helper()
	f := &follower{
		Bridge: newBridge(t, path, url, append([]bridge.Option{bridge.WithFollow(), bridge.WithLinger(time.Millisecond)}, opts...)...),
		done:   make(chan struct{}),
	}
	ctx, cancel := context.WithCancel(t.Context())
	f.cancel = cancel
	go func() {
		defer close(f.done)
		f.stats, f.err = f.Run(ctx)
	}()
	t.Cleanup(func() { f.stop(t) })
	return f
}

// stop ends the run and wants no error.
func (f *follower) stop(t testing.TB) bridge.Stats {
	t.Helper()
	f.cancel()
	<-f.done
	if f.err != nil {
		t.Errorf("got error %v, want none", f.err)
	}
	return f.stats
}

// waitFor waits until something is so.
func waitFor(t testing.TB, what string, is func() bool) {
	t.Helper()
	const most = 10 * time.Minute // a busy machine takes minutes for what takes a second elsewhere
	deadline := time.Now().Add(most)
	for !is() {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s", most, what)
		}
		time.Sleep(time.Millisecond)
	}
}

// arrive waits until n events were accepted.
func (c *collector) arrive(t testing.TB, n int) {
	t.Helper()
	waitFor(t, fmt.Sprintf("%d events", n), func() bool { return len(c.records()) >= n })
}

func appendEvents(t testing.TB, log *auditlog.Log, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := log.Append(t.Context(), auditlog.Event{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFollowSendsWhatIsThereAndWhatComes(t *testing.T) {
	var c collector
	path, url := logPath(t), c.serve(t)
	content, names := lines("old", 3)
	write(t, path, content)
	f := follow(t, path, url)
	c.arrive(t, 3)
	log := audittest.Open(t, path)
	for i := range 5 {
		names = append(names, fmt.Sprintf("new-%d", i))
		appendEvents(t, log, names[len(names)-1])
		c.arrive(t, len(names)) // each is sent without waiting for another one
	}
	if err := log.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	names = append(names, "rotated")
	appendEvents(t, log, "rotated")
	c.arrive(t, len(names))
	if got := f.stop(t); got.Sent != int64(len(names)) || got.Restarted || got.Damaged > 0 {
		t.Errorf("got %+v, want %d sent", got, len(names))
	}
	if diff := cmp.Diff(names, c.names()); diff != "" {
		t.Errorf("arrived (-want +got):\n%s", diff)
	}
	if got := run(t, path, url); got != (bridge.Stats{}) {
		t.Errorf("a run after it: got %+v, want nothing", got)
	}
}

func TestFollowWaitsForALogThatIsNotThereYet(t *testing.T) {
	for name, tt := range map[string]struct {
		folder string // of the checkpoint, "": that of the log
		told   string
	}{
		"nor its folder": {"", "there is no folder for the log yet; waiting for it"},
		"nor its folder, with a checkpoint elsewhere": {t.TempDir(), "there is no log yet; waiting for it"},
	} {
		t.Run(name, func(t *testing.T) {
			var c collector
			path, url := filepath.Join(t.TempDir(), "later", "audit.jsonl"), c.serve(t)
			told := make(chan string, 10)
			opts := []bridge.Option{bridge.WithLogger(onLog(func(m string) { told <- m }))}
			if tt.folder != "" {
				opts = append(opts, bridge.WithCheckpoint(filepath.Join(tt.folder, "checkpoint")))
			}
			f := follow(t, path, url, opts...)
			if got := <-told; got != tt.told {
				t.Errorf("told %q, want %q", got, tt.told)
			}
			appendEvents(t, audittest.Open(t, path), "first")
			c.arrive(t, 1)
			f.stop(t)
			f = follow(t, filepath.Join(t.TempDir(), "never", "audit.jsonl"), url, opts...)
			<-told
			f.stop(t)
		})
	}
}

func TestFollowGathersWhatComesWithinTheLinger(t *testing.T) {
	const batch = 2000
	var c collector
	path, url := logPath(t), c.serve(t)
	follow(t, path, url, bridge.WithLinger(time.Minute), bridge.WithBatchSize(batch))
	log := audittest.Open(t, path)
	appendEvents(t, log, "alone")
	c.arrive(t, 1)
	for range batch { // with an fsync for ten of them that takes longer than a look
		appendEvents(t, log, "one of many")
	}
	c.arrive(t, 1+batch)
	if c.requests != 2 {
		t.Errorf("got %d requests, want one with the first event and one with the others", c.requests)
	}
}

// Of what a stop leaves in a batch that is not full the next run begins.
func TestEventsThatLingerWhenTheRunEndsAreSentByTheNextOne(t *testing.T) {
	var c collector
	path, url := logPath(t), c.serve(t)
	f := follow(t, path, url, bridge.WithLinger(time.Minute))
	log := audittest.Open(t, path)
	appendEvents(t, log, "a")
	c.arrive(t, 1)
	appendEvents(t, log, "b", "c")
	f.stop(t)
	run(t, path, url)
	if diff := cmp.Diff([]string{"a", "b", "c"}, c.names()); diff != "" {
		t.Errorf("arrived (-want +got):\n%s", diff)
	}
}

func TestFollowThroughAStormOfRotationsLosesAndDoublesNothing(t *testing.T) {
	const writers, events = 3, 400
	for _, inFlight := range []int{1, 4} {
		t.Run(fmt.Sprintf("%d in flight", inFlight), func(t *testing.T) {
			var c collector
			path, url := logPath(t), c.serve(t)
			f := follow(t, path, url, bridge.WithInFlight(inFlight), bridge.WithBatchSize(20))
			var wait sync.WaitGroup
			for w := range writers {
				log := audittest.Open(t, path, auditlog.WithMaxFileSize(4<<10))
				wait.Go(func() {
					for i := range events {
						if err := log.Append(context.Background(), auditlog.Event{Name: fmt.Sprintf("%d-%d", w, i)}); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			wait.Wait()
			c.arrive(t, writers*events)
			if got := f.stop(t); got.Damaged > 0 || got.Restarted {
				t.Errorf("got %+v, want no damage and no restart", got)
			}
			perWriter := make([][]string, writers)
			for _, name := range c.names() {
				w := name[0] - '0'
				perWriter[w] = append(perWriter[w], name)
			}
			for w, got := range perWriter {
				var want []string
				for i := range events {
					want = append(want, fmt.Sprintf("%d-%d", w, i))
				}
				if inFlight > 1 {
					slices.Sort(got)
					slices.Sort(want)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("of writer %d arrived (-want +got):\n%s", w, diff)
				}
			}
			if got := run(t, path, url); got != (bridge.Stats{}) {
				t.Errorf("a run after it: got %+v, want nothing", got)
			}
		})
	}
}

// What somebody does to the files is told of, and what comes then arrives.
func TestFollowGoesOnWhateverIsDoneToTheFiles(t *testing.T) {
	for name, tt := range map[string]struct {
		do   func(t *testing.T, path string)
		told string // "": nothing
	}{
		"moved away": {func(t *testing.T, path string) {
			rename(t, path, filepath.Join(t.TempDir(), "taken"))
			write(t, path, line("new-0")+"\n")
		}, "the active file was moved away or removed; what is left of it is sent, and then the new one"},
		"removed": {func(t *testing.T, path string) {
			remove(t, path)
			write(t, path, line("new-0")+"\n")
		}, "the active file was moved away or removed; what is left of it is sent, and then the new one"},
		"replaced": {func(t *testing.T, path string) {
			other := path + ".other"
			write(t, other, line("new-0")+"\n")
			rename(t, other, path)
		}, "the active file was moved away or removed; what is left of it is sent, and then the new one"},
		"replaced by a copy": {func(t *testing.T, path string) {
			other := path + ".other"
			write(t, other, read(t, path)+line("new-0")+"\n")
			rename(t, other, path)
		}, "a copy of the active file has taken its place"},
		"truncated": {func(t *testing.T, path string) {
			write(t, path, line("new-0")+"\n")
		}, "the log was truncated; going on where it changed"},
		"archived": {func(t *testing.T, path string) {
			archive(t, path, "20260101_000000")
			write(t, path, line("new-0")+"\n")
		}, ""},
		"archived, and an older archive removed": {func(t *testing.T, path string) {
			remove(t, strings.TrimSuffix(path, ".jsonl")+"_20250101_000000.jsonl.gz")
			archive(t, path, "20260101_000000")
			write(t, path, line("new-0")+"\n")
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var c collector
			path, url := logPath(t), c.serve(t)
			write(t, path, line("older")+"\n")
			archive(t, path, "20250101_000000")
			content, _ := lines("old", 5)
			write(t, path, content)
			var mu sync.Mutex
			var told []string
			f := follow(t, path, url, bridge.WithLogger(onLog(func(m string) {
				mu.Lock()
				defer mu.Unlock()
				told = append(told, m)
			})))
			c.arrive(t, 6)
			c.names()
			tt.do(t, path)
			c.arrive(t, 1)
			appendTo(t, path, line("new-1")+"\n")
			c.arrive(t, 2)
			if got := f.stop(t); got.Damaged > 0 {
				t.Errorf("got %+v, want no damage", got)
			}
			if diff := cmp.Diff([]string{"new-0", "new-1"}, c.names()); diff != "" {
				t.Errorf("arrived (-want +got):\n%s", diff)
			}
			var want []string
			if tt.told != "" {
				want = []string{tt.told}
			}
			if diff := cmp.Diff(want, told); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
			if got := run(t, path, url); got != (bridge.Stats{}) {
				t.Errorf("a run after it: got %+v, want nothing", got)
			}
		})
	}
}

func rename(t testing.TB, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func remove(t testing.TB, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func TestFollowTellsOfDamageOnceAndWaitsForTheLineFeed(t *testing.T) {
	var c collector
	path, url := logPath(t), c.serve(t)
	write(t, path, line("a")+"\nno json\n")
	f := follow(t, path, url)
	c.arrive(t, 1)
	whole := line("b")
	appendTo(t, path, whole[:20])
	// Others that come in the middle of the line would be damage; here the bridge
	// looks at it while it is torn.
	waitFor(t, "the damage to be passed", func() bool { return lineOf(t, f.Bridge) >= 1 })
	appendTo(t, path, whole[20:]+"\n")
	c.arrive(t, 2)
	appendTo(t, path, "\x00\x00\n"+line("c")+"\n")
	c.arrive(t, 3)
	if got := f.stop(t); got.Damaged != 2 || got.Sent != 3 {
		t.Errorf("got %+v, want 3 sent and 2 damaged", got)
	}
	if diff := cmp.Diff([]string{"a", "b", "c"}, c.names()); diff != "" {
		t.Errorf("arrived (-want +got):\n%s", diff)
	}
}

func TestFollowThatIsStoppedAgainAndAgainLosesNothing(t *testing.T) {
	const events, batch = 1500, 10
	var c collector
	path, url := logPath(t), c.serve(t)
	log := audittest.Open(t, path, auditlog.WithMaxFileSize(8<<10))
	wrote := make(chan error, 1)
	go func() {
		var err error
		for i := 0; i < events && err == nil; i++ {
			err = log.Append(context.Background(), auditlog.Event{Name: fmt.Sprintf("e-%d", i)})
		}
		wrote <- err
	}()
	for n := 100; n < events; n += 200 {
		f := follow(t, path, url, bridge.WithInFlight(3), bridge.WithBatchSize(batch))
		c.arrive(t, n)
		f.stop(t)
	}
	if err := <-wrote; err != nil {
		t.Fatal(err)
	}
	run(t, path, url)
	got := c.names()
	slices.Sort(got)
	var want []string
	for i := range events {
		want = append(want, fmt.Sprintf("e-%d", i))
	}
	slices.Sort(want)
	// A graceful stop drains what is in flight, so nothing comes twice.
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("arrived (-want +got):\n%s", diff)
	}
}

func TestFollowEndsWithoutErrorWhileTheCollectorIsAway(t *testing.T) {
	var c collector
	away := make(chan struct{})
	var once sync.Once
	c.always = func(w http.ResponseWriter, r *http.Request, req *collogspb.ExportLogsServiceRequest) {
		reply(503, typeText, "busy")(w, r, req)
		once.Do(func() { close(away) })
	}
	path, url := logPath(t), c.serve(t)
	write(t, path, line("a")+"\n")
	f := follow(t, path, url, bridge.WithBackoff(time.Hour, time.Hour))
	<-away
	if got := f.stop(t); got.Sent != 0 {
		t.Errorf("got %+v, want none sent", got)
	}
	c.always = nil
	if got := run(t, path, url); got.Sent != 1 {
		t.Errorf("a run after it: got %+v, want 1 sent", got)
	}
}

// TestFollowKeepsNoMemoryOfHugeLines: each worker has had some when they are
// sent, and there may be nothing to send for days.
func TestFollowKeepsNoMemoryOfHugeLines(t *testing.T) {
	const size, most = 8 << 20, 32 << 20
	huge := max(trials.Of(16), 8)
	c := &collector{always: reply(200, typeProto, "")}
	path, url := logPath(t), c.serve(t)
	write(t, path, line("a")+"\n")
	f := follow(t, path, url, bridge.WithInFlight(8))
	requests := func(n int) {
		waitFor(t, fmt.Sprintf("%d requests", n), func() bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.requests >= n
		})
	}
	requests(1)
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	noise := make([]byte, size*3/4)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise) // never fails
	text := base64.StdEncoding.EncodeToString(noise)
	for range huge {
		appendTo(t, path, `{"event":"e","x":"`+text+"\"}\n")
	}
	requests(1 + huge)
	waitFor(t, "memory to be freed", func() bool { return heap() < before+most })
	f.stop(t)
}

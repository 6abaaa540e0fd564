package bridge_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"

	"github.com/otelaudit/otelaudit/bridge"
)

func TestSecondRunSendsNothing(t *testing.T) {
	var c collector
	path, url := logPath(t), c.serve(t)
	content, names := lines("a", 5)
	write(t, path, content)

	if got, want := run(t, path, url), (bridge.Stats{Read: 5, Sent: 5}); got != want {
		t.Errorf("first run: got %+v, want %+v", got, want)
	}
	if diff := cmp.Diff(names, c.names()); diff != "" {
		t.Errorf("first run arrived (-want +got):\n%s", diff)
	}
	if got := run(t, path, url); got != (bridge.Stats{}) {
		t.Errorf("second run: got %+v, want nothing", got)
	}
	if c.requests != 1 {
		t.Errorf("got %d requests, want 1", c.requests)
	}
}

func TestOnlyNewEventsAreSent(t *testing.T) {
	var c collector
	path, url := logPath(t), c.serve(t)
	content, _ := lines("a", 5)
	write(t, path, content)
	run(t, path, url)
	c.names()
	more, names := lines("b", 3)
	appendTo(t, path, more)

	if got, want := run(t, path, url), (bridge.Stats{Read: 3, Sent: 3}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if diff := cmp.Diff(names, c.names()); diff != "" {
		t.Errorf("arrived (-want +got):\n%s", diff)
	}
}

func TestFilesAreReplayedInOrderInBatches(t *testing.T) {
	var c collector
	path, url := logPath(t), c.serve(t)
	var want []string
	for _, stamp := range []string{"20260101_000000", "20260101_000000_01", "20260102_000000", ""} {
		content, names := lines("f"+stamp, 5)
		want = append(want, names...)
		write(t, path, content)
		if stamp != "" {
			archive(t, path, stamp)
		}
	}
	run(t, path, url, bridge.WithBatchSize(2))
	if c.requests != 4*3 {
		t.Errorf("got %d requests, want 12: two full batches and a rest of each file", c.requests)
	}
	if diff := cmp.Diff(want, c.names()); diff != "" {
		t.Errorf("arrived (-want +got):\n%s", diff)
	}
}

func TestCheckpointIsFoundInTheArchiveItsFileBecame(t *testing.T) {
	var c collector
	path, url := logPath(t), c.serve(t)
	older, _ := lines("older", 3)
	write(t, path, older)
	archive(t, path, "20260101_000000")
	content, _ := lines("a", 5)
	write(t, path, content)
	run(t, path, url)
	c.names()

	rest, want := lines("rest", 2)
	appendTo(t, path, rest)
	archive(t, path, "20260102_000000")
	whole, names := lines("next", 2)
	write(t, path, whole)
	archive(t, path, "20260103_000000")
	active, more := lines("active", 1)
	write(t, path, active)

	want = slices.Concat(want, names, more)
	if got, want := run(t, path, url), (bridge.Stats{Read: 5, Sent: 5}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if diff := cmp.Diff(want, c.names()); diff != "" {
		t.Errorf("arrived (-want +got):\n%s", diff)
	}
}

func TestFilesThatBeginAlikeAreToldApart(t *testing.T) {
	var c collector
	path, url := logPath(t), c.serve(t)
	const start = `{"event":"start"}` + "\n"
	write(t, path, start)
	run(t, path, url)

	rest, names := lines("rest", 3)
	appendTo(t, path, rest)
	archive(t, path, "20260101_000000")
	write(t, path, start+line("last")+"\n")
	if got, want := run(t, path, url), (bridge.Stats{Read: 5, Sent: 5}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	want := slices.Concat([]string{"start"}, names, []string{"start", "last"})
	if diff := cmp.Diff(want, c.names()); diff != "" {
		t.Errorf("arrived (-want +got):\n%s", diff)
	}
}

func TestTheSameLineAloneInEachFileIsSentOnceForEach(t *testing.T) {
	var c collector
	path, url := logPath(t), c.serve(t)
	for i := range 5 {
		write(t, path, `{"event":"tick","ts":"2026-01-02T03:04:05.678Z","session_id":"cron"}`+"\n")
		if got, want := run(t, path, url), (bridge.Stats{Read: 1, Sent: 1}); got != want {
			t.Errorf("file %d: got %+v, want %+v", i, got, want)
		}
		if got := run(t, path, url); got != (bridge.Stats{}) {
			t.Errorf("file %d, again: got %+v, want nothing", i, got)
		}
		archive(t, path, fmt.Sprintf("20260101_00000%d", i))
		if got := run(t, path, url); got != (bridge.Stats{}) {
			t.Errorf("file %d, as an archive: got %+v, want nothing", i, got)
		}
	}
}

// The place is in the oldest file, since the one before it was removed, though
// the file after it follows one that begins as the removed one did.
func TestFilesThatBeginAlikeAreToldApartWhenTheOldestIsRemoved(t *testing.T) {
	var c collector
	path, url := logPath(t), c.serve(t)
	const start = `{"event":"start"}` + "\n"
	write(t, path, start)
	archive(t, path, "20260101_000000")
	write(t, path, start)
	run(t, path, url)
	c.names()

	appendTo(t, path, line("rest")+"\n")
	archive(t, path, "20260102_000000")
	write(t, path, start)
	if err := os.Remove(strings.TrimSuffix(path, ".jsonl") + "_20260101_000000.jsonl.gz"); err != nil {
		t.Fatal(err)
	}
	if got, want := run(t, path, url), (bridge.Stats{Read: 2, Sent: 2}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if diff := cmp.Diff([]string{"rest", "start"}, c.names()); diff != "" {
		t.Errorf("arrived (-want +got):\n%s", diff)
	}
}

// A file that appears before that of the checkpoint was never sent.
func TestArchiveThatIsPutBackBeforeTheCheckpointIsSent(t *testing.T) {
	var c collector
	path, url := logPath(t), c.serve(t)
	write(t, path, line("late")+"\n")
	run(t, path, url)
	write(t, path, line("early")+"\n")
	archive(t, path, "20260101_000000")
	write(t, path, line("late")+"\n")
	if got, want := run(t, path, url), (bridge.Stats{Read: 2, Sent: 2, Restarted: true}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := run(t, path, url); got != (bridge.Stats{}) {
		t.Errorf("again: got %+v, want nothing", got)
	}
}

func TestCheckpointIsFoundBehindAFileWithoutContent(t *testing.T) {
	for name, content := range map[string]string{"empty": "", "no header behind the magic": "\x1f\x8bdamaged from there"} {
		t.Run(name, func(t *testing.T) {
			var c collector
			path, url := logPath(t), c.serve(t)
			write(t, path, line("a")+"\n")
			archive(t, path, "20260101_000000")
			write(t, strings.TrimSuffix(path, ".jsonl")+"_20260102_000000.jsonl.gz", content)
			write(t, path, line("b")+"\n")
			if got := run(t, path, url); got.Sent != 2 || got.Restarted {
				t.Errorf("got %+v, want 2 sent", got)
			}
			appendTo(t, path, line("c")+"\n")
			if got := run(t, path, url); got.Sent != 1 || got.Restarted {
				t.Errorf("second run: got %+v, want 1 sent", got)
			}
		})
	}
}

func TestUnterminatedLineWaitsForItsLineFeed(t *testing.T) {
	whole := line("b")
	for name, cut := range map[string]int{"torn": 20, "whole but for the line feed": len(whole)} {
		t.Run(name, func(t *testing.T) {
			var c collector
			path, url := logPath(t), c.serve(t)
			write(t, path, line("a")+"\n"+whole[:cut])
			if got, want := run(t, path, url), (bridge.Stats{Read: 1, Sent: 1, Unfinished: true}); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
			appendTo(t, path, whole[cut:]+"\n")
			if got, want := run(t, path, url), (bridge.Stats{Read: 1, Sent: 1}); got != want {
				t.Errorf("completed: got %+v, want %+v", got, want)
			}
			if diff := cmp.Diff([]string{"a", "b"}, c.names()); diff != "" {
				t.Errorf("arrived (-want +got):\n%s", diff)
			}
		})
	}
}

func TestUnterminatedLastLineOfAnArchiveIsSent(t *testing.T) {
	var c collector
	path, url := logPath(t), c.serve(t)
	write(t, path, line("a")+"\n"+line("b"))
	archive(t, path, "20260101_000000")
	write(t, path, line("c")+"\n")
	if got, want := run(t, path, url), (bridge.Stats{Read: 3, Sent: 3}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := run(t, path, url); got != (bridge.Stats{}) {
		t.Errorf("second run: got %+v, want nothing", got)
	}
}

func TestDamagedLinesAreSkippedCountedAndPassed(t *testing.T) {
	var c collector
	path, url := logPath(t), c.serve(t)
	write(t, path, "no json\n"+line("a")+"\r\n\n[1]\n"+line("b")+"\n\x00\x00\n{\"broken\n")
	var reports int
	logger := onLog(func(m string) {
		if m == "damaged line skipped" {
			reports++
		}
	})
	if got, want := run(t, path, url, bridge.WithLogger(logger)), (bridge.Stats{Read: 2, Sent: 2, Damaged: 4}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if reports != 4 {
		t.Errorf("got %d reports, want 4", reports)
	}
	if got := run(t, path, url); got != (bridge.Stats{}) {
		t.Errorf("second run: got %+v, want nothing", got)
	}
	appendTo(t, path, line("c")+"\n")
	run(t, path, url)
	if diff := cmp.Diff([]string{"a", "b", "c"}, c.names()); diff != "" {
		t.Errorf("arrived (-want +got):\n%s", diff)
	}
}

func TestCheckpointBehindCRLFIsTheBeginningOfALine(t *testing.T) {
	var c collector
	c.always = c.refuse("c")
	path, url := logPath(t), c.serve(t)
	content := line("a") + "\r\n" + line("b") + "\r\n"
	write(t, path, content)
	run(t, path, url)
	appendTo(t, path, line("c")+"\r\n")
	b := newBridge(t, path, url)
	if _, err := b.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := rejects(t, b.RejectFile())
	if len(got) != 1 || got[0].Line != 3 || got[0].Offset != int64(len(content)) {
		t.Errorf("got %+v, want line 3 at byte %d", got, len(content))
	}
}

func TestALogOfDamagedLinesIsPassedOnce(t *testing.T) {
	var c collector
	path, url := logPath(t), c.serve(t)
	write(t, path, "no\njson\n")
	if got, want := run(t, path, url), (bridge.Stats{Damaged: 2}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := run(t, path, url); got != (bridge.Stats{}) {
		t.Errorf("second run: got %+v, want nothing", got)
	}
}

func TestChangedLogIsNoticedAndNothingNewIsLost(t *testing.T) {
	first, _ := lines("first", 4)
	second, names := lines("second", 200) // longer than the head that is compared
	tests := map[string]struct {
		change func(t *testing.T, path string)
		want   []string
	}{
		"truncated to nothing and written again": {
			func(t *testing.T, path string) { write(t, path, line("new-0")+"\n"+line("new-1")+"\n") },
			[]string{"new-0", "new-1"},
		},
		"truncated in the middle and written on": {
			func(t *testing.T, path string) {
				more, _ := lines("more", 20)
				kept, _, _ := strings.Cut(second, line("second-190"))
				write(t, path, kept+more)
			},
			append(slices.Clone(names[:190]), "more-0", "more-1", "more-2", "more-3", "more-4", "more-5", "more-6", "more-7", "more-8", "more-9",
				"more-10", "more-11", "more-12", "more-13", "more-14", "more-15", "more-16", "more-17", "more-18", "more-19"),
		},
		"another beginning before the same last line": {
			func(t *testing.T, path string) { write(t, path, strings.Replace(second, "second-0", "change-0", 1)) },
			append([]string{"change-0"}, names[1:]...),
		},
		"truncated and still shorter": {
			func(t *testing.T, path string) { write(t, path, line("second-0")+"\n") },
			[]string{"second-0"},
		},
		"removed": {
			func(t *testing.T, path string) {
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
			},
			[]string{},
		},
		"removed, and a new archive and active file since": {
			func(t *testing.T, path string) {
				write(t, path, line("new-0")+"\n")
				archive(t, path, "20260105_000000")
				write(t, path, line("new-1")+"\n")
			},
			[]string{"new-0", "new-1"},
		},
		"all files replaced by those of another log": {
			func(t *testing.T, path string) {
				write(t, path, line("other-0")+"\n")
				archive(t, path, "20260101_000000")
				write(t, path, line("other-1")+"\n")
			},
			[]string{"other-0", "other-1"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var c collector
			path, url := logPath(t), c.serve(t)
			write(t, path, first)
			archive(t, path, "20260101_000000")
			write(t, path, second)
			run(t, path, url)
			c.names()

			tt.change(t, path)
			stats := run(t, path, url)
			if !stats.Restarted {
				t.Errorf("got %+v, want Restarted", stats)
			}
			if diff := cmp.Diff(tt.want, c.names()); diff != "" {
				t.Errorf("arrived (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRemovedArchiveOfTheCheckpointIsPassedOver(t *testing.T) {
	var c collector
	path, url := logPath(t), c.serve(t)
	write(t, path, line("a")+"\n")
	run(t, path, url) // the checkpoint is in what becomes the first archive
	archive(t, path, "20260101_000000")
	write(t, path, line("b")+"\n")
	archive(t, path, "20260102_000000")
	if err := os.Remove(strings.TrimSuffix(path, ".jsonl") + "_20260101_000000.jsonl.gz"); err != nil {
		t.Fatal(err)
	}
	if got, want := run(t, path, url), (bridge.Stats{Read: 1, Sent: 1, Restarted: true}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if diff := cmp.Diff([]string{"a", "b"}, c.names()); diff != "" {
		t.Errorf("arrived (-want +got):\n%s", diff)
	}
}

func TestDeathBetweenAcceptanceAndCheckpointSendsOneBatchAgain(t *testing.T) {
	var c collector
	path, url := logPath(t), c.serve(t)
	content, names := lines("a", 10)
	write(t, path, content)

	ctx, die := context.WithCancel(t.Context())
	c.push(nil, func(_ http.ResponseWriter, _ *http.Request, req *collogspb.ExportLogsServiceRequest) {
		c.keep(req) // taken, but the answer never arrives
		die()
		panic(http.ErrAbortHandler)
	})
	stats, err := newBridge(t, path, url, bridge.WithBatchSize(4)).Run(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want one that wraps context.Canceled", err)
	}
	if stats.Sent != 4 {
		t.Errorf("got %d sent, want the 4 of the first batch", stats.Sent)
	}
	if got := run(t, path, url, bridge.WithBatchSize(4)); got.Sent != 6 {
		t.Errorf("second run: got %+v, want 6 sent", got)
	}
	uids := map[string]int{}
	for _, r := range c.records() {
		uids[uidOf(t, r)]++
	}
	if len(uids) != 10 {
		t.Errorf("got %d different log.record.uid, want 10", len(uids))
	}
	want := slices.Concat(names[:4], names[4:8], names[4:8], names[8:])
	if diff := cmp.Diff(want, c.names()); diff != "" {
		t.Errorf("arrived (-want +got):\n%s", diff)
	}
}

func TestSecondBridgeIsLockedOut(t *testing.T) {
	var c collector
	path, url := logPath(t), c.serve(t)
	write(t, path, line("a")+"\n")
	c.push(func(w http.ResponseWriter, r *http.Request, req *collogspb.ExportLogsServiceRequest) {
		_, err := newBridge(t, path, url).Run(t.Context())
		if !errors.Is(err, bridge.ErrLocked) {
			t.Errorf("second bridge: got error %v, want ErrLocked", err)
		}
		if stats, err := newBridge(t, path, url, bridge.WithDryRun()).Run(t.Context()); err != nil || stats.Read != 1 {
			t.Errorf("dry run beside a bridge: got %+v, %v, want 1 read", stats, err)
		}
		c.accept(w, r, req)
	})
	run(t, path, url)
	run(t, path, url) // the lock is free again
}

func TestASecondCollectorStartsFromTheBeginning(t *testing.T) {
	var one, two collector
	path, url := logPath(t), one.serve(t)
	write(t, path, line("a")+"\n")
	run(t, path, url)
	var logged []string
	logger := bridge.WithLogger(onLog(func(m string) { logged = append(logged, m) }))
	other := two.serve(t)
	if got := run(t, path, other, logger); got.Sent != 1 {
		t.Errorf("got %+v, want 1 sent", got)
	}
	if diff := cmp.Diff([]string{"no checkpoint for this endpoint yet, starting with the oldest event"}, logged); diff != "" {
		t.Errorf("logged (-want +got):\n%s", diff)
	}
	logged = nil
	run(t, path, other, logger)
	if len(logged) > 0 {
		t.Errorf("second run logged %q, want nothing", logged)
	}
}

func TestFirstRunOfAllIsNotRemarkedOn(t *testing.T) {
	var c collector
	path, url := logPath(t), c.serve(t)
	write(t, path, line("a")+"\n")
	run(t, path, url, bridge.WithLogger(onLog(func(m string) { t.Errorf("logged %q, want nothing", m) })))
}

func TestFromStartSendsAllAgain(t *testing.T) {
	var c collector
	path, url := logPath(t), c.serve(t)
	write(t, path, line("a")+"\n"+line("b")+"\n")
	run(t, path, url)
	if got := run(t, path, url, bridge.WithFromStart()); got.Sent != 2 {
		t.Errorf("got %+v, want 2 sent", got)
	}
}

func TestDryRunChangesNothing(t *testing.T) {
	var c collector
	path, url := logPath(t), c.serve(t)
	content, _ := lines("a", 3)
	write(t, path, content+"broken\n")
	if got, want := run(t, path, url, bridge.WithDryRun()), (bridge.Stats{Read: 3, Damaged: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 || c.requests != 0 {
		t.Errorf("got %d files and %d requests, want the log alone and none", len(entries), c.requests)
	}
	run(t, path, url)
	appendTo(t, path, line("b")+"\n")
	if got, want := run(t, path, url, bridge.WithDryRun()), (bridge.Stats{Read: 1}); got != want {
		t.Errorf("after a run: got %+v, want %+v", got, want)
	}
}

func TestArchiveThatIsRemovedBeforeItsTurnIsToldOf(t *testing.T) {
	for _, last := range []bool{false, true} { // is it the last file?
		var c collector
		path, url := logPath(t), c.serve(t)
		stamps := []string{"20260101_000000", "20260102_000000", "20260103_000000"}
		for _, stamp := range stamps {
			write(t, path, line(stamp)+"\n")
			archive(t, path, stamp)
		}
		want := []string{stamps[0], stamps[1]}
		if !last {
			write(t, path, line("active")+"\n")
			want = append(want, "active")
		}
		c.push(func(w http.ResponseWriter, r *http.Request, req *collogspb.ExportLogsServiceRequest) {
			if err := os.Remove(strings.TrimSuffix(path, ".jsonl") + "_" + stamps[2] + ".jsonl.gz"); err != nil {
				t.Error(err)
			}
			c.accept(w, r, req)
		})
		told := 0
		stats := run(t, path, url, bridge.WithLogger(onLog(func(string) { told++ })))
		if n := int64(len(want)); stats.Sent != n || stats.Gone != 1 || told != 1 {
			t.Errorf("got %+v, and it told %d things, want %d sent, 1 gone and 1 told", stats, told, n)
		}
		if diff := cmp.Diff(want, c.names()); diff != "" {
			t.Errorf("arrived (-want +got):\n%s", diff)
		}
		if got := run(t, path, url); got != (bridge.Stats{}) {
			t.Errorf("a run after it: got %+v, want nothing", got)
		}
	}
}

func TestMissingLogIsAnError(t *testing.T) {
	var c collector
	_, err := newBridge(t, logPath(t), c.serve(t)).Run(t.Context())
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got error %v, want one that wraps fs.ErrNotExist", err)
	}
}

func TestResourcesThatDifferInSchemaURLAloneStayApart(t *testing.T) {
	var c collector
	path, url := logPath(t), c.serve(t)
	schema := func(name, url string) string {
		return `{"ts":"2026-01-02T03:04:05.678Z","event":"` + name + `","session_id":"s","otel":{"resource":{"attributes":{"service.name":"app"},"schema_url":"` + url + `"}}}` + "\n"
	}
	write(t, path, schema("a", "https://s/1")+schema("b", "https://s/1")+schema("c", "https://s/2")+schema("d", "https://s/1"))
	run(t, path, url)
	type record struct{ Name, Schema string }
	var got []record
	for _, req := range c.accepted {
		for _, rl := range req.GetResourceLogs() {
			for _, r := range recordsOf(&collogspb.ExportLogsServiceRequest{ResourceLogs: []*logspb.ResourceLogs{rl}}) {
				got = append(got, record{r.GetEventName(), rl.GetSchemaUrl()})
			}
		}
	}
	want := []record{{"a", "https://s/1"}, {"b", "https://s/1"}, {"d", "https://s/1"}, {"c", "https://s/2"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("arrived (-want +got):\n%s", diff)
	}
}

func TestResourceOfTheBridgeItselfDoesNotLeak(t *testing.T) {
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=bridge")
	t.Setenv("OTEL_SERVICE_NAME", "bridge")
	var c collector
	path, url := logPath(t), c.serve(t)
	write(t, path, line("a")+"\n"+
		`{"ts":"2026-01-02T03:04:05.678Z","event":"b","session_id":"s","otel":{"resource":{"attributes":{"service.name":"app"}}}}`+"\n")
	run(t, path, url)
	var got []string
	for _, req := range c.accepted {
		for _, rl := range req.GetResourceLogs() {
			for _, kv := range rl.GetResource().GetAttributes() {
				got = append(got, kv.GetKey()+"="+kv.GetValue().GetStringValue())
			}
		}
	}
	slices.Sort(got) // otlploghttp sends resources in no order
	if diff := cmp.Diff([]string{"service.name=app", "service.name=unknown_service:otelaudit"}, got); diff != "" {
		t.Errorf("resource attributes (-want +got):\n%s", diff)
	}
}

func TestProgressEndsAtItsTotal(t *testing.T) {
	var c collector
	path, url := logPath(t), c.serve(t)
	content, _ := lines("a", 7)
	write(t, path, content)
	archive(t, path, "20260101_000000")
	write(t, path, content)
	var seen []bridge.Progress
	run(t, path, url, bridge.WithBatchSize(3), bridge.WithProgress(func(p bridge.Progress) { seen = append(seen, p) }))
	total := int64(2 * len(content))
	if first := (bridge.Progress{TotalBytes: total}); seen[0] != first {
		t.Errorf("first: got %+v, want %+v", seen[0], first)
	}
	if last, want := seen[len(seen)-1], (bridge.Progress{Records: 14, Bytes: total, TotalBytes: total}); last != want {
		t.Errorf("last: got %+v, want %+v", last, want)
	}
}

func TestCheckpointNamesContent(t *testing.T) {
	var c collector
	path, url := logPath(t), c.serve(t)
	content, _ := lines("a", 3)
	write(t, path, content)
	b := newBridge(t, path, url)
	if _, err := b.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(b.Checkpoint())
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("got mode %o, want 600", got)
	}
	var cp struct {
		Endpoint, File string
		Offset, Line   int64
		Head, Tail     struct {
			Offset, Length int64
			SHA256         string
		}
	}
	if err := json.Unmarshal([]byte(read(t, b.Checkpoint())), &cp); err != nil {
		t.Fatal(err)
	}
	if cp.Endpoint != url+"/v1/logs" || cp.File != "audit.jsonl" || cp.Offset != int64(len(content)) || cp.Line != 3 ||
		cp.Head.Length != int64(len(content)) || cp.Tail.Offset+cp.Tail.Length+1 != cp.Offset || len(cp.Tail.SHA256) != 64 {
		t.Errorf("got checkpoint %+v", cp)
	}
}

func TestUnusableCheckpointStopsTheRun(t *testing.T) {
	var c collector
	path, url := logPath(t), c.serve(t)
	write(t, path, line("a")+"\n")
	b := newBridge(t, path, url)
	if _, err := b.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	good := read(t, b.Checkpoint())
	for name, bad := range map[string]string{
		"cut":               good[:len(good)/2],
		"empty":             "",
		"other version":     strings.Replace(good, `"version":1`, `"version":2`, 1),
		"other endpoint":    strings.Replace(good, url, "http://elsewhere", 1),
		"impossible offset": strings.Replace(good, `"offset":`, `"offset":-`, 1),
		"unknown member":    strings.Replace(good, `{`, `{"more":1,`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			write(t, b.Checkpoint(), bad)
			_, err := newBridge(t, path, url).Run(t.Context())
			if err == nil || !strings.Contains(err.Error(), b.Checkpoint()) {
				t.Errorf("got error %v, want one that names the checkpoint", err)
			}
			if way := "WithFromStart"; err != nil && !strings.Contains(err.Error(), way) {
				t.Errorf("got error %v, want one that names %s", err, way)
			}
			if got := read(t, b.Checkpoint()); got != bad {
				t.Errorf("the checkpoint was changed to %s", got)
			}
		})
	}
	if got := run(t, path, url, bridge.WithFromStart()); got.Sent != 1 {
		t.Errorf("from start: got %+v, want 1 sent", got)
	}
}

func TestCancelledRunReturnsPromptlyAndKeepsWhatWasAccepted(t *testing.T) {
	var c collector
	path, url := logPath(t), c.serve(t)
	content, names := lines("a", 4)
	write(t, path, content)
	c.push(nil)
	c.push(slices.Repeat([]answer{reply(http.StatusServiceUnavailable, "text/plain", "busy")}, 100)...)
	ctx, cancel := context.WithCancel(t.Context())
	stats, err := newBridge(t, path, url, bridge.WithBatchSize(2),
		bridge.WithBackoff(time.Hour, time.Hour),
		bridge.WithLogger(onLog(func(string) { cancel() })), // the first report is that of the retry
	).Run(ctx)
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "busy") {
		t.Errorf("got error %v, want one that wraps context.Canceled and tells the last failure", err)
	}
	if stats.Sent != 2 {
		t.Errorf("got %+v, want 2 sent", stats)
	}
	c.script = nil
	run(t, path, url)
	if diff := cmp.Diff(names, c.names()); diff != "" {
		t.Errorf("arrived (-want +got):\n%s", diff)
	}
}

package auditlog_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/audittest"
)

// numbered returns event n of a writer.
func numbered(writer string, n int) auditlog.Event {
	return auditlog.Event{Name: "nav", SessionID: writer, Attributes: map[string]any{"n": n}}
}

// entries reads the whole log and fails the test on any error or damage.
func entries(t *testing.T, r *auditlog.Reader) []auditlog.Entry {
	t.Helper()
	var all []auditlog.Entry
	damage := func(d *auditlog.DamageError) { t.Errorf("damage: %v", d) }
	for e, err := range r.Query(t.Context(), auditlog.Filter{OnDamage: damage}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e.Clone())
	}
	return all
}

// files lists the folder of the log.
func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		names = append(names, f.Name())
	}
	return names
}

// TestRotationKeepsEveryEventOnceAndInOrder writes 35 MiB from 4 goroutines.
func TestRotationKeepsEveryEventOnceAndInOrder(t *testing.T) {
	t.Parallel()
	const (
		writers = 4
		limit   = 2 << 20
		total   = 7 << 20
	)
	dir := t.TempDir()
	log := audittest.Open(t, filepath.Join(dir, "audit.jsonl"), auditlog.WithMaxFileSize(limit))
	padding := strings.Repeat("x", 1000)
	perWriter := total / writers / (len(padding) + 100)
	longest := len(padding) + 400

	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			name := fmt.Sprint("writer-", w)
			for n := 0; n < perWriter; {
				batch := make([]auditlog.Event, 0, 50)
				for ; len(batch) < cap(batch) && n < perWriter; n++ {
					e := numbered(name, n)
					e.Attributes["padding"] = padding[:len(padding)-n%300]
					batch = append(batch, e)
				}
				if err := log.Append(t.Context(), batch...); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}

	next := map[string]int64{}
	for _, entry := range entries(t, log.Reader) {
		e, err := entry.Event()
		if err != nil {
			t.Fatal(err)
		}
		if got, want := e.Attributes["n"], next[e.SessionID]; got != want {
			t.Fatalf("%s: event %v where %v was expected", e.SessionID, got, want)
		}
		next[e.SessionID]++
	}
	for w := range writers {
		if got := next[fmt.Sprint("writer-", w)]; got != int64(perWriter) {
			t.Errorf("writer %d: found %d events, want %d", w, got, perWriter)
		}
	}

	archives := 0
	for _, name := range files(t, dir) {
		path := filepath.Join(dir, name)
		var size int64
		switch {
		case strings.HasSuffix(name, ".jsonl.gz"):
			archives++
			if out, err := exec.CommandContext(t.Context(), "gzip", "-t", path).CombinedOutput(); err != nil {
				t.Errorf("gzip -t %s: %v: %s", name, err, out)
			}
			plain, err := exec.CommandContext(t.Context(), "gzip", "-dc", path).Output()
			if err != nil {
				t.Fatal(err)
			}
			size = int64(len(plain))
		case name == "audit.jsonl":
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			size = info.Size()
		default:
			t.Errorf("left behind: %s", name)
		}
		if size > limit+int64(longest) {
			t.Errorf("%s holds %d bytes, more than one line over %d", name, size, limit)
		}
	}
	if archives < 3 {
		t.Errorf("got %d archives of 2 MiB from %d bytes", archives, total)
	}
}

func TestSeveralRotationsInOneSecondKeepTheirOrder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := audittest.Open(t, filepath.Join(dir, "audit.jsonl"), auditlog.WithMaxFileSize(1))
	for n := range 120 {
		if err := log.Append(t.Context(), numbered("w", n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	for n, entry := range entries(t, log.Reader) {
		e, err := entry.Event()
		if err != nil || e.Attributes["n"] != int64(n) {
			t.Fatalf("event %d is %v (%v)", n, e.Attributes["n"], err)
		}
	}
	if got := len(files(t, dir)); got != 120 {
		t.Errorf("got %d files, want 119 archives and the active file", got)
	}
}

// unsynced tells how the cadence can be observed without a power cut: the
// active file is opened through a path whose fsync we cannot see, so the test
// holds the promise's other side, that the timer runs without further events.
func TestIdleLineIsSyncedAfterTheInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, err := auditlog.Open(filepath.Join(t.TempDir(), "audit.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		defer log.Close() //nolint:errcheck // the count is the test
		if err := log.Append(t.Context(), numbered("w", 0)); err != nil {
			t.Fatal(err)
		}
		if got := auditlog.Unsynced(log); got != 1 {
			t.Fatalf("unsynced after Append = %d, want 1", got)
		}
		time.Sleep(time.Second - 1)
		synctest.Wait()
		if got := auditlog.Unsynced(log); got != 1 {
			t.Errorf("synced before the interval")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if got := auditlog.Unsynced(log); got != 0 {
			t.Errorf("unsynced a second after Append = %d, want 0", got)
		}
	})
}

func TestTenthLineWaitsForTheDisk(t *testing.T) {
	log := audittest.Open(t, filepath.Join(t.TempDir(), "audit.jsonl"), auditlog.WithSyncInterval(time.Hour))
	for n := 1; n <= 35; n++ {
		if err := log.Append(t.Context(), numbered("w", n)); err != nil {
			t.Fatal(err)
		}
		if got, want := auditlog.Unsynced(log), int64(n%10); got != want {
			t.Fatalf("unsynced after line %d = %d, want %d", n, got, want)
		}
	}
	if err := log.Append(t.Context(), make25()...); err != nil {
		t.Fatal(err)
	}
	if got := auditlog.Unsynced(log); got >= 10 {
		t.Errorf("unsynced after a batch of 25 = %d, want fewer than 10", got)
	}
	if err := log.Sync(t.Context()); err != nil || auditlog.Unsynced(log) != 0 {
		t.Errorf("Sync = %v, unsynced %d", err, auditlog.Unsynced(log))
	}
}

func make25() (events []auditlog.Event) {
	for n := range 25 {
		events = append(events, numbered("batch", n))
	}
	return events
}

func TestAppendAndSyncConcurrentSafe(t *testing.T) {
	log := audittest.Open(t, filepath.Join(t.TempDir(), "audit.jsonl"), auditlog.WithMaxFileSize(20_000))
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			for n := range 100 {
				if err := log.Append(t.Context(), numbered(strconv.Itoa(w), n)); err != nil {
					t.Error(err)
				}
				if got := auditlog.Unsynced(log); got >= 10+16 { // those whose Append has not returned may be on top
					t.Errorf("%d unsynced lines", got)
				}
				if n%10 == w%10 {
					if err := log.Sync(t.Context()); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	if got := len(entries(t, log.Reader)); got != 1600 {
		t.Errorf("found %d events, want 1600", got)
	}
}

func TestTornTailIsEndedNotGlued(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	whole := `{"ts":"2026-01-02T03:04:05.000Z","event":"nav","session_id":"s"}` + "\n"
	for name, tail := range map[string]string{
		"half a line": `{"ts":"2026-01-02T03:04:05.000Z","eve`,
		"NULs":        "\x00\x00\x00",
		"long":        `{"x":"` + strings.Repeat("y", 10_000),
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, []byte(whole+tail), 0o600); err != nil {
				t.Fatal(err)
			}
			log, err := auditlog.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer log.Close() //nolint:errcheck // what was written is read
			if err := log.Append(t.Context(), numbered("w", 1)); err != nil {
				t.Fatal(err)
			}
			var damage []*auditlog.DamageError
			var names []string
			for e, err := range log.Query(t.Context(), auditlog.Filter{OnDamage: func(d *auditlog.DamageError) { damage = append(damage, d) }}) {
				if err != nil {
					t.Fatal(err)
				}
				event, err := e.Event()
				if err != nil {
					t.Fatal(err)
				}
				names = append(names, event.Name)
				if event.Name == "auditlog_recovered" &&
					(event.Attributes["torn_offset"] != int64(len(whole)) || event.Attributes["torn_length"] != int64(len(tail))) {
					t.Errorf("recovered event says %v", event.Attributes)
				}
			}
			if got, want := strings.Join(names, " "), "nav auditlog_recovered nav"; got != want {
				t.Errorf("events = %s, want %s", got, want)
			}
			if len(damage) != 1 || damage[0].Line != 2 || damage[0].Offset != int64(len(whole)) {
				t.Errorf("damage = %v, want one at line 2", damage)
			}
			content, err := os.ReadFile(path)
			if err != nil || !strings.HasPrefix(string(content), whole+tail+"\n") {
				t.Errorf("the torn bytes are not where they were (%v)", err)
			}
		})
	}
}

func TestWholeLastLineWithoutLineFeedIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	if err := os.WriteFile(path, []byte(`{"ts":"2026-01-02T03:04:05.000Z","event":"nav","session_id":"s"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	log := audittest.Open(t, path)
	if err := log.Append(t.Context(), numbered("w", 1)); err != nil {
		t.Fatal(err)
	}
	if got := len(entries(t, log.Reader)); got != 2 {
		t.Errorf("found %d events, want 2", got)
	}
}

func TestOpenFinishesInterruptedCompression(t *testing.T) {
	line := `{"ts":"2026-01-02T03:04:05.000Z","event":"nav","session_id":"s"}` + "\n"
	write := func(t *testing.T, path string, content []byte) {
		t.Helper()
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const archive = "audit_20260102_030405.jsonl"
	for name, prepare := range map[string]func(t *testing.T, dir string){
		"only the plain archive": func(*testing.T, string) {},
		"a half-written temporary file": func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, archive+".gz.tmp"), []byte("\x1f\x8b\x08"))
		},
		"the finished archive too": func(t *testing.T, dir string) {
			if err := exec.CommandContext(t.Context(), "gzip", "-k", filepath.Join(dir, archive)).Run(); err != nil {
				t.Fatal(err)
			}
		},
		"a truncated archive too": func(t *testing.T, dir string) {
			path := filepath.Join(dir, archive)
			if err := exec.CommandContext(t.Context(), "gzip", "-k", path).Run(); err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(path + ".gz")
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(path+".gz", info.Size()-4); err != nil { // only the end of the checksum is missing
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, archive), []byte(line))
			prepare(t, dir)
			log := audittest.Open(t, filepath.Join(dir, "audit.jsonl"))
			if err := log.Close(); err != nil {
				t.Fatal(err)
			}
			if got := len(entries(t, log.Reader)); got != 1 {
				t.Errorf("found %d events, want 1", got)
			}
			if _, err := os.Stat(filepath.Join(dir, archive)); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the plain archive is still there (%v)", err)
			}
			if out, err := exec.CommandContext(t.Context(), "gzip", "-t", filepath.Join(dir, archive+".gz")).CombinedOutput(); err != nil {
				t.Errorf("gzip -t: %v: %s", err, out)
			}
		})
	}
}

func TestTwoLogsShareOnePath(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	var wg sync.WaitGroup
	const logs, events = 4, 2000
	for w := range logs {
		log := audittest.Open(t, path, auditlog.WithMaxFileSize(50_000), auditlog.WithSyncLines(100))
		wg.Go(func() {
			for n := range events {
				if err := log.Append(t.Context(), numbered(strconv.Itoa(w), n)); err != nil {
					t.Error(err)
					return
				}
			}
			if err := log.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	r, err := auditlog.NewReader(path)
	if err != nil {
		t.Fatal(err)
	}
	next := map[string]int64{}
	for _, entry := range entries(t, r) {
		e, err := entry.Event()
		if err != nil {
			t.Fatal(err)
		}
		if e.Attributes["n"] != next[e.SessionID] {
			t.Fatalf("log %s: event %v where %d was expected", e.SessionID, e.Attributes["n"], next[e.SessionID])
		}
		next[e.SessionID]++
	}
	for w := range logs {
		if got := next[strconv.Itoa(w)]; got != events {
			t.Errorf("log %d: found %d events, want %d", w, got, events)
		}
	}
}

func TestOpenRefusesWhatIsNotAFileOfOurs(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "target.jsonl")
	link := filepath.Join(dir, "link.jsonl")
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		link:      "symbolic link to " + target,
		dir:       "directory",
		dir + "/": "names a folder",
		"":        "empty",
	} {
		log, err := auditlog.Open(path)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Open(%q) = %v, want an error with %q", path, err, want)
		}
		if err != nil && strings.Count(err.Error(), "open ") > 1 {
			t.Errorf("Open(%q) = %v, which says twice what it did", path, err)
		}
		if err == nil {
			_ = log.Close()
		}
	}
	if _, err := os.Lstat(target); !errors.Is(err, os.ErrNotExist) {
		t.Error("the link was followed")
	}
}

func TestOpenMakesPrivateFoldersAndFile(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	log := audittest.Open(t, auditlog.DefaultPath)
	want := filepath.Join(os.Getenv("HOME"), ".scout", "audit.jsonl")
	if log.Path() != want {
		t.Fatalf("Path() = %s, want %s", log.Path(), want)
	}
	for path, mode := range map[string]os.FileMode{want: 0o600, filepath.Dir(want): 0o700} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("mode of %s = %v (%v), want %v", path, info.Mode().Perm(), err, mode)
		}
	}
}

func TestOpenWithoutAHomeDirectorySaysWhatToDo(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the home directory is another variable there")
	}
	t.Setenv("HOME", "")
	_, err := auditlog.Open(auditlog.DefaultPath)
	const want = "auditlog: expand ~/.scout/audit.jsonl: $HOME is not defined; set it, or name another path"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %q", err, want)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, opt := range []auditlog.Option{
		auditlog.WithSyncLines(0), auditlog.WithSyncInterval(0), auditlog.WithMaxFileSize(0), auditlog.WithMaxFileSize(-1),
	} {
		if _, err := auditlog.Open(filepath.Join(t.TempDir(), "a.jsonl"), opt); err == nil {
			t.Error("a bad option was accepted")
		}
	}
}

func TestBadEventWritesNothing(t *testing.T) {
	log := audittest.Open(t, filepath.Join(t.TempDir(), "audit.jsonl"))
	err := log.Append(t.Context(), numbered("w", 0), auditlog.Event{Name: ""})
	var bad *auditlog.EventError
	if !errors.As(err, &bad) || bad.Index != 1 {
		t.Errorf("Append = %v, want an *EventError for event 1", err)
	}
	if got := len(entries(t, log.Reader)); got != 0 {
		t.Errorf("found %d events, want none", got)
	}
}

func TestClosedLog(t *testing.T) {
	log := audittest.Open(t, filepath.Join(t.TempDir(), "audit.jsonl"))
	for range 2 {
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Append(t.Context(), numbered("w", 0)); !errors.Is(err, auditlog.ErrClosed) {
		t.Errorf("Append after Close = %v, want ErrClosed", err)
	}
	if err := log.Sync(t.Context()); !errors.Is(err, auditlog.ErrClosed) {
		t.Errorf("Sync after Close = %v, want ErrClosed", err)
	}
}

func TestCancelledContextBoundsOnlyTheWaiting(t *testing.T) {
	log := audittest.Open(t, filepath.Join(t.TempDir(), "audit.jsonl"), auditlog.WithSyncLines(1))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := log.Append(ctx, numbered("w", 0))
	var unknown *auditlog.SyncError
	if err != nil && !errors.As(err, &unknown) {
		t.Fatalf("Append = %v, want nil or a *SyncError", err)
	}
	if got := len(entries(t, log.Reader)); got != 1 {
		t.Errorf("found %d events, want the one: nobody else was writing", got)
	}
}

func TestMovedFileIsFollowedByANewOne(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.jsonl")
	log := audittest.Open(t, path)
	for n, rename := range []bool{false, true, false} {
		if rename {
			if err := os.Rename(path, filepath.Join(dir, "moved")); err != nil {
				t.Fatal(err)
			}
		}
		if err := log.Append(t.Context(), numbered("w", n)); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(entries(t, log.Reader)); got != 2 {
		t.Errorf("found %d events at the path, want the 2 since the move", got)
	}
}

func TestSessionOfTheProcessIsTheDefault(t *testing.T) {
	if id := auditlog.SessionID(); id != auditlog.SessionID() || len(id) != 36 {
		t.Errorf("SessionID() = %q, want one UUID", auditlog.SessionID())
	}
	dir := t.TempDir()
	for name, want := range map[string]string{"default": auditlog.SessionID(), "mine": "mine"} {
		var opts []auditlog.Option
		if name != "default" {
			opts = append(opts, auditlog.WithSessionID(name))
		}
		log := audittest.Open(t, filepath.Join(dir, name+".jsonl"), opts...)
		if err := log.Append(t.Context(), auditlog.Event{Name: "nav"}); err != nil {
			t.Fatal(err)
		}
		e, err := entries(t, log.Reader)[0].Event()
		if err != nil || e.SessionID != want {
			t.Errorf("session = %q (%v), want %q", e.SessionID, err, want)
		}
	}
}

// TestArchivesKeepTheirOrderWhenTheClockRunsBackwards: the newest archive is
// from the future.
func TestArchivesKeepTheirOrderWhenTheClockRunsBackwards(t *testing.T) {
	dir := t.TempDir()
	line := `{"ts":"2026-01-02T03:04:05.000Z","event":"nav","session_id":"s","n":0}` + "\n"
	if err := os.WriteFile(filepath.Join(dir, "audit_29990102_030405_99.jsonl"), []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	log := audittest.Open(t, filepath.Join(dir, "audit.jsonl"))
	for n := 1; n < 4; n++ {
		if err := log.Append(t.Context(), numbered("w", n)); err != nil {
			t.Fatal(err)
		}
		if err := log.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for n, entry := range entries(t, log.Reader) {
		if e, err := entry.Event(); err != nil || e.Attributes["n"] != int64(n) {
			t.Errorf("event %d is %v (%v)", n, e.Attributes["n"], err)
		}
	}
}

func TestATildeThatIsNotExpandedIsRefused(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, path := range []string{"~", "~bob/audit.jsonl"} {
		if _, err := auditlog.Open(path); err == nil || !strings.Contains(err.Error(), "./"+path) {
			t.Errorf("%s: got %v, want an error that says how to write that name", path, err)
		}
	}
	audittest.Open(t, "~audit.jsonl")
}

package watch

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// never is an interval after which no test is still running, so that what it
// is told of was a notification of the system.
const never = 24 * time.Hour

func watch(t *testing.T, path string, cfg Config) *Watcher {
	t.Helper()
	w := New(path, cfg)
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func wait(t *testing.T, w *Watcher) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := w.Wait(ctx); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestTheSystemTellsOfChanges(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.jsonl")
	w := watch(t, path, Config{Interval: never})
	for _, change := range []func() error{
		func() error { write(t, path, "a\n"); return nil },
		func() error { write(t, path, "b\n"); return nil },
		func() error { return os.Truncate(path, 0) },
		func() error { return os.Rename(path, filepath.Join(dir, "archive")) },
		func() error { return os.Rename(filepath.Join(dir, "archive"), path) },
		func() error { return os.Remove(path) },
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		wait(t, w)
	}
}

func TestOtherFilesAreNotTheBusinessOfAWatcher(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	w := watch(t, path, Config{Interval: never})
	for range 2 { // when it takes the second one, it is done with the first one
		w.system.Events <- fsnotify.Event{Name: path + ".checkpoint", Op: fsnotify.Write}
		w.system.Events <- fsnotify.Event{Name: path, Op: fsnotify.Chmod}
	}
	if len(w.changed) > 0 {
		t.Error("it says that the file may have changed")
	}
}

func TestPollingNeedsNoNotification(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, filepath.Join(t.TempDir(), "audit.jsonl"), Config{Poll: true})
		begin := time.Now()
		for range 4 {
			wait(t, w)
		}
		if got := time.Since(begin); got != 4*DefaultInterval {
			t.Errorf("it said 4 times in %v that the file may have changed, want %v", got, 4*DefaultInterval)
		}
	})
}

// TestManyWritesAreOneChange counts; how long it takes does not matter.
func TestManyWritesAreOneChange(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	w := watch(t, path, Config{Interval: never})
	begin, changes := time.Now(), 0
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 2000 {
			write(t, path, "a\n")
		}
	}()
	for writing := true; writing; {
		select {
		case <-w.Changed():
			changes++
		case <-done:
			writing = false
		}
	}
	if most := int(time.Since(begin)/gap) + 1; changes > most {
		t.Errorf("got %d changes in %v, want %d at most", changes, time.Since(begin), most)
	}
	wait(t, w) // the last ones are told of
}

func TestAFolderMayComeAndGo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "later")
	w := watch(t, filepath.Join(dir, "audit.jsonl"), Config{Interval: time.Millisecond})
	for range 2 {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for len(w.system.WatchList()) == 0 {
			wait(t, w)
		}
		if err := os.Remove(dir); err != nil {
			t.Fatal(err)
		}
		for len(w.system.WatchList()) > 0 {
			wait(t, w)
		}
	}
}

func TestLostNotificationsAreAChange(t *testing.T) {
	w := watch(t, filepath.Join(t.TempDir(), "audit.jsonl"), Config{Interval: never})
	w.system.Errors <- fsnotify.ErrEventOverflow
	wait(t, w)
}

func TestWhatCannotBeWatchedIsPolled(t *testing.T) {
	var log bytes.Buffer
	w := watch(t, filepath.Join(t.TempDir(), "audit.jsonl"), Config{
		Interval: time.Millisecond, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	w.system.Errors <- errors.New("broken")
	for range 3 {
		wait(t, w)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "it is polled") || !strings.Contains(log.String(), "error=broken") {
		t.Errorf("it logged %q", log.String())
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	w := watch(t, filepath.Join(t.TempDir(), "audit.jsonl"), Config{Interval: never})
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	cancel(why)
	if err := w.Wait(ctx); !errors.Is(err, why) {
		t.Errorf("got %v, want the cause of the context", err)
	}
}

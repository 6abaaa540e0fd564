package auditlog_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/audittest"
	"github.com/otelaudit/otelaudit/internal/scan"
)

// TestReadersSeeEveryEventOnceWhileFilesRotate reads as fast as it can while
// two writers append and rotate.
func TestReadersSeeEveryEventOnceWhileFilesRotate(t *testing.T) {
	const events = 3000
	log := audittest.Open(t, filepath.Join(t.TempDir(), activeName), auditlog.WithMaxFileSize(4000), auditlog.WithSyncLines(50))
	var appended atomic.Int64
	done := make(chan error, 1)
	go func() {
		for n := range events {
			if err := log.Append(t.Context(), numbered("w", n)); err != nil {
				done <- err
				return
			}
			appended.Store(int64(n + 1))
		}
		done <- nil
	}()
	reads, finished := 0, false
	for !finished {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			finished = true
		default:
		}
		atLeast := appended.Load()
		found := entries(t, log.Reader)
		for n, entry := range found {
			e, err := entry.Event()
			if err != nil {
				t.Fatal(err)
			}
			if e.Attributes["n"] != int64(n) {
				t.Fatalf("read %d: got event %v at place %d", reads, e.Attributes["n"], n)
			}
		}
		if int64(len(found)) < atLeast {
			t.Fatalf("read %d: got %d events, want the %d that were there before it", reads, len(found), atLeast)
		}
		reads++
	}
	if appended.Load() != events || reads < 3 {
		t.Errorf("%d reads of %d events", reads, appended.Load())
	}
}

func TestSnapshotStaysWhatItWas(t *testing.T) {
	log := audittest.Open(t, filepath.Join(t.TempDir(), activeName), auditlog.WithMaxFileSize(500))
	for n := range 10 {
		if err := log.Append(t.Context(), numbered("w", n)); err != nil {
			t.Fatal(err)
		}
	}
	s, err := auditlog.HistoryOf(log.Reader).Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // read only
	for n := range 20 {
		if err := log.Append(t.Context(), numbered("later", n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Close(); err != nil { // waits for the compression
		t.Fatal(err)
	}
	n := 0
	for _, f := range s.Files() {
		content, err := f.Content(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(content)
		if err := errors.Join(err, content.Close()); err != nil {
			t.Fatal(err)
		}
		for e, err := range f.Lines(t.Context(), scan.Cursor{}, nil) {
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(e.Raw), fmt.Sprintf(`"n":%d}`, n)) || !strings.Contains(string(e.Raw), `"w"`) {
				t.Errorf("got %s, want event %d of w", e.Raw, n)
			}
			if got := string(text[e.Offset : e.Offset+int64(len(e.Raw))]); got != string(e.Raw) {
				t.Errorf("Content has %q where Lines has %q", got, e.Raw)
			}
			n++
		}
	}
	if n != 10 {
		t.Errorf("got %d events, want 10", n)
	}
}

func TestLastLineOfASnapshotIsReadToItsEnd(t *testing.T) {
	r := putLog(t, map[string]string{activeName: "{\"n\":1}\n{\"n\""})
	path := onlyFile(t, r)
	s, err := auditlog.HistoryOf(r).Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // read only
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(":2}\n{\"n\":3}\n"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	var got []auditlog.Entry
	for e, err := range s.Files()[0].Lines(t.Context(), scan.Cursor{}, func(d *scan.DamageError) { t.Error(d) }) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, auditlog.Entry(e.Clone()))
	}
	if len(got) != 2 || string(got[1].Raw) != `{"n":2}` || !got[1].Terminated {
		t.Errorf("got %v, want the line that was being written, whole, and none behind it", at(got))
	}
}

func TestArchiveIsReadInTheFormItHasTaken(t *testing.T) {
	const content = "{\"n\":1}\n"
	plainName := strings.TrimSuffix(archiveName, ".gz")
	for _, test := range []struct{ before, after string }{{plainName, archiveName}, {archiveName, plainName}} {
		r := putLog(t, map[string]string{test.before: content})
		path := onlyFile(t, r)
		s, err := auditlog.HistoryOf(r).Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close() //nolint:errcheck // read only
		after := []byte(content)
		if test.after == archiveName {
			after = compress(t, content)
		}
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), test.after), after, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		for e, err := range s.Files()[0].Lines(t.Context(), scan.Cursor{}, nil) {
			if err != nil || filepath.Base(e.File) != test.after || string(e.Raw) != `{"n":1}` {
				t.Errorf("%s: got %v, %v, want the event of %s", test.before, e, err, test.after)
			}
		}
		if err := os.Remove(filepath.Join(filepath.Dir(path), test.after)); err != nil {
			t.Fatal(err)
		}
		for _, err := range s.Files()[0].Lines(t.Context(), scan.Cursor{}, nil) {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("removed: got %v, want fs.ErrNotExist", err)
			}
		}
	}
}

// TestReadersKeepUpWithFastRotation reads while eight writers, each with a Log
// of its own as processes have, rotate as fast as they can.
func TestReadersKeepUpWithFastRotation(t *testing.T) {
	t.Parallel()
	const writers, events = 8, 150
	path := filepath.Join(t.TempDir(), activeName)
	var appended [writers]atomic.Int64
	var writing sync.WaitGroup
	for w := range writers {
		log := audittest.Open(t, path, auditlog.WithMaxFileSize(1000), auditlog.WithSyncLines(events+1))
		writing.Go(func() {
			for n := range events {
				if err := log.Append(t.Context(), numbered(fmt.Sprint("w", w), n)); err != nil {
					t.Error(err)
					return
				}
				appended[w].Store(int64(n + 1))
			}
		})
	}
	defer writing.Wait() // before the logs are closed
	done := make(chan struct{})
	go func() { writing.Wait(); close(done) }()
	r, err := auditlog.NewReader(path)
	if err != nil {
		t.Fatal(err)
	}
	for reads, finished := 0, false; !finished; reads++ {
		select {
		case <-done:
			finished = true
		default:
		}
		var atLeast, found [writers]int64
		for w := range writers {
			atLeast[w] = appended[w].Load()
		}
		for entry, err := range r.Query(t.Context(), auditlog.Filter{}) {
			if err != nil {
				t.Fatalf("read %d: %v", reads, err)
			}
			e, err := entry.Event()
			if err != nil {
				t.Fatal(err)
			}
			var w int
			if _, err := fmt.Sscanf(e.SessionID, "w%d", &w); err != nil {
				t.Fatalf("%q: %v", e.SessionID, err)
			}
			if e.Attributes["n"] != found[w] {
				t.Fatalf("read %d: got event %v of writer %d, want %d", reads, e.Attributes["n"], w, found[w])
			}
			found[w]++
		}
		for w := range writers {
			if found[w] < atLeast[w] {
				t.Fatalf("read %d: got %d events of writer %d, want the %d that were there before it", reads, found[w], w, atLeast[w])
			}
		}
	}
}

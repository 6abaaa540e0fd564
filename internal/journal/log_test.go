package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otelaudit/otelaudit/internal/archive"
	"github.com/otelaudit/otelaudit/internal/vfs"
	"github.com/otelaudit/otelaudit/internal/vfs/memfs"
)

// testConfig is that of a log in a folder of t, whose files are in fsys.
func testConfig(t *testing.T, fsys vfs.FS) Config {
	return Config{
		Path: filepath.Join(t.TempDir(), "audit.jsonl"), SyncLines: 10, SyncInterval: time.Hour,
		MaxFileSize: 1 << 20, MaxLine: 1 << 20, Logger: slog.New(slog.DiscardHandler), FS: fsys,
		Summarize: func(_ string, _ io.ReaderAt, size int64) (archive.Summary, error) {
			return archive.Summary{Bytes: size}, nil
		},
		Compare: func(func() io.Reader, int64, func() io.Reader) (Comparison, error) {
			return Comparison{}, nil
		},
		RecoveredEvent: func(dst []byte, reason string, attributes map[string]any) ([]byte, error) {
			line, err := json.Marshal(map[string]any{"recovered": reason, "attributes": attributes})
			return append(append(dst, line...), '\n'), err
		},
	}
}

func open(t *testing.T, cfg Config) *Log {
	t.Helper()
	l, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func appendLine(t *testing.T, l *Log, n int) {
	t.Helper()
	if err := l.Append(t.Context(), lineOf(fmt.Sprintf(`{"n":%d}`, n))); err != nil {
		t.Fatal(err)
	}
}

// linesOf returns the lines of the file at name.
func linesOf(t *testing.T, fsys vfs.FS, name string) []string {
	t.Helper()
	f, err := fsys.Open(name, vfs.Read)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // read only
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(io.NewSectionReader(f, 0, info.Size))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasSuffix(content, []byte("\n")) {
		t.Errorf("%s ends in a torn line: %q", name, content)
	}
	return slices.Collect(strings.Lines(string(content)))
}

// truncate empties the file at name, as another process would.
func truncate(t *testing.T, fsys vfs.FS, name string) {
	t.Helper()
	f, err := fsys.Open(name, vfs.Append)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Truncate(0), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestLinesOfAFileThatWasArchivedAreIndeterminateAfterAFailedFsync: another process has
// rotated the file, so that no repair can replace it.
func TestLinesOfAFileThatWasArchivedAreIndeterminateAfterAFailedFsync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := memfs.New()
		d := &disk{FS: shared}
		cfg := testConfig(t, d)
		log := open(t, cfg)
		cfg.FS = shared
		other := open(t, cfg)

		appendLine(t, log, 0)
		if err := log.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		appendLine(t, log, 1)
		if err := other.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		failed := 0
		d.sync = func(f vfs.File) error {
			if failed++; failed == 1 {
				return syscall.EIO
			}
			return f.Sync()
		}
		for range 2 {
			_, isSyncError := errors.AsType[*SyncError](log.Sync(t.Context()))
			if !isSyncError {
				t.Error("Sync returned no *SyncError for a line that is perhaps not on disk")
			}
		}
		appendLine(t, log, 2)
		if err := log.Sync(t.Context()); err != nil {
			t.Errorf("Sync of a line in the next file = %v", err)
		}
		if s := log.Stats(); s.Appended != 3 || s.Synced != 2 || failed != 2 {
			t.Errorf("%d lines appended, %d known to be synced, %d fsyncs; want 3, 2, 2", s.Appended, s.Synced, failed)
		}
		if err := errors.Join(log.Close(), other.Close()); err != nil {
			t.Error(err)
		}
		if got, want := linesOf(t, shared, cfg.Path), []string{"{\"n\":2}\n"}; !slices.Equal(got, want) {
			t.Errorf("the active file holds %q, want %q: the archive holds the others", got, want)
		}
	})
}

// TestLinesOfAMovedFileAreIndeterminateAfterAFailedFsyncIfNoCopyIsKept: they are not
// acknowledged, and not written to the next file.
func TestLinesOfAMovedFileAreIndeterminateAfterAFailedFsyncIfNoCopyIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := memfs.New()
		d := &disk{FS: shared}
		cfg := testConfig(t, d)
		cfg.WithoutCadence = true
		log := open(t, cfg)
		appendLine(t, log, 0)
		if err := shared.Rename(cfg.Path, cfg.Path+".moved", false); err != nil {
			t.Fatal(err)
		}
		d.sync = func(vfs.File) error { return syscall.EIO }
		if _, isSyncError := errors.AsType[*SyncError](log.Sync(t.Context())); !isSyncError {
			t.Error("Sync returned no *SyncError for a line whose fsync failed")
		}
		d.sync = nil
		appendLine(t, log, 1)
		if err := errors.Join(log.Sync(t.Context()), log.Close()); err != nil {
			t.Error(err)
		}
		if s := log.Stats(); s.Appended != 2 || s.Synced != 1 {
			t.Errorf("%d lines appended, %d known to be synced; want 2, 1", s.Appended, s.Synced)
		}
		if got, want := linesOf(t, shared, cfg.Path), []string{"{\"n\":1}\n"}; !slices.Equal(got, want) {
			t.Errorf("the active file holds %q, want %q", got, want)
		}
	})
}

// TestCloseWritesThePendingRecoveryEvent, for which no line came.
func TestCloseWritesThePendingRecoveryEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := memfs.New()
		cfg := testConfig(t, fsys)
		log := open(t, cfg)
		appendLine(t, log, 0)
		truncate(t, fsys, cfg.Path)
		if err := log.Rotate(t.Context()); err != nil { // it finds an empty file, which stays
			t.Fatal(err)
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
		if got := linesOf(t, fsys, cfg.Path); len(got) != 1 || !strings.Contains(got[0], reasonTruncated) {
			t.Errorf("the file holds %q, want the recovery event of the truncation", got)
		}
	})
}

// TestCloseWritesThePendingCarryover: an fsync failed, someone moved the file, and
// another process held the lock of the next one until shortly before.
func TestCloseWritesThePendingCarryover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := memfs.New()
		d := &disk{FS: shared}
		cfg := testConfig(t, d)
		log := open(t, cfg)
		appendLine(t, log, 0)
		if err := shared.Rename(cfg.Path, cfg.Path+".moved", false); err != nil {
			t.Fatal(err)
		}
		next, err := shared.Open(cfg.Path, vfs.Create)
		if err != nil {
			t.Fatal(err)
		}
		if free, err := next.Lock(false); err != nil || !free {
			t.Fatal(free, err)
		}
		d.sync = func(vfs.File) error { return syscall.EIO }
		if err := log.Sync(t.Context()); !errors.Is(err, ErrLocked) {
			t.Errorf("Sync = %v, want %v", err, ErrLocked)
		}
		d.sync = nil
		if err := next.Close(); err != nil {
			t.Fatal(err)
		}
		if err := log.Close(); err != nil {
			t.Errorf("Close = %v, though nothing was in its way", err)
		}
		if got, want := linesOf(t, shared, cfg.Path), []string{"{\"n\":0}\n"}; !slices.Equal(got, want) {
			t.Errorf("the file holds %q, want %q", got, want)
		}
		if s := log.Stats(); s.Synced != 1 {
			t.Errorf("%d lines are known to be synced, want 1", s.Synced)
		}
	})
}

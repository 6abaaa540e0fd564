package auditlog_test

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otelaudit/otelaudit/auditlog"
)

// pair returns a story and two Logs that share its path, each with a file
// system of its own view.
func pair(t *testing.T, opts ...auditlog.Option) (s *story, logs [2]*auditlog.Log, views [2]*view) {
	t.Helper()
	s = newStory(t, opts...)
	for i := range logs {
		views[i] = newView(s.fs)
		log, err := auditlog.Open(s.path(), append(slices.Clone(s.opts), auditlog.WithFS(views[i]))...)
		if err != nil {
			t.Fatal(err)
		}
		logs[i] = log
	}
	return s, logs, views
}

func (s *story) closeAll(logs ...*auditlog.Log) {
	s.t.Helper()
	for _, l := range logs {
		if err := l.Close(); err != nil {
			s.t.Errorf("close: %v", err)
		}
	}
}

// TestRotationGoesOnInItsOwnNextFileOnly lets a second process make, fill and
// rotate an active file between the two renames of a rotation. It takes the
// next file that waits there for a dead process's, and puts its own in that
// place, which is what the second rename moves.
func TestRotationGoesOnInItsOwnNextFileOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, logs, views := pair(t, auditlog.WithMaxFileSize(1<<20), auditlog.WithSyncLines(1))
		if err := logs[0].Append(t.Context(), numbered("w", 0)); err != nil {
			t.Fatal(err)
		}
		ready, proceed, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		views[1].beforeRename = func(from string) {
			if strings.HasSuffix(from, ".next") {
				close(ready)
				<-proceed
			}
		}
		views[0].beforeRename = func(from string) {
			if !strings.HasSuffix(from, ".next") {
				return
			}
			views[0].beforeRename = nil
			if err := logs[1].Append(t.Context(), numbered("w", 1)); err != nil {
				t.Error(err)
			}
			go func() { done <- logs[1].Rotate(t.Context()) }()
			<-ready
		}
		// The rotation is part of an append, which goes on writing after it.
		appended := []int{0, 1}
		writing := make(chan struct{})
		go func() {
			defer close(writing)
			for n := 2; n < 4; n++ {
				e := numbered("w", n)
				e.Attributes["padding"] = strings.Repeat("x", 600_000)
				if err := logs[0].Append(t.Context(), e); err != nil {
					t.Error(err)
				}
				appended = append(appended, n)
			}
		}()
		synctest.Wait()
		// What was acknowledged is in the log, not in a file without a name.
		if found, _ := s.read(); len(missing(appended, found)) > 0 {
			t.Errorf("found %v, want %v; names %v", found, appended, s.fs.Names())
		}
		close(proceed)
		if err := <-done; err != nil {
			t.Errorf("the other rotation: %v", err)
		}
		<-writing
		s.closeAll(logs[0], logs[1])
		if found, damage := s.read(); len(found) != 4 || damage > 0 {
			t.Errorf("found %v and %d damaged lines, want 0 to 3, once", found, damage)
		}
	})
}

// TestARepairLeavesTheTemporaryFileOfAnotherAlone lets a process, whose fsync
// fails, repair the active file while another one brings back the removed file
// that it has open still. They hold locks on different files, and build theirs
// at one name.
func TestARepairLeavesTheTemporaryFileOfAnotherAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, logs, views := pair(t, auditlog.WithMaxFileSize(1<<20), auditlog.WithSyncLines(100), auditlog.WithSyncInterval(time.Hour))
		if err := logs[0].Append(t.Context(), numbered("w", 0)); err != nil {
			t.Fatal(err)
		}
		s.closeAll(logs[1])
		if err := s.fs.Remove(s.path()); err != nil {
			t.Fatal(err)
		}
		other, err := auditlog.Open(s.path(), append(slices.Clone(s.opts), auditlog.WithFS(views[1]))...)
		if err != nil {
			t.Fatal(err)
		}
		if err := other.Append(t.Context(), numbered("w", 1)); err != nil {
			t.Fatal(err)
		}
		proceed, repaired := make(chan struct{}), make(chan error, 1)
		views[1].beforeRename = func(string) { <-proceed }
		views[0].beforeRename = func(from string) {
			views[0].beforeRename = nil
			if filepath.Base(from) != "audit.jsonl.repair" {
				t.Errorf("renames %s, want the temporary file of the removed one", from)
			}
			go func() {
				views[1].failSync.Store(true)
				repaired <- other.Sync(t.Context())
			}()
			synctest.Wait()
		}
		err = logs[0].Append(t.Context(), numbered("w", 2))
		close(proceed)
		if err != nil {
			t.Errorf("Append to a log whose file was removed: %v", err)
		}
		if err := <-repaired; !errors.Is(err, auditlog.ErrLocked) {
			t.Errorf("Sync = %v while another process is at the temporary file, want ErrLocked", err)
		}
		time.Sleep(2 * time.Second) // both try again what did not work at once
		s.closeAll(logs[0], other)
		found, damage := s.read()
		slices.Sort(found)
		if !slices.Equal(found, []int{0, 1, 2}) || damage > 0 {
			t.Errorf("found %v and %d damaged lines, want 0 to 2, once; names %v", found, damage, s.fs.Names())
		}
	})
}

package auditlog_test

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/otelaudit/otelaudit/auditlog"
)

// TestArchiveThatIsCompressedWhileTheFolderIsListed keeps its name: the next one
// must not take it, or the reader would find one of both only.
func TestArchiveThatIsCompressedWhileTheFolderIsListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStory(t)
		disk := newRacingDisk(s.fs)
		log, err := auditlog.Open(s.path(), append(slices.Clone(s.opts), auditlog.WithFS(disk))...)
		if err != nil {
			t.Fatal(err)
		}
		for n := range 3 { // all in one second
			if err := log.Append(t.Context(), numbered("s", n)); err != nil {
				t.Fatal(err)
			}
			disk.racing = n == 1
			if err := log.Rotate(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if disk.racing {
			t.Error("nothing was listed")
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
		if found, damage := s.found(); !slices.Equal(found, []int{0, 1, 2}) || damage > 0 {
			t.Errorf("found %v, %d damaged; want 0, 1, 2; names %v", found, damage, s.fs.Names())
		}
	})
}

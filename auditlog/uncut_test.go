package auditlog_test

import (
	"slices"
	"testing"

	"github.com/otelaudit/otelaudit/auditlog"
)

// TestALineThatLacksItsLineFeedAndStaysIsWritten: told that it is not in the file,
// a caller would append it again, and the next write makes an event of the first.
func TestALineThatLacksItsLineFeedAndStaysIsWritten(t *testing.T) {
	t.Parallel()
	for _, events := range []int{1, 3} {
		s := newStory(t)
		disk := newUncutDisk(s.fs)
		log, err := auditlog.Open(s.path(), append(slices.Clone(s.opts), auditlog.WithFS(disk))...)
		if err != nil {
			t.Fatal(err)
		}
		s.log = log
		for i := range 3 {
			disk.full = i == 1
			if err := s.append(events); err != nil {
				t.Errorf("append %d of %d events: %v", i, events, err)
			}
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
		var want []int
		for n := range 3 * events {
			want = append(want, n)
		}
		if found, damage := s.found(); !slices.Equal(found, want) || damage > 0 {
			t.Errorf("found %v and %d damaged lines, want %v and none", found, damage, want)
		}
	}
}

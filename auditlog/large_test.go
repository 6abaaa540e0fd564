package auditlog_test

import (
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/vfs/memfs"
)

// TestALargeAppendThatFailsSaysWhatIsInTheFile has each part of a write of a
// megabyte fail, with a part of it done or nothing.
func TestALargeAppendThatFailsSaysWhatIsInTheFile(t *testing.T) {
	for name, opts := range map[string][]auditlog.Option{"synced": nil, "never synced": {auditlog.WithoutCadenceSync()}} {
		for _, fault := range []memfs.Fault{memfs.Refused, memfs.Short} {
			failed := 0
			for part := 0; failed == part; part++ {
				synctest.Test(t, func(t *testing.T) {
					s := newStory(t, append(slices.Clone(opts), auditlog.WithMaxFileSize(1<<30))...)
					s.fs.Err = syscall.ENOSPC
					if err := s.open(); err != nil {
						t.Fatal(err)
					}
					writes := 0
					s.fs.Fault = func(_ int, op, _ string) memfs.Fault {
						if op != "write" {
							return memfs.None
						}
						if writes++; writes == part+1 {
							failed++
							return fault
						}
						return memfs.None
					}
					events := make([]auditlog.Event, 1000)
					for i := range events {
						events[i] = numbered("s", i)
						events[i].Reason = strings.Repeat("x", 1000)
					}
					err := s.log.Append(t.Context(), events...)
					s.fs.Fault = nil
					written := len(events)
					if batch, ok := errors.AsType[*auditlog.BatchError](err); ok {
						written = batch.Written
					} else if err != nil {
						written = 0
					}
					if (err != nil) != (failed > part) {
						t.Errorf("%s, part %d: got %v", name, part, err)
					}
					for i := range written {
						s.inFile = append(s.inFile, i)
					}
					s.next = len(events)
					s.finish()
					if found, damage := s.found(); !slices.Equal(found, s.inFile) || damage > 0 {
						t.Errorf("%s, part %d: found %d events and %d damaged lines, want %d events", name, part, len(found), damage, len(s.inFile))
					}
				})
			}
			if failed < 4 {
				t.Errorf("%s: a megabyte was written in %d parts", name, failed)
			}
		}
	}
}

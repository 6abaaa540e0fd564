package auditlog_test

import (
	"errors"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/vfs/memfs"
)

// TestAnOpenThatFailsIsNoFailedSync fails each open of a story once for want of a
// descriptor. Nothing is suspect then, nothing is repaired, and the next append
// works.
func TestAnOpenThatFailsIsNoFailedSync(t *testing.T) {
	t.Parallel()
	opens := func(op string) bool { return op == "open" || op == "create" || op == "list" }
	eachMode(t, func(t *testing.T, opts ...auditlog.Option) {
		for failing, more := 0, true; more; failing++ {
			if leftOut(failing) {
				continue
			}
			synctest.Test(t, func(t *testing.T) {
				s := newStory(t, opts...)
				s.fs.Err = syscall.EMFILE
				n, failed := 0, ""
				s.fs.Fault = func(_ int, op, name string) memfs.Fault {
					if !opens(op) {
						return memfs.None
					}
					if n++; n-1 != failing {
						return memfs.None
					}
					failed = op + " " + name
					return memfs.Refused
				}
				if err := s.open(); err != nil {
					if more = failed != ""; !errors.Is(err, syscall.EMFILE) {
						t.Fatal(err)
					}
					return
				}
				refused := 0
				for i := range 12 {
					for _, count := range []int{1, 1 + i} {
						if err := s.append(count); err != nil {
							refused++
							if errors.Is(err, auditlog.ErrSuspended) {
								t.Errorf("%s: %v", failed, err)
							}
						}
					}
					if i%3 == 1 {
						if err := s.sync(); err != nil {
							t.Errorf("%s: sync: %v", failed, err)
						}
						auditlog.WaitForCompression(s.log)
					}
				}
				if refused > 1 {
					t.Errorf("%s: %d appends failed, want one at most", failed, refused)
				}
				if got := s.log.Stats().Recovered; got != 0 {
					t.Errorf("%s: %d recoveries", failed, got)
				}
				s.finish()
				for _, name := range s.fs.Names() {
					if strings.HasSuffix(name, ".suspect") {
						t.Errorf("%s: there is %s", failed, name)
					}
				}
				found, damage := s.found()
				if lost := missing(s.inFile, found); len(lost) > 0 || damage > 0 {
					t.Errorf("%s: lost %v, %d damaged", failed, lost, damage)
				}
				more = failed != ""
			})
		}
	})
}

package torture

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestAMovedFolderKeepsItsLines puts an empty folder in the place of the log's under
// its writers. What they write before they notice is in the moved one.
func TestAMovedFolderKeepsItsLines(t *testing.T) {
	t.Parallel() // most of it is waiting for somebody to notice
	meddle(t, runs(50), func(t *testing.T, m *meddling, times int) result {
		var c contents
		var moved []string
		for n := range times {
			other := fmt.Sprintf("%s-moved-%03d", m.dir, n)
			if err := os.Mkdir(other, 0o700); err != nil {
				t.Fatal(err)
			}
			// At no moment is there none.
			if err := unix.Renameat2(unix.AT_FDCWD, other, unix.AT_FDCWD, m.dir, unix.RENAME_EXCHANGE); err != nil {
				t.Fatal(err)
			}
			moved = append(moved, other)
			m.until(t, "a new active file", m.thereIsALog)
			m.more(t, 50)
		}
		m.finish(t)
		for _, dir := range append(moved, m.dir) {
			part := read(t, dir, ownLayout)
			c.lines, c.broken = append(c.lines, part.lines...), append(c.broken, part.broken...)
		}
		r, problems := m.ledger.compare(c, terms{promised: inFile})
		report(t, problems)
		return r
	})
}

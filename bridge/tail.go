package bridge

import (
	"os"
	"time"

	"github.com/otelaudit/otelaudit/internal/scan"
)

// tail is how the active file looked before it was read: what is behind from
// may be the beginning of a line, or NULs, and would be read again each time
// the watcher looks, four times a second.
type tail struct {
	from, size int64
	modified   time.Time
	read       time.Time // the zero value if it could not be looked at
}

const (
	// longTail is the size in bytes from which it counts that a tail is read
	// again and again.
	longTail = 1 << 20
	// maxTailAge is the time after which it is read again in any case: a change
	// through a memory mapping need not show in the times of a file.
	maxTailAge = 5 * time.Second
	// minTailRest is how long a file must not have changed: its times are not
	// exact.
	minTailRest = time.Second
)

// tailOf looks at a file that is about to be read from that offset on.
func tailOf(file *scan.File, from int64) tail {
	info, err := os.Stat(file.Path)
	if err != nil {
		return tail{} // to read it tells what is wrong
	}
	return tail{from: from, size: info.Size(), modified: info.ModTime(), read: time.Now()}
}

// isKnownAs reports whether t was read when it looked like before. A file that
// has taken the place of another shows by itself: the snapshot tells.
func (t tail) isKnownAs(before tail) bool {
	return !t.read.IsZero() && !before.read.IsZero() &&
		t.from == before.from && t.size == before.size && t.modified.Equal(before.modified) &&
		t.size-t.from >= longTail &&
		before.read.Sub(t.modified) >= minTailRest && t.read.Sub(before.read) < maxTailAge
}

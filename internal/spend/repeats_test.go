package spend

import (
	"testing"

	"github.com/otelaudit/otelaudit/internal/trials"
)

// TestRecentIDsAreTheLastOnes compares with a set that is kept in the plainest way,
// also for identities that want the same slot.
func TestRecentIDsAreTheLastOnes(t *testing.T) {
	for _, spread := range []uint64{1, 64, recentSlots} {
		var r recentIDs
		var last []uint64
		known := map[uint64]bool{}
		x := uint64(1)
		for range trials.Of(40_000) {
			x = x*6364136223846793005 + 1442695040888963407
			id := (x>>33)%6000*spread + 1
			if got, want := r.add(id), known[id]; got != want {
				t.Fatalf("spread %d, id %d: got %v, want %v", spread, id, got, want)
			}
			if known[id] {
				continue
			}
			known[id] = true
			if last = append(last, id); len(last) > dedupWindow {
				delete(known, last[0])
				last = last[1:]
			}
		}
	}
}

package auditlog

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/otelaudit/otelaudit/internal/trials"
)

// TestVerifyCountsRepeatedEventsInBoundedMemory gives it room for a part of them
// only, so that it reads the log more than once.
func TestVerifyCountsRepeatedEventsInBoundedMemory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	var log strings.Builder
	const lines = 4_000
	for range 2 {
		for n := range lines {
			fmt.Fprintf(&log, `{"event":"e","log.record.uid":"u-%d"}`+"\n", n)
		}
	}
	log.WriteString(strings.Repeat(`{"event":"e","log.record.uid":"same"}`+"\n", lines))
	if err := os.WriteFile(path, []byte(log.String()+"broken\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := newReader(path, newReaderConfig(nil))
	for _, limit := range []int{1000, lines - 1, lines, lines + 1, maxIdentities} {
		v, err := r.verify(t.Context(), nil, limit)
		if err != nil || v.Repeated != 2*lines-1 || v.Events != 3*lines || len(v.Damaged) != 1 {
			t.Errorf("limit %d: got %+v, %v, want %d repeated", limit, v, err, 2*lines-1)
		}
	}
}

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

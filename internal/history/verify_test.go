package history

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/otelaudit/otelaudit/internal/scan"
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
	r := logAt(path)
	for _, limit := range []int{1000, lines - 1, lines, lines + 1, maxIdentities} {
		damaged := 0
		v, err := r.verify(t.Context(), func(*scan.DamageError) { damaged++ }, limit)
		if err != nil || v.Repeated != 2*lines-1 || v.Events != 3*lines || damaged != 1 {
			t.Errorf("limit %d: got %+v, %v, want %d repeated", limit, v, err, 2*lines-1)
		}
	}
}

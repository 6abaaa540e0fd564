//go:build unix

package torture

import (
	"fmt"
	"path/filepath"
	"testing"
)

// TestEightProcessesShareALog lets 8 processes append 20,000 events each to
// one log that rotates every 256 KiB, whoever comes to it.
func TestEightProcessesShareALog(t *testing.T) {
	const processes = 8
	dir, l := t.TempDir(), newLedger()
	events := runs(20_000)
	var writers []*process
	for n := range processes {
		writers = append(writers, start(t, l, job{
			Path: filepath.Join(dir, activeName), Name: fmt.Sprint("w", n), Goroutines: 1, Events: events,
			Batch: 1, Padding: 300, MaxFileSize: 256 << 10,
		}))
	}
	for _, w := range writers {
		w.finishAll(t)
	}
	r := l.check(t, dir, terms{promised: inFile})
	if want := processes * events; r.found != want || r.promised != want {
		t.Errorf("%d events found, %d acknowledged, want %d", r.found, r.promised, want)
	}
	settle(t, dir)
	counts.add(t, processes, r)
}

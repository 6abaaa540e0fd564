package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// score is what a contestant reached.
type score struct {
	perLine []float64 // ns, one for each turn
	allocs  int64     // per round, the least of all turns: others are the runtime's
}

// median returns the nanoseconds per line.
func (s score) median() float64 { return median(s.perLine) }

// race lets the contestants run by turns.
func race(dir string, contestants ...contestant) ([]score, error) {
	scores := make([]score, len(contestants))
	for turn := range *turnCount {
		for i, c := range contestants {
			at, err := os.MkdirTemp(dir, "turn-")
			if err != nil {
				return nil, err
			}
			var failure error
			r := testing.Benchmark(func(b *testing.B) {
				b.ReportAllocs()
				// It is called several times: a new file each time.
				path, err := os.MkdirTemp(at, "") //nolint:usetesting // b.TempDir does not know -dir
				if err == nil {
					err = c.bench(b, filepath.Join(path, "audit.jsonl"))
				}
				if err != nil {
					failure = fmt.Errorf("%s: %w", c.name, err)
					b.FailNow()
				}
			})
			if failure != nil {
				return nil, failure
			}
			if err := os.RemoveAll(at); err != nil {
				return nil, err
			}
			s := &scores[i]
			s.perLine = append(s.perLine, float64(r.T.Nanoseconds())/float64(r.N)/float64(c.lines))
			if turn == 0 || r.AllocsPerOp() < s.allocs {
				s.allocs = r.AllocsPerOp()
			}
		}
	}
	return scores, nil
}

// ratio returns the median of ours ÷ theirs within the turns.
func ratio(ours, theirs score) float64 {
	var all []float64
	for i := range ours.perLine {
		all = append(all, ours.perLine[i]/theirs.perLine[i])
	}
	return median(all)
}

func median(all []float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// perLine formats nanoseconds per line.
func perLine(ns float64) string {
	if ns < 10_000 {
		return fmt.Sprintf("%.2f µs/line", ns/1e3)
	}
	return fmt.Sprintf("%.1f µs/line", ns/1e3)
}

package contest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Contestant writes lines in one way.
type Contestant struct {
	Name string
	// Bench writes lines to a file at path, so many with each round of b.Loop
	// or each b.N.
	Bench func(b *testing.B, path string) error
	Lines int
}

// Score is what a contestant reached.
type Score struct {
	PerLineNS []float64 // one for each turn
	Allocs    int64     // per round, the least of all turns: others are the runtime's
}

// Median returns the nanoseconds per line.
func (s Score) Median() float64 { return Median(s.PerLineNS) }

// Race lets the contestants run by turns.
func Race(dir string, contestants ...Contestant) ([]Score, error) {
	scores := make([]Score, len(contestants))
	for turn := range *Turns {
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
					err = c.Bench(b, filepath.Join(path, "audit.jsonl"))
				}
				if err != nil {
					failure = fmt.Errorf("%s: %w", c.Name, err)
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
			s.PerLineNS = append(s.PerLineNS, float64(r.T.Nanoseconds())/float64(r.N)/float64(c.Lines))
			if turn == 0 || r.AllocsPerOp() < s.Allocs {
				s.Allocs = r.AllocsPerOp()
			}
		}
	}
	return scores, nil
}

// Ratio returns the median of ours ÷ theirs within the turns.
func Ratio(ours, theirs Score) float64 {
	var all []float64
	for i := range ours.PerLineNS {
		all = append(all, ours.PerLineNS[i]/theirs.PerLineNS[i])
	}
	return Median(all)
}

// Median returns the middle of all, or the mean of the two in the middle.
func Median(all []float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// PerLine formats nanoseconds per line.
func PerLine(ns float64) string {
	if ns < 10_000 {
		return fmt.Sprintf("%.2f µs/line", ns/1e3)
	}
	return fmt.Sprintf("%.1f µs/line", ns/1e3)
}

// Package alloctest measures what code allocates, whatever else the process does.
package alloctest

import (
	"runtime"
	"strings"
	"testing"

	"github.com/otelaudit/otelaudit/internal/trials"
)

// Largest returns the size in bytes of the largest object that was allocated while f
// ran, by a function whose full name contains path, or by one that it called. It
// counts objects one by one, so that neither other goroutines nor the garbage
// collector, which empties pools, change the result. Call it from one test at a time.
func Largest(f func(), path string) int64 {
	defer func(rate int) { runtime.MemProfileRate = rate }(runtime.MemProfileRate)
	runtime.MemProfileRate = 1
	before := make(map[site]int64)
	for _, r := range profile() {
		before[siteOf(&r)] += r.AllocObjects
	}
	f()
	largest := int64(0)
	for _, r := range profile() {
		if s := siteOf(&r); r.AllocObjects > before[s] && s.size > largest && contains(r.Stack(), path) {
			largest = s.size
		}
	}
	return largest
}

// site is where objects of one size are allocated.
type site struct {
	stack [32]uintptr
	size  int64
}

func siteOf(r *runtime.MemProfileRecord) site {
	return site{r.Stack0, r.AllocBytes / max(r.AllocObjects, 1)}
}

func profile() []runtime.MemProfileRecord {
	// The profile is that of the last complete cycle.
	runtime.GC()
	runtime.GC()
	n, _ := runtime.MemProfile(nil, true)
	for {
		records := make([]runtime.MemProfileRecord, n+100)
		var ok bool
		if n, ok = runtime.MemProfile(records, true); ok {
			return records[:n]
		}
	}
}

func contains(stack []uintptr, path string) bool {
	frames := runtime.CallersFrames(stack)
	for {
		frame, more := frames.Next()
		if strings.Contains(frame.Function, path) {
			return true
		}
		if !more {
			return false
		}
	}
}

// PerRun is [testing.AllocsPerRun], which counts what all goroutines allocate. What
// others allocate comes and goes, so it measures some times and takes the least. Under
// the race detector, sync.Pool drops objects at random, and one measurement is enough.
func PerRun(runs int, f func()) float64 {
	least := testing.AllocsPerRun(runs, f)
	for range 9 {
		if least == 0 || trials.Race {
			break
		}
		least = min(least, testing.AllocsPerRun(runs, f))
	}
	return least
}

package torture

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/otelaudit/otelaudit/internal/disktest"
)

// TestAFullDiskLosesNothingAndIsRecoveredFrom fills a file system of 1 MiB with
// two writers, waits until they were refused some appends, and makes room.
func TestAFullDiskLosesNothingAndIsRecoveredFrom(t *testing.T) {
	disktest.NeedRoot(t)
	disktest.NeedCommand(t, "mount", "mount")
	disks := runs(20)
	var total sum
	for n := range disks {
		t.Run(fmt.Sprint("disk", n), func(t *testing.T) {
			total.add(fillDisk(t, 0))
		})
	}
	counts.add(t, disks, total.result)
}

// TestAFullDiskCostsNoEventWhereTornOnesCannotBeCutBack is the same where half
// a line stays in the file: the next one must not be glued to it.
func TestAFullDiskCostsNoEventWhereTornOnesCannotBeCutBack(t *testing.T) {
	disktest.NeedRoot(t)
	needStrace(t)
	const manyTorn = 1000
	// Chance decides what meets the full disk; it may be no write.
	var r result
	disks := 0
	for ; disks < 10 && r.torn == 0; disks++ {
		r = fillDisk(t, manyTorn, "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=ftruncate", "-e", "inject=ftruncate:error=EIO")
	}
	if r.torn == 0 {
		t.Error("no torn line was left: does the disk still get full?")
	}
	counts.add(t, disks, r)
}

// fillDisk runs the writers under a command, if one is given, and allows a
// number of torn lines.
func fillDisk(t *testing.T, torn int, under ...string) result {
	t.Helper()
	fs := disktest.NewTmpfs(t, "1M")
	disk := fs.Dir

	l := newLedger()
	// With rotations the disk gets full at other places: while an archive is
	// renamed, compressed, or the next file made.
	limit := []int64{64 << 10, 256 << 10, 0}[rand.IntN(3)]
	var writers []*process
	for n := range 2 {
		writers = append(writers, startUnder(t, l, job{
			Path: filepath.Join(disk, activeName), Name: fmt.Sprint("w", n), Goroutines: 2,
			Batch: []int{1, 20}[rand.IntN(2)], Padding: 2000, MaxFileSize: limit, Seed: rand.Uint64(), Retry: true,
		}, under...))
	}
	const refusals = 20
	if !l.awaitUntil(writers[0].name, func() bool { return len(l.errors) >= refusals }) {
		t.Fatalf("%s ended by itself: %s", writers[0].name, writers[0].stderr.String())
	}
	var wanted []int // of both now: while one is waited for, the other may fill the disk again
	for _, w := range writers {
		wanted = append(wanted, l.inFile(w.name)+200)
	}
	fs.Resize(t, "64M")
	for n, w := range writers {
		if !l.await(w.name, wanted[n]) {
			t.Fatalf("%s ended by itself: %s", w.name, w.stderr.String())
		}
	}
	for _, w := range writers {
		w.finish(t)
	}
	fs.Resize(t, "256M") // an archive needs room for its compressed form
	r := l.check(t, disk, terms{promised: inFile, torn: torn})
	settle(t, disk)
	return r
}

package torture

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/otelaudit/otelaudit/internal/disktest"
)

// fileSystems are those whose power is cut.
var fileSystems = []string{"ext4", "xfs"}

// TestPowerCutsTakeNothingThatWasSynced cuts the power under one to three
// writers at a random moment, 20 times on each file system, and looks at the
// files before anybody opens the log again. Small files make most cuts fall
// near a rotation or a compression.
func TestPowerCutsTakeNothingThatWasSynced(t *testing.T) {
	for _, fs := range fileSystems {
		t.Run(fs, func(t *testing.T) {
			disk := disktest.New(t, fs)
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			random := rand.New(rand.NewPCG(seed, 0))
			log := &cutLog{disk: disk, ledger: newLedger(), dir: filepath.Join(disk.Dir, "log")}
			cuts := runs(20)
			var r result
			for range cuts {
				r = log.cut(t, random)
			}
			counts.add(t, cuts, r)
			settle(t, log.dir)
		})
	}
}

// syncLines is how many acknowledged lines may be unsynced, and one more.
const syncLines = 10

// cutLog is a log through the cuts of its disk.
type cutLog struct {
	disk    *disktest.Image
	ledger  *ledger
	dir     string
	started int
	torn    int // damaged lines that earlier cuts left
}

func (c *cutLog) cut(t *testing.T, random *rand.Rand) result {
	t.Helper()
	limit := int64(16<<10) << random.IntN(5)
	var writers []*process
	var names []string
	for range 1 + random.IntN(3) {
		c.started++
		writers = append(writers, start(t, c.ledger, job{
			Path: filepath.Join(c.dir, activeName), Name: fmt.Sprint("w", c.started),
			Goroutines: 1 + random.IntN(2), Batch: []int{1, 4, 50}[random.IntN(3)], Padding: 600,
			MaxFileSize: limit, SyncLines: []int{0, 1}[random.IntN(2)], SyncEvery: []int{0, 3}[random.IntN(2)],
			Seed: random.Uint64(),
		}))
		names = append(names, fmt.Sprint("w", c.started))
	}
	first := writers[0]
	if !c.ledger.await(first.name, 1+random.IntN(400)) {
		t.Fatalf("%s ended by itself: %s", first.name, first.stderr.String())
	}
	<-time.After(time.Duration(random.IntN(3000)) * time.Microsecond)
	// A power cut leaves nobody who could be told something after it. This one
	// does, and ext4 then says nil to an fsync that was under way: only what
	// was told before counts.
	c.ledger.mark(names...)
	c.disk.Cut(t)
	for _, w := range writers {
		// They may be in the middle of anything, and hold files open.
		w.kill(t)
	}
	c.disk.Restart(t)

	found := read(t, c.dir, ownLayout)
	c.nothingTornBeforeTheLastSynced(t, found)
	r, problems := c.ledger.compare(found, terms{promised: synced, torn: c.torn + 1, window: syncLines})
	report(t, problems)
	c.torn = r.torn
	return r
}

// nothingTornBeforeTheLastSynced: an fsync covers the file up to where it
// ended then, whoever wrote it. Behind the last line that one covered there
// may be anything, before it nothing new.
func (c *cutLog) nothingTornBeforeTheLastSynced(t *testing.T, found contents) {
	t.Helper()
	torn, known := 0, 0
	for i := range found.lines {
		l := &found.lines[i]
		if l.damage {
			torn++
		}
		if a := c.ledger.writers[l.writer]; a != nil && l.n < a.marked.synced {
			known = torn
		}
	}
	if known > c.torn {
		t.Errorf("%d damaged lines stand before the last synced one, the cuts before left %d", known, c.torn)
	}
}

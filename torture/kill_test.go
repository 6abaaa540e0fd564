//go:build unix

package torture

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// TestKillNineLosesNothingThatWasAcknowledged kills one of one to three
// writers at a random moment, 500 times. A killed one is replaced by another,
// which finds what the dead left: torn lines, rotations and compressions that
// ended half-way.
func TestKillNineLosesNothingThatWasAcknowledged(t *testing.T) {
	const perLog = 10
	kills := runs(500)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var total sum
	t.Run("log", func(t *testing.T) {
		for done := 0; done < kills; done += perLog {
			t.Run(strconv.Itoa(done/perLog), func(t *testing.T) {
				t.Parallel()
				random := rand.New(rand.NewPCG(seed, uint64(done)))
				total.add(killOneLog(t, random, min(perLog, kills-done)))
			})
		}
	})
	counts.add(t, kills, total.result)
}

func killOneLog(t *testing.T, random *rand.Rand, kills int) result {
	t.Helper()
	dir, l := t.TempDir(), newLedger()
	// Long lines are torn more often, short ones are killed in more places.
	shape := []struct{ padding, batch, events int }{
		{0, 1, 300}, {0, 200, 1000}, {300, 20, 100}, {1500, 100, 100}, {100_000, 4, 8},
	}[random.IntN(5)]
	// From a rotation every few dozen lines to none at all.
	limit := int64(max(16<<10, 16*shape.padding)) << random.IntN(8)
	started := 0
	begin := func() *process {
		started++
		return start(t, l, job{
			Path: filepath.Join(dir, activeName), Name: fmt.Sprint("w", started),
			Goroutines: 1 + random.IntN(2), Batch: shape.batch,
			Padding: shape.padding, MaxFileSize: limit, SyncLines: []int{0, 1, 1000}[random.IntN(3)],
			Seed: random.Uint64(),
		})
	}
	writers := make([]*process, 1+random.IntN(3))
	for i := range writers {
		writers[i] = begin()
	}
	for range kills {
		i := random.IntN(len(writers))
		victim := writers[i]
		if random.IntN(5) == 0 {
			// While it starts, or soon after.
			<-time.After(time.Duration(random.IntN(60)) * time.Millisecond)
		} else if !l.await(victim.name, l.inFile(victim.name)+1+random.IntN(shape.events)) {
			t.Fatalf("%s ended by itself: %s", victim.name, victim.stderr.String())
		}
		victim.kill(t)
		writers[i] = begin()
	}
	for _, w := range writers {
		w.finish(t)
	}
	for _, e := range l.said() {
		t.Error("a writer was told:", e)
	}
	r := l.check(t, dir, terms{promised: inFile, torn: kills})
	settle(t, dir)
	return r
}

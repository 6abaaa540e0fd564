package auditlog_test

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/jsonline"
	"github.com/otelaudit/otelaudit/internal/trials"
	"github.com/otelaudit/otelaudit/internal/vfs"
	"github.com/otelaudit/otelaudit/internal/vfs/memfs"
)

// dice is chance for several goroutines.
type dice struct {
	mu sync.Mutex
	r  *rand.Rand
}

func (d *dice) below(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.r.IntN(n)
}

// pause takes up to most of the time of a bubble.
func (d *dice) pause(most time.Duration) { time.Sleep(time.Duration(d.below(int(most) + 1))) }

// said is what the appends of a stress test returned.
type said struct {
	mu     sync.Mutex
	next   int
	inFile []int // those said to be in the file
	onDisk []int // and those said to be on disk
	none   []int // those said to be in no file
}

// stress is how hard it gets.
type stress struct {
	toDisk   bool // no append is content with the kernel
	sole     bool // it is the file's sole owner
	discard  bool // no copies of what is unsynced are kept
	faults   bool // writes and fsyncs fail now and then
	stranger bool // another process has the lock now and then
	large    bool // batches are large
	cut      bool // the power is cut in the middle, instead of Close
}

// TestAppendsOfAllKindsTogether appends from many goroutines, some of which wait
// for the disk and some do not, under contexts that end at any moment, with rotations,
// faults and strangers, and holds the log to what it said to each.
func TestAppendsOfAllKindsTogether(t *testing.T) {
	t.Parallel()
	const seeds = 1 // for each way to be hard; 40 found no more
	for set := range 32 {
		if n := bits.OnesCount(uint(set)); trials.Few() && n > 1 && n < 4 {
			continue // few and nearly all at a time
		}
		how := stress{faults: set&1 > 0, stranger: set&2 > 0, large: set&4 > 0, cut: set&8 > 0, toDisk: set&16 > 0}
		for mode := range 3 {
			how.sole, how.discard = mode == 1, mode == 2
			if how.sole && how.stranger || how.discard && how.toDisk || testing.Short() && mode != set%3 {
				continue
			}
			for seed := range uint64(seeds) {
				synctest.Test(t, func(t *testing.T) { how.run(t, seed) })
				if t.Failed() {
					t.Fatalf("%+v, seed %d", how, seed)
				}
			}
		}
	}
}

func (how stress) run(t *testing.T, seed uint64) {
	s := newStory(t)
	if how.toDisk {
		s.opts = append(s.opts, auditlog.WithSyncLines(1))
	}
	if how.sole {
		s.opts = append(s.opts, auditlog.WithSoleOwner())
	}
	if how.discard {
		s.opts = append(s.opts, auditlog.WithoutCadenceSync())
	}
	if how.large {
		s.opts = append(s.opts, auditlog.WithMaxFileSize(3<<20))
	}
	d := &dice{r: rand.New(rand.NewPCG(seed, 7))}
	s.fs.Evict = d.below(2) == 0 && !how.discard
	log, err := auditlog.Open(s.path(), append(slices.Clone(s.opts), auditlog.WithFS(newUnevenDisk(s.fs, d)))...)
	if err != nil {
		t.Fatal(err)
	}
	if how.faults {
		s.fs.Fault = func(_ int, op, _ string) memfs.Fault {
			switch {
			case op == "fsync" && d.below(6) == 0:
				return []memfs.Fault{memfs.Refused, memfs.Applied}[d.below(2)]
			case op == "write" && d.below(20) == 0:
				return []memfs.Fault{memfs.Refused, memfs.Short}[d.below(2)]
			}
			return memfs.None
		}
	}
	times := 60
	if how.large {
		times = 15
	}
	var all said
	var wg sync.WaitGroup
	for w := range 10 {
		wg.Go(func() {
			var lines jsonline.Lines // and its memory, of which the log takes some and gives other
			for range times {
				all.append(t, log, d, &lines, w%2 == 0 || how.toDisk, how.large)
				d.pause(3 * time.Millisecond)
			}
		})
	}
	wg.Go(func() {
		for range 8 {
			d.pause(40 * time.Millisecond)
			if err := log.Rotate(t.Context()); err != nil && !how.faults && !errors.Is(err, auditlog.ErrClosed) && !errors.Is(err, memfs.ErrDead) {
				t.Errorf("Rotate: %v", err)
			}
		}
	})
	if how.stranger {
		wg.Go(func() {
			for range 20 {
				d.pause(30 * time.Millisecond)
				f, err := s.fs.Open(s.path(), vfs.Append)
				if err != nil {
					continue
				}
				free, err := f.Lock(false)
				if err == nil && free {
					d.pause([]time.Duration{20 * time.Millisecond, 20 * time.Second}[d.below(10)/9])
				}
				_ = f.Close() // of a dead process too
			}
		})
	}
	var after *memfs.FS
	var closeErr error
	wg.Go(func() {
		d.pause(time.Duration(times) * 10 * time.Millisecond)
		if how.cut {
			after = s.fs.PowerCut(rand.New(rand.NewPCG(seed, 8)))
			return
		}
		if closeErr = log.Close(); closeErr != nil && !how.faults && !how.stranger {
			t.Errorf("Close: %v", closeErr)
		}
	})
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(10 * time.Minute):
		t.Fatal("somebody waits for ever")
	}
	if how.cut {
		_ = log.Close()
		s.fs.Fault = nil
		s.fs = after
		if err := s.open(); err != nil {
			t.Fatal(err)
		}
		if err := s.log.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s.fs.Fault = nil
	time.Sleep(time.Minute)
	found, damage := s.read()
	count := map[int]int{}
	for _, n := range found {
		if count[n]++; count[n] > 1 {
			t.Errorf("event %d is there %d times", n, count[n])
		}
	}
	want := all.inFile
	if how.cut || closeErr != nil {
		want = all.onDisk
	} else if damage > 0 && !how.faults {
		t.Errorf("%d damaged lines", damage)
	}
	if lost := missing(want, found); len(lost) > 0 {
		t.Errorf("lost: %v", lost)
	}
	for _, n := range all.none {
		if count[n] > 0 {
			t.Errorf("event %d is there, although Append said that it is not", n)
		}
	}
	s.checkNoMisuse()
	if t.Failed() {
		t.Logf("%+v: %d in file, %d on disk, %d in none; found %d", how, len(all.inFile), len(all.onDisk), len(all.none), len(found))
	}
}

// append appends some events in one of the ways.
func (a *said) append(t *testing.T, log *auditlog.Log, d *dice, lines *jsonline.Lines, toDisk, large bool) {
	n := 1 + d.below(4)
	a.mu.Lock()
	first := a.next
	a.next += n
	a.mu.Unlock()
	padding := 20 * d.below(10)
	if large && d.below(12) == 0 {
		padding = 400 << 10
	}
	ctx, cancel := t.Context(), context.CancelFunc(func() {})
	switch d.below(4) {
	case 0:
		ctx, cancel = context.WithTimeout(ctx, time.Duration(d.below(int(12*time.Millisecond))))
	case 1:
		ctx, cancel = context.WithTimeout(ctx, time.Hour)
	case 2:
		if d.below(4) == 0 {
			ctx, cancel = context.WithCancel(ctx)
			cancel()
		}
	}
	defer cancel()
	var err error
	if toDisk {
		lines.Reset()
		for i := range n {
			lines.Commit(fmt.Appendf(lines.Buffer(), `{"ts":"2026-02-13T16:30:22.123Z","event":"nav","session_id":"s","n":%d,"p":%q}`+"\n", first+i, strings.Repeat("x", padding)))
		}
		err = auditlog.AppendLinesToDisk(ctx, log, lines)
		memory := lines.Bytes() // is the caller's again, all of it
		clear(memory[:cap(memory)])
	} else {
		events := make([]auditlog.Event, n)
		for i := range events {
			events[i] = numbered("s", first+i)
			events[i].Reason = strings.Repeat("x", padding)
		}
		err = log.Append(ctx, events...)
	}
	written, batch := 0, (*auditlog.BatchError)(nil)
	var unknown *auditlog.SyncError
	switch {
	case err == nil || errors.As(err, &unknown):
		written = n
	case errors.As(err, &batch):
		written = batch.Written
		if written <= 0 || written >= n {
			t.Errorf("BatchError of %d of %d events: %v", written, n, err)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range n {
		switch {
		case i >= written:
			a.none = append(a.none, first+i)
		default:
			a.inFile = append(a.inFile, first+i)
			if err == nil && toDisk {
				a.onDisk = append(a.onDisk, first+i)
			}
		}
	}
}

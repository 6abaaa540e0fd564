package auditlog_test

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/vfs"
)

// timedDisk is a file system on which a sync takes a time, of the bubble, and is
// counted.
type timedDisk struct {
	vfs.FS
	takes time.Duration
	syncs atomic.Int64
}

type timedFile struct {
	vfs.File
	disk *timedDisk
}

func (d *timedDisk) Open(name string, how vfs.How) (vfs.File, error) {
	f, err := d.FS.Open(name, how)
	if err != nil {
		return nil, err
	}
	return &timedFile{f, d}, nil
}

func (f *timedFile) Sync() error {
	f.disk.syncs.Add(1)
	time.Sleep(f.disk.takes)
	return f.File.Sync()
}

// timedLog returns a log whose appends wait for the disk.
func timedLog(t *testing.T) (*auditlog.Log, *timedDisk) {
	t.Helper()
	s := newStory(t, auditlog.WithMaxFileSize(1<<20), auditlog.WithSyncLines(1))
	disk := &timedDisk{FS: s.fs, takes: time.Millisecond}
	log, err := auditlog.Open(s.path(), append(slices.Clone(s.opts), auditlog.WithFS(disk))...)
	if err != nil {
		t.Fatal(err)
	}
	return log, disk
}

// TestOneSyncCoversThoseThatTheOneBeforeWoke: they come back one after the other,
// and the first of them waits for the last.
func TestOneSyncCoversThoseThatTheOneBeforeWoke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, disk := timedLog(t)
		const goroutines, rounds = 8, 50
		var wg sync.WaitGroup
		for g := range goroutines {
			wg.Go(func() {
				for range rounds {
					time.Sleep(time.Duration(g) * 100 * time.Microsecond)
					if err := log.Append(t.Context(), numbered("w", g)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		// Each by itself would need 400 of them, and with whom it meets by chance 100.
		if got := disk.syncs.Load(); got > rounds+5 {
			t.Errorf("%d fsyncs for %d rounds, want about one for each", got, rounds)
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestNobodyWaitsForLongForThoseThatDoNotComeBack: of four that append at once,
// three then have something else to do, each time.
func TestNobodyWaitsForLongForThoseThatDoNotComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, disk := timedLog(t)
		var wg sync.WaitGroup
		done := make(chan struct{})
		for range 3 {
			wg.Go(func() {
				for {
					select {
					case <-done:
						return
					case <-time.After(4500 * time.Microsecond):
					}
					if err := log.Append(t.Context(), numbered("w", 1)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		const appends = 1000
		start := time.Now()
		for range appends {
			if err := log.Append(t.Context(), numbered("w", 0)); err != nil {
				t.Error(err)
			}
		}
		took := time.Since(start)
		close(done)
		wg.Wait()
		if most := appends * disk.takes * 11 / 10; took > most {
			t.Errorf("%d appends took %v, want at most %v: it waited for the others in vain", appends, took, most)
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestNobodyWaitsForThoseOfLongAgo: of many that came back each time, one does so
// after a while.
func TestNobodyWaitsForThoseOfLongAgo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, disk := timedLog(t)
		var wg sync.WaitGroup
		var stop atomic.Bool
		for n := range 20 {
			wg.Go(func() {
				for !stop.Load() {
					if err := log.Append(t.Context(), numbered("w", n)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		time.Sleep(100 * disk.takes)
		stop.Store(true)
		wg.Wait()
		time.Sleep(time.Minute)
		start := time.Now()
		if err := log.Append(t.Context(), numbered("w", 20)); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took != disk.takes {
			t.Errorf("an append took %v, want the %v of its fsync", took, disk.takes)
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

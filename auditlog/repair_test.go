package auditlog_test

import (
	"errors"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/vfs/memfs"
)

// TestPowerCutAfterAFailedSync fails each sync in turn, which in this file
// system makes the kernel drop what it should have written, and cuts the power
// some time later.
func TestPowerCutAfterAFailedSync(t *testing.T) {
	t.Parallel()
	eachMode(t, func(t *testing.T, opts ...auditlog.Option) {
		for j, op := range operations(t, opts...) {
			if op != "fsync" && op != "fsyncdir" {
				continue
			}
			for seed := range uint64(4) {
				if leftOut(j + int(seed)) { //nolint:gosec // at most 3
					continue
				}
				synctest.Test(t, func(t *testing.T) {
					r := rand.New(rand.NewPCG(uint64(j), seed))
					k := j + 1 + r.IntN(60)
					s := newStory(t, opts...)
					s.fs.Evict = seed%2 == 1
					s.fs.Fault = func(n int, _, _ string) memfs.Fault {
						switch n {
						case j:
							return memfs.Refused
						case k:
							return memfs.Death
						}
						return memfs.None
					}
					s.run()
					s.fs = s.fs.PowerCut(r)
					synced, acked := s.inFile[:s.synced], s.inFile[:s.acked]
					s.recover()
					found, _ := s.found()
					if lost := missing(synced, found); len(lost) > 0 {
						t.Errorf("Sync covered %v, which are lost", lost)
					}
					if lost := missing(acked, found); len(lost) >= storySyncLines {
						t.Errorf("%d lines were acknowledged and not synced: %v", len(lost), lost)
					}
					s.checkNoMisuse()
					if t.Failed() {
						t.Fatalf("operation %d failed, power cut before operation %d, seed %d: found %v, names %v", j, k, seed, found, s.fs.Names())
					}
				})
			}
		}
	})
}

// failSyncs makes syncs of the active file fail until the returned function is
// called.
func failSyncs(m *memfs.FS, err error) (stop func()) {
	m.Err = err
	var stopped atomic.Bool
	m.Fault = func(_ int, op, _ string) memfs.Fault {
		if !stopped.Load() && op == "fsync" {
			return memfs.Refused
		}
		return memfs.None
	}
	return func() { stopped.Store(true) }
}

func TestLogRecoversByItselfWhenTheDiskDoes(t *testing.T) {
	eachMode(t, func(t *testing.T, opts ...auditlog.Option) {
		synctest.Test(t, func(t *testing.T) {
			s := newStory(t, opts...)
			s.fs.Evict = true
			if err := s.open(); err != nil {
				t.Fatal(err)
			}
			if err := s.append(1); err != nil {
				t.Fatal(err)
			}
			stop := failSyncs(s.fs, syscall.ENOSPC)
			var unknown *auditlog.SyncError
			if err := s.append(storySyncLines); !errors.As(err, &unknown) || !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("Append with a failing fsync = %v, want a *SyncError of ENOSPC", err)
			}
			for range 3 {
				time.Sleep(time.Second)
				synctest.Wait()
				err := s.append(1)
				if !errors.Is(err, auditlog.ErrSuspended) || !errors.Is(err, syscall.ENOSPC) || errors.As(err, &unknown) {
					t.Fatalf("Append while it is not repaired = %v, want ErrSuspended of ENOSPC", err)
				}
			}
			stop()
			time.Sleep(time.Second)
			synctest.Wait() // nobody appends, and it is repaired all the same
			if got := s.log.Stats(); got.Synced != 1+storySyncLines || got.Recovered != 1 || got.Failed != 3 {
				t.Errorf("Stats() = %+v, want what is in the file synced, one recovery and 3 failed events", got)
			}
			s.finish()
			found, damage := s.found()
			if !slices.Equal(found, s.inFile) || damage > 0 {
				t.Errorf("found %v with %d damaged lines, want %v", found, damage, s.inFile)
			}
			if names := strings.Join(s.fs.Names(), " "); strings.Count(names, ".suspect") != 1 {
				t.Errorf("files %s, want one suspect", names)
			}
			s.checkNoMisuse()
		})
	})
}

// TestRepairKeepsWhatAnotherLogWrote lets two Logs write to one file, and the
// fsync of the one fail, then of the other: each has to find its lines, and
// must not write them twice.
func TestRepairKeepsWhatAnotherLogWrote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newStory(t)
		a.fs.Evict = true // so that the one cannot see what the other wrote
		b := *a
		b.next = 1000
		for _, s := range []*story{a, &b} {
			if err := s.open(); err != nil {
				t.Fatal(err)
			}
		}
		for range 3 {
			for _, s := range []*story{a, &b} {
				if err := s.append(1); err != nil {
					t.Fatal(err)
				}
			}
		}
		fail := 2 // the syncs of the file as each of them has it open
		a.fs.Fault = func(_ int, op, name string) memfs.Fault {
			if op == "fsync" && filepath.Base(name) == "audit.jsonl" && fail > 0 {
				fail--
				return memfs.Refused
			}
			return memfs.None
		}
		for _, s := range []*story{a, &b} {
			if err := s.sync(); err != nil {
				t.Errorf("Sync = %v, want nil after a repair", err)
			}
		}
		if fail > 0 {
			t.Errorf("%d syncs did not fail", fail)
		}
		a.finish()
		b.finish()
		var all []int
		all = append(append(all, a.inFile...), b.inFile...)
		slices.Sort(all)
		found, _ := a.read()
		slices.Sort(found)
		if !slices.Equal(found, all) {
			t.Errorf("found %v, want %v", found, all)
		}
		a.checkNoMisuse()
	})
}

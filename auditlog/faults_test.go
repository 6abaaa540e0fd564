package auditlog_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/trials"
	"github.com/otelaudit/otelaudit/internal/vfs/memfs"
)

// story is a log on a file system in memory, and what its appends returned.
type story struct {
	t    *testing.T
	dir  string
	opts []auditlog.Option
	fs   *memfs.FS
	log  *auditlog.Log

	next   int   // number of the next event
	inFile []int // those that Append said are in the file
	acked  int   // how many of these it returned nil for, from the first on
	synced int   // how many of these Sync covered
}

const storySyncLines = 4

func newStory(t *testing.T, opts ...auditlog.Option) *story {
	return &story{t: t, dir: t.TempDir(), fs: memfs.New(), opts: append([]auditlog.Option{
		auditlog.WithMaxFileSize(900), auditlog.WithSyncLines(storySyncLines), auditlog.WithSessionID("s"),
	}, opts...)}
}

func (s *story) path() string { return filepath.Join(s.dir, "audit.jsonl") }

func (s *story) open() error {
	log, err := auditlog.Open(s.path(), append([]auditlog.Option{auditlog.WithFS(s.fs)}, s.opts...)...)
	s.log = log
	return err
}

// append appends the next n events and notes what Append says of them.
func (s *story) append(n int) error {
	events := make([]auditlog.Event, n)
	for i := range events {
		events[i] = numbered("s", s.next+i)
		events[i].Reason = strings.Repeat("x", 20*(i%3))
	}
	err := s.log.Append(s.t.Context(), events...)
	written := 0
	var unknown *auditlog.SyncError
	var batch *auditlog.BatchError
	switch {
	case err == nil || errors.As(err, &unknown):
		written = n
	case errors.As(err, &batch):
		written = batch.Written
	}
	for i := range written {
		s.inFile = append(s.inFile, s.next+i)
	}
	if err == nil && s.acked == len(s.inFile)-n {
		s.acked = len(s.inFile)
	}
	s.next += n
	return err
}

func (s *story) sync() error {
	n := len(s.inFile)
	err := s.log.Sync(s.t.Context())
	if err == nil {
		s.synced = n
	}
	return err
}

// run lets the log be opened, appended to through some rotations, synced and
// closed; errors do not end it.
func (s *story) run() {
	if err := s.open(); err != nil {
		return
	}
	for i := range 8 {
		_ = s.append(1)
		_ = s.append(1 + i)
		if i%3 == 1 {
			_ = s.sync()
		}
		if i == 4 {
			auditlog.WaitForCompression(s.log)
		}
	}
	_ = s.log.Close()
}

// recover opens the log if need be and appends to it when nothing is in its
// way any more.
func (s *story) recover() {
	s.t.Helper()
	s.fs.Fault = nil
	if err := s.open(); err != nil {
		s.t.Fatalf("open afterwards: %v", err)
	}
	s.finish()
}

func (s *story) finish() {
	s.t.Helper()
	if err := s.append(1); err != nil {
		s.t.Errorf("append afterwards: %v", err)
	}
	if err := s.sync(); err != nil {
		s.t.Errorf("sync afterwards: %v", err)
	}
	if err := s.log.Close(); err != nil {
		s.t.Errorf("close afterwards: %v", err)
	}
}

// found reads the log and checks the order.
func (s *story) found() (numbers []int, damage int) {
	s.t.Helper()
	numbers, damage = s.read()
	for i := 1; i < len(numbers); i++ {
		if numbers[i] <= numbers[i-1] {
			s.t.Errorf("event %d behind event %d", numbers[i], numbers[i-1])
		}
	}
	return numbers, damage
}

// read reads the log with the ordinary reader.
func (s *story) read() (numbers []int, damage int) {
	s.t.Helper()
	dir, err := os.MkdirTemp(s.dir, "dump")
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.fs.Dump(s.dir, dir); err != nil {
		s.t.Fatal(err)
	}
	r, err := auditlog.NewReader(filepath.Join(dir, "audit.jsonl"))
	if err != nil {
		s.t.Fatal(err)
	}
	for entry, err := range r.Query(s.t.Context(), auditlog.Filter{OnDamage: func(*auditlog.DamageError) { damage++ }}) {
		if err != nil {
			s.t.Fatal(err)
		}
		event, err := entry.Event()
		if err != nil {
			s.t.Fatal(err)
		}
		if event.Name == "auditlog_recovered" {
			continue
		}
		n, ok := event.Attributes["n"].(int64)
		if !ok {
			s.t.Fatalf("not an event of this test: %s", entry.Raw)
		}
		numbers = append(numbers, int(n))
	}
	return numbers, damage
}

// missing returns those of want that are not found.
func missing(want, found []int) (out []int) {
	have := map[int]bool{}
	for _, n := range found {
		have[n] = true
	}
	for _, n := range want {
		if !have[n] {
			out = append(out, n)
		}
	}
	return out
}

func (s *story) checkNoMisuse() {
	s.t.Helper()
	if m := s.fs.Misuse(); len(m) > 0 {
		s.t.Errorf("%v", m)
	}
}

// leftOut reports whether a test that goes through all operations leaves out operation k:
// go test -short tries every eighth, the race detector every fourth.
func leftOut(k int) bool { return k%(8/trials.Of(8)) > 0 }

// eachMode runs a test for logs that are shared and such that are not, beside
// other tests.
func eachMode(t *testing.T, test func(t *testing.T, opts ...auditlog.Option)) {
	for name, opts := range map[string][]auditlog.Option{"shared": nil, "sole owner": {auditlog.WithSoleOwner()}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, opts...)
		})
	}
}

// operations returns the operations of the story when nothing fails.
func operations(t *testing.T, opts ...auditlog.Option) (ops []string) {
	synctest.Test(t, func(t *testing.T) {
		s := newStory(t, opts...)
		s.fs.Fault = func(_ int, op, _ string) memfs.Fault {
			ops = append(ops, op)
			return memfs.None
		}
		s.run()
		rotations := 0
		for _, name := range s.fs.Names() {
			if strings.HasSuffix(name, ".jsonl.gz") {
				rotations++
			}
		}
		found, damage := s.found()
		if rotations < 3 || damage > 0 || len(found) != s.next {
			t.Errorf("without faults: %d rotations, %d damaged, %d of %d events", rotations, damage, len(found), s.next)
		}
	})
	if t.Failed() {
		t.FailNow()
	}
	return ops
}

// TestEachFailedOperation fails every operation in turn, in every way, once
// and for a while, and holds the log to what its appends said.
func TestEachFailedOperation(t *testing.T) {
	t.Parallel()
	eachMode(t, func(t *testing.T, opts ...auditlog.Option) {
		ops := operations(t, opts...)
		for _, fault := range []memfs.Fault{memfs.Refused, memfs.Applied, memfs.Short} {
			for _, length := range []int{1, 7, 1000} {
				for k, op := range ops {
					if leftOut(k+length) || fault == memfs.Short && op != "write" || length > 1 && fault == memfs.Applied || length > 7 && k%5 > 0 {
						continue
					}
					synctest.Test(t, func(t *testing.T) { newStory(t, opts...).failAt(k, length, fault) })
					if t.Failed() {
						return
					}
				}
			}
		}
	})
}

// failAt runs the story while operation k fails, and those behind it, length in
// all, and holds the log to what its appends said.
func (s *story) failAt(k, length int, fault memfs.Fault) {
	t := s.t
	what := ""
	s.fs.Err = []error{syscall.ENOSPC, syscall.EIO, syscall.EMFILE}[k%3]
	s.fs.Fault = func(n int, op, name string) memfs.Fault {
		if n < k || n >= k+length {
			return memfs.None
		}
		if n == k {
			what = op + " " + filepath.Base(name)
		}
		return fault
	}
	s.run()
	s.fs.Fault = nil
	time.Sleep(3 * time.Second)
	s.recover()
	found, damage := s.found()
	if lost := missing(s.inFile, found); len(lost) > 0 {
		t.Errorf("in the file, said Append, but not found: %v", lost)
	}
	if length == 1 {
		if more := missing(found, s.inFile); len(more) > 0 {
			t.Errorf("not in the file, said Append, but found: %v", more)
		}
		if damage > 0 {
			t.Errorf("%d damaged lines", damage)
		}
	}
	s.checkNoMisuse()
	if t.Failed() {
		t.Fatalf("operation %d (%s), fault %d for %d operations; found %v, names %v", k, what, fault, length, found, s.fs.Names())
	}
}

// TestKilledAtEachOperation kills the process before every operation.
func TestKilledAtEachOperation(t *testing.T) {
	t.Parallel()
	eachMode(t, func(t *testing.T, opts ...auditlog.Option) {
		for k := range operations(t, opts...) {
			if leftOut(k) {
				continue
			}
			synctest.Test(t, func(t *testing.T) {
				s := newStory(t, opts...)
				what := s.dieAt(k)
				s.fs = s.fs.Restart()
				acked := s.inFile[:s.acked]
				s.recover()
				found, damage := s.found()
				if lost := missing(acked, found); len(lost) > 0 || damage > 1 {
					t.Fatalf("killed before operation %d (%s): lost %v, %d damaged; names %v", k, *what, lost, damage, s.fs.Names())
				}
			})
		}
	})
}

func (s *story) dieAt(k int) *string {
	what := new(string)
	s.fs.Fault = func(n int, op, name string) memfs.Fault {
		if n == k {
			*what = op + " " + filepath.Base(name)
			return memfs.Death
		}
		return memfs.None
	}
	s.run()
	return what
}

// TestPowerCutAtEachOperation cuts the power before every operation, several
// times, since chance decides what of the unsynced survives.
func TestPowerCutAtEachOperation(t *testing.T) {
	t.Parallel()
	eachMode(t, func(t *testing.T, opts ...auditlog.Option) {
		for k := range operations(t, opts...) {
			if leftOut(k) {
				continue
			}
			for seed := range uint64(2) {
				synctest.Test(t, func(t *testing.T) {
					s := newStory(t, opts...)
					what := s.dieAt(k)
					s.fs = s.fs.PowerCut(rand.New(rand.NewPCG(uint64(k), seed)))
					acked, synced := s.inFile[:s.acked], s.inFile[:s.synced]
					s.recover()
					found, _ := s.found()
					if lost := missing(synced, found); len(lost) > 0 {
						t.Errorf("Sync covered %v, which are lost", lost)
					}
					if lost := missing(acked, found); len(lost) >= storySyncLines {
						t.Errorf("%d lines were acknowledged and not synced: %v", len(lost), lost)
					}
					if t.Failed() {
						t.Fatalf("power cut before operation %d (%s), seed %d: found %v, names %v", k, *what, seed, found, s.fs.Names())
					}
				})
			}
		}
	})
}

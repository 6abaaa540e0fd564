package exporter

import (
	"path/filepath"
	"runtime"
	"testing"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/alloctest"
	"github.com/otelaudit/otelaudit/internal/recordtest"
)

func newKeptExporter(t *testing.T) *Exporter {
	t.Helper()
	log, err := auditlog.Open(filepath.Join(t.TempDir(), "audit.jsonl"), auditlog.WithoutCadenceSync())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	e, err := New(log)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestABatchHasTheMemoryOfTheOneBefore, though the garbage collector ran.
func TestABatchHasTheMemoryOfTheOneBefore(t *testing.T) {
	e := newKeptExporter(t)
	records := recordtest.ModelCalls(512) // half a megabyte of lines
	export := func() int64 {
		runtime.GC() // twice is what a sync.Pool outlives in no case
		runtime.GC()
		return alloctest.Largest(func() {
			if err := e.Export(t.Context(), records); err != nil {
				t.Fatal(err)
			}
		}, "exporter.(*Exporter).Export")
	}
	export()
	export() // the log exchanges its memory for that of a batch
	export()
	for range 3 {
		if got := export(); got > 64<<10 {
			t.Errorf("a batch like the ones before allocates %d bytes at once", got)
		}
	}
}

func TestNotMoreThanSoMuchMemoryIsKept(t *testing.T) {
	e := newKeptExporter(t)
	var used []*encoder
	for range 100 {
		enc := e.kept.get(e)
		enc.lines.Grow(1 << 20)
		used = append(used, enc)
	}
	for _, enc := range used {
		e.kept.put(enc)
	}
	sum := func() (n int) {
		for _, enc := range e.kept.free {
			n += enc.size()
		}
		return n
	}
	if got := sum(); got > maxKeptBytes || got < maxKeptBytes/2 || got != e.kept.bytes {
		t.Errorf("%d bytes are kept, and %d counted, want up to %d", got, e.kept.bytes, maxKeptBytes)
	}
	last := e.kept.free[len(e.kept.free)-1]
	if got := e.kept.get(e); got != last {
		t.Error("it is not the last one that is used again, whose memory the processor still has in its caches")
	}
	for len(e.kept.free) > 0 {
		e.kept.get(e)
	}
	if e.kept.bytes != 0 {
		t.Errorf("nothing is kept, and %d bytes are counted", e.kept.bytes)
	}
}

// TestEncodersWithoutABufferAreNotKeptWithoutEnd: thousands of senders may have
// one each at some time.
func TestEncodersWithoutABufferAreNotKeptWithoutEnd(t *testing.T) {
	e := newKeptExporter(t)
	const senders = 5000
	for range senders {
		e.kept.put(e.newEncoder())
	}
	if got := len(e.kept.free); got == senders || got == 0 {
		t.Errorf("%d encoders are kept, want some, and not all", got)
	}
}

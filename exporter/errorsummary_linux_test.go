package exporter_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/exporter"
	"github.com/otelaudit/otelaudit/internal/audittest"
	"github.com/otelaudit/otelaudit/internal/disktest"
)

// summaryPeriod is what the documentation of WithErrorSummary says.
const summaryPeriod = 10 * time.Second

// smallDisk is a log on a disk that is soon full, and what is said of it.
type smallDisk struct {
	*disktest.Tmpfs

	t      *testing.T
	log    *auditlog.Log
	logger log.Logger
	told   *handled
	calls  int // of the callback
	checks int // errors of told that were looked at
}

// newSmallDisk is called in the bubble of a test, disk made outside of it.
func newSmallDisk(t *testing.T, disk *disktest.Tmpfs, opts ...exporter.ProcessorOption) *smallDisk {
	t.Helper()
	d := &smallDisk{Tmpfs: disk, t: t, told: handleErrors(t)}
	d.log = audittest.Open(t, filepath.Join(disk.Dir, "audit.jsonl"))
	exp, err := exporter.New(d.log, exporter.WithOnError(func(error) { d.calls++ }))
	if err != nil {
		t.Fatal(err)
	}
	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(exporter.NewProcessor(exp, opts...)))
	d.logger = provider.Logger("test")
	t.Cleanup(func() {
		if err := provider.Shutdown(context.Background()); err != nil && !errors.Is(err, auditlog.ErrClosed) {
			t.Error(err)
		}
	})
	return d
}

// emit emits a record of about so many bytes and reports whether it was written.
func (d *smallDisk) emit(size int) bool {
	d.t.Helper()
	before := d.log.Stats()
	var r log.Record
	r.SetEventName(strings.Repeat("a", size))
	d.logger.Emit(d.t.Context(), r)
	after := d.log.Stats()
	if after.Appended+after.Failed != before.Appended+before.Failed+1 {
		d.t.Fatalf("one record changed the counts from %+v to %+v", before, after)
	}
	return after.Failed == before.Failed
}

// fill emits records until one is lost.
func (d *smallDisk) fill() {
	d.t.Helper()
	for d.emit(1000) {
	}
}

// lose emits n records that are too large.
func (d *smallDisk) lose(n int) {
	d.t.Helper()
	for range n {
		if d.emit(1 << 20) {
			d.t.Fatal("a record that is larger than the disk was written")
		}
	}
}

// said checks what otel.Handle was given since the last call: so many errors,
// each with one of parts in it.
func (d *smallDisk) said(parts ...string) {
	d.t.Helper()
	synctest.Wait()
	d.told.mu.Lock()
	defer d.told.mu.Unlock()
	errs := d.told.errs[d.checks:]
	d.checks = len(d.told.errs)
	if len(errs) != len(parts) {
		d.t.Fatalf("otel.Handle was given %d errors, want %d:\n%v", len(errs), len(parts), errors.Join(errs...))
	}
	for i, part := range parts {
		if !strings.Contains(errs[i].Error(), part) {
			d.t.Errorf("otel.Handle was given %q, want %q in it", errs[i], part)
		}
	}
}

func TestAFullDiskIsToldOfOnceAndThenInSummaries(t *testing.T) {
	disk := disktest.NewTmpfs(t, "64k")
	synctest.Test(t, func(t *testing.T) {
		d := newSmallDisk(t, disk, exporter.WithErrorSummary())
		begin := time.Now()
		d.fill()
		d.said("exporter: auditlog: append to " + d.log.Path())
		d.lose(100)
		d.said()
		time.Sleep(summaryPeriod)
		d.said(fmt.Sprintf("exporter: more records that could not be written since %s: 100; the last one: auditlog: append to %s",
			begin.Format(time.RFC3339), d.log.Path()))
		if !errors.Is(d.told.errs[1], syscall.ENOSPC) {
			t.Errorf("the summary %v is not syscall.ENOSPC", d.told.errs[1])
		}

		time.Sleep(4 * summaryPeriod) // nothing happens, so nothing is said
		d.said()
		d.lose(3) // the first one is told at once
		d.said(": 1; the last one: ")
		time.Sleep(summaryPeriod)
		d.said(": 2; the last one: ")

		disk.Resize(t, "1m")
		again := time.Now()
		if !d.emit(1000) {
			t.Fatal("the disk has space and takes nothing")
		}
		d.said()
		time.Sleep(summaryPeriod)
		d.said(fmt.Sprintf("exporter: records are written to %s again; those that could not be, from %s to %s: 104",
			d.log.Path(), begin.Format(time.RFC3339), again.Add(-summaryPeriod).Format(time.RFC3339)))
		d.emit(1000)
		time.Sleep(summaryPeriod)
		d.said()

		d.lose(1) // the reason is new again
		d.said("exporter: auditlog: append to ")
		if d.calls != 105 {
			t.Errorf("the callback was called %d times, want 105", d.calls)
		}
	})
}

// TestADiskThatTakesEverySecondRecordIsToldOfInSummaries has space for small
// records all the time.
func TestADiskThatTakesEverySecondRecordIsToldOfInSummaries(t *testing.T) {
	disk := disktest.NewTmpfs(t, "64k")
	synctest.Test(t, func(t *testing.T) {
		d := newSmallDisk(t, disk, exporter.WithErrorSummary())
		both := func() {
			d.lose(1)
			if !d.emit(1) {
				t.Fatal("a small record was not written")
			}
		}
		both()
		d.said("append to ")
		for range 3 {
			for range 5 {
				both()
			}
			time.Sleep(summaryPeriod)
			d.said(": 5; the last one: ")
		}
		d.lose(1) // the last one, so it does not work again
		time.Sleep(summaryPeriod)
		d.said(": 1; the last one: ")
		time.Sleep(summaryPeriod)
		d.said()
		d.emit(1)
		d.said("again")
	})
}

func TestWhatHappensAfterALongPauseIsToldAtOnce(t *testing.T) {
	disk := disktest.NewTmpfs(t, "64k")
	synctest.Test(t, func(t *testing.T) {
		d := newSmallDisk(t, disk, exporter.WithErrorSummary())
		d.lose(1)
		d.said("append to ")
		time.Sleep(3 * summaryPeriod)
		d.emit(1)
		d.said("records are written to ")
	})
}

func TestAnotherReasonIsToldAtOnce(t *testing.T) {
	disk := disktest.NewTmpfs(t, "64k")
	synctest.Test(t, func(t *testing.T) {
		d := newSmallDisk(t, disk, exporter.WithErrorSummary())
		d.lose(2)
		d.said("no space left on device")
		if err := d.log.Close(); err != nil {
			t.Fatal(err)
		}
		d.lose(2)
		d.said(auditlog.ErrClosed.Error())
		time.Sleep(summaryPeriod)
		d.said(": 2; the last one: ")
	})
}

func TestWithoutErrorSummaryOnEmitReturnsEachError(t *testing.T) {
	disk := disktest.NewTmpfs(t, "64k")
	synctest.Test(t, func(t *testing.T) {
		d := newSmallDisk(t, disk)
		d.lose(3)
		d.said("no space left", "no space left", "no space left")
	})
}

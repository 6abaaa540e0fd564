package exporter_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"go.opentelemetry.io/otel"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/exporter"
	"github.com/otelaudit/otelaudit/internal/disktest"
)

// TestShutdownOfSetupTellsOfRecordsThatAreNotInTheLog fills a disk: a program
// that looks at the error of shutdown alone has to learn of it.
func TestShutdownOfSetupTellsOfRecordsThatAreNotInTheLog(t *testing.T) {
	disk := disktest.NewTmpfs(t, "64k")
	errs := handleErrors(t)
	path := filepath.Join(disk.Dir, "audit.jsonl")
	shutdown, err := exporter.Setup(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	const emitted = 200
	for range emitted {
		exporter.Emit(t.Context(), otel.Logger("test"), auditlog.Event{Name: "nav", Reason: strings.Repeat("a", 500)})
	}
	err = shutdown(context.WithoutCancel(t.Context()))

	written := 0
	r, readerErr := auditlog.NewReader(path)
	if readerErr != nil {
		t.Fatal(readerErr)
	}
	for _, err := range r.Query(t.Context(), auditlog.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		written++
	}
	if written == 0 || written == emitted {
		t.Fatalf("%d of %d records are in the log: the disk did not become full in between", written, emitted)
	}
	want := fmt.Sprintf("exporter: records that could not be written to %s: %d; otel.Handle was told why", path, emitted-written)
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q in it", err, want)
	}
	// The first one, and when the processor is shut down the others.
	told := errs.all().Error()
	if got := strings.Count(told, "no space left on device"); got != 2 {
		t.Errorf("otel.Handle was given %d errors, want 2:\n%s", got, told)
	}
	if want := fmt.Sprintf(": %d; the last one: auditlog: append to ", emitted-written-1); !strings.Contains(told, want) {
		t.Errorf("otel.Handle was given\n%s\nwant %q in it", told, want)
	}
}

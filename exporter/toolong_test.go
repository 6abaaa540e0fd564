package exporter_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/exporter"
	"github.com/otelaudit/otelaudit/internal/audittest"
	"github.com/otelaudit/otelaudit/internal/recordtest"
)

// A record whose line is too long costs that record: the error names it, and the
// others of its batch are written.
func TestARecordWithATooLongLineCostsOnlyItself(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	auditLog := audittest.Open(t, filepath.Join(t.TempDir(), "audit.jsonl"), auditlog.WithMaxLine(4<<10))
	exp, err := exporter.New(auditLog, exporter.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))))
	if err != nil {
		t.Fatal(err)
	}
	long := attribute.StringValue(strings.Repeat("x", 4<<10))
	records := recordtest.ModelCalls(5)
	records[1].SetBody(long)
	records[3].SetBody(long)
	refused := func(err error, n int) {
		t.Helper()
		if got, ok := errors.AsType[*exporter.TooLongError](err); !ok || got.Records != n || got.Longest != 4<<10 || got.Err != nil ||
			!strings.Contains(err.Error(), "longer than 4096 bytes") {
			t.Errorf("got %v, want an error about %d records", err, n)
		}
	}
	refused(exp.Export(t.Context(), records), 2)
	refused(exp.Export(t.Context(), records[3:4]), 1)

	processor := exporter.NewProcessor(exp)
	refused(processor.OnEmit(t.Context(), &records[1]), 1)
	if err := processor.OnEmit(t.Context(), &records[2]); err != nil {
		t.Error(err)
	}
	if got := len(rawLines(t, auditLog)); got != 4 {
		t.Errorf("got %d lines, want those of 4 records", got)
	}
	got := collect(t, reader)
	want := map[string]int64{"exported": 4, "exported failed": 4, "inflight": 0}
	for name := range want {
		if got := got["otel.sdk.exporter.log."+name]; got != want[name] {
			t.Errorf("%s: got %d, want %d", name, got, want[name])
		}
	}

	// What happened to the others is in the error too.
	if err := auditLog.Close(); err != nil {
		t.Fatal(err)
	}
	err = exp.Export(t.Context(), records)
	if got, ok := errors.AsType[*exporter.TooLongError](err); !ok || got.Records != 2 || !errors.Is(err, auditlog.ErrClosed) {
		t.Errorf("got %v, want auditlog.ErrClosed and 2 records with a line that is too long", err)
	}
}

// A record of the longest length is written, one byte more is refused.
func TestTheLongestLineOfARecordIsWritten(t *testing.T) {
	exp, auditLog := newExporter(t)
	record := func(n int) []sdklog.Record {
		records := recordtest.ModelCalls(1)
		records[0].AddAttributes(attribute.String("x", strings.Repeat("x", n)))
		return records
	}
	if err := exp.Export(t.Context(), record(0)); err != nil {
		t.Fatal(err)
	}
	frame := len(rawLines(t, auditLog)[0])
	short := audittest.Open(t, filepath.Join(t.TempDir(), "audit.jsonl"), auditlog.WithSessionID("process"), auditlog.WithMaxLine(frame+100))
	exp, err := exporter.New(short)
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range map[int]bool{100: true, 101: false} {
		if err := exp.Export(t.Context(), record(n)); (err == nil) != want {
			t.Errorf("%d bytes: got %v, want it written: %v", frame+n, err, want)
		}
	}
	if diff := cmp.Diff(1, len(rawLines(t, short))); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

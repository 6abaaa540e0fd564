package auditlogexporter

import (
	"strings"
	"sync/atomic"
	"testing"

	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// TestTheLinesOfARequestAreBounded: each repeats the resource, so that a short
// request can ask for more than any memory has.
func TestTheLinesOfARequestAreBounded(t *testing.T) {
	var all atomic.Int64
	r := room{all: &all}
	for _, size := range []int{0, roomStep, roomStep + 1, maxLineBytes} {
		if err := r.fits(size); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	if err := r.fits(maxLineBytes + 1); !consumererror.IsPermanent(err) || status.Code(err) != codes.InvalidArgument {
		t.Errorf("got %v, want an error that is permanent", err)
	}
	r.release()
	if n := all.Load(); n != 0 {
		t.Errorf("%d bytes are still counted", n)
	}
}

// TestTheLinesOfAllRequestsAreBounded: the sender is asked to send again, and
// nothing of the request is in the file.
func TestTheLinesOfAllRequestsAreBounded(t *testing.T) {
	cfg := newConfig(t)
	e := startLogs(t, cfg)
	ld := events("a", "b", "c")
	ld.ResourceLogs().At(0).Resource().Attributes().PutStr("large", strings.Repeat("x", roomStep))
	lines := &exporters.get(cfg, exporter.Settings{}).lines
	lines.Add(maxLineBytesInFlight - roomStep)
	if err := e.ConsumeLogs(t.Context(), ld); err == nil || consumererror.IsPermanent(err) {
		t.Errorf("got %v, want an error that is not permanent", err)
	}
	if n := len(rawLines(t, cfg.Path)); n != 0 {
		t.Errorf("%d lines are written", n)
	}
	if err := e.ConsumeLogs(t.Context(), events("small")); err != nil {
		t.Error(err)
	}
	lines.Add(-(maxLineBytesInFlight - roomStep))
	if err := e.ConsumeLogs(t.Context(), ld); err != nil {
		t.Error(err)
	}
	if n := lines.Load(); n != 0 {
		t.Errorf("%d bytes are still counted", n)
	}
}

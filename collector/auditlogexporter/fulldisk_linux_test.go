package auditlogexporter

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/disktest"
)

// TestWhatAFullDiskTookInPartIsNotDoubled sends requests that the disk has room
// for in part only, again and again as a client does, until it gets larger.
func TestWhatAFullDiskTookInPartIsNotDoubled(t *testing.T) {
	for _, signal := range []string{"logs", "traces"} {
		t.Run(signal, func(t *testing.T) {
			disk := disktest.NewTmpfs(t, "256K")
			cfg := newConfig(t)
			cfg.Path = filepath.Join(disk.Dir, "audit.jsonl")
			var want []string
			for n := range 1000 {
				want = append(want, fmt.Sprintf("event.%04d.%s", n, strings.Repeat("x", 300)))
			}
			var send func() error
			if signal == "traces" {
				e := startTraces(t, cfg)
				send = func() error { return e.ConsumeTraces(t.Context(), mixedSpans(want)) }
			} else {
				e := startLogs(t, cfg)
				send = func() error { return e.ConsumeLogs(t.Context(), events(want...)) }
			}
			partly := 0
			for range 3 {
				err := send()
				if !errors.Is(err, syscall.ENOSPC) || consumererror.IsPermanent(err) {
					t.Fatalf("got %v, want ENOSPC, not permanent", err)
				}
				if _, ok := errors.AsType[*auditlog.BatchError](err); ok {
					partly++
				}
			}
			if partly == 0 {
				t.Fatal("the disk took nothing in part: the test shows nothing")
			}
			disk.Resize(t, "64M")
			if err := send(); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, line := range decodedLines(t, cfg.Path) {
				name, ok := line["otelaudit.span.name"].(string)
				if !ok {
					name = line["event"].(string)
				}
				if !strings.HasPrefix(name, "auditlog_") {
					got = append(got, name)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("got %d events, want %d, each once and in order", len(got), len(want))
			}
		})
	}
}

// mixedSpans has a span that is no event before each that is.
func mixedSpans(names []string) ptrace.Traces {
	td := ptrace.NewTraces()
	spans := td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans()
	for _, name := range names {
		spans.AppendEmpty().SetName("no event")
		s := spans.AppendEmpty()
		s.SetName(name)
		s.Attributes().PutStr("llm.request.type", "chat")
	}
	return td
}

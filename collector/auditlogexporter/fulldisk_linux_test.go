package auditlogexporter

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/collector/auditlogexporter/internal/metadata"
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

// TestAGroupThatIsTriedAgainAsItIsIsNotDoubled has a queue that puts requests
// together, with retries of its own as the README asks for: what the disk took of a
// group is left out when that group comes again.
func TestAGroupThatIsTriedAgainAsItIsIsNotDoubled(t *testing.T) {
	disk := disktest.NewTmpfs(t, "256K")
	cfg := newConfig(t)
	cfg.Path = filepath.Join(disk.Dir, "audit.jsonl")
	queue := cfg.Queue.GetOrInsertDefault()
	queue.WaitForResult = true
	batch := queue.Batch.GetOrInsertDefault()
	batch.FlushTimeout, batch.MinSize = 10*time.Millisecond, 1000
	cfg.Retry.Enabled, cfg.Retry.MaxElapsedTime = true, 0
	cfg.Retry.InitialInterval, cfg.Retry.MaxInterval = 10*time.Millisecond, 10*time.Millisecond
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	core, logged := observer.New(zap.InfoLevel)
	settings := exportertest.NewNopSettings(metadata.Type)
	settings.Logger = zap.New(core)
	e, err := NewFactory().CreateLogs(t.Context(), settings, cfg)
	if err != nil {
		t.Fatal(err)
	}
	startComponent(t, e)

	var want []string
	var senders sync.WaitGroup
	for n := range 10 {
		var names []string
		for i := range 100 {
			names = append(names, fmt.Sprintf("event.%04d.%s", 100*n+i, strings.Repeat("x", 300)))
		}
		want = append(want, names...)
		senders.Go(func() {
			if err := e.ConsumeLogs(t.Context(), events(names...)); err != nil {
				t.Error(err)
			}
		})
	}
	partly := func(entry observer.LoggedEntry) bool {
		return strings.Contains(fmt.Sprint(entry.ContextMap()["error"]), "only the first")
	}
	for deadline := time.Now().Add(10 * time.Minute); logged.Filter(partly).Len() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			disk.Resize(t, "64M")
			t.Fatal("the disk took nothing in part: the test shows nothing")
		}
	}
	disk.Resize(t, "64M")
	senders.Wait()
	got := slices.DeleteFunc(namesOf(decodedLines(t, cfg.Path)), func(name string) bool { return strings.HasPrefix(name, "auditlog_") })
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got %d events, want %d, each once", len(got), len(want))
	}
}

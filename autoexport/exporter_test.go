package autoexport

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	contrib "go.opentelemetry.io/contrib/exporters/autoexport"
	otellog "go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otelaudit/otelaudit/auditlog"
)

// newFromEnv is what a program does that knows no exporter by name.
func newFromEnv(t *testing.T) sdklog.Exporter {
	t.Helper()
	t.Setenv("OTEL_LOGS_EXPORTER", "auditlog")
	exp, err := contrib.NewLogExporter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return exp
}

// emitOne emits a record through a provider of its own and shuts that down.
func emitOne(t *testing.T, exp sdklog.Exporter) {
	t.Helper()
	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewSimpleProcessor(exp)))
	var r otellog.Record
	r.SetEventName("nav")
	provider.Logger("app").Emit(t.Context(), r)
	if err := provider.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func eventsOf(t *testing.T, path string) (names []string) {
	t.Helper()
	log, err := auditlog.NewReader(path)
	if err != nil {
		t.Fatal(err)
	}
	for entry, err := range log.Query(t.Context(), auditlog.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		event, err := entry.Event()
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, event.Name)
	}
	return names
}

func TestTheEnvironmentChoosesTheAuditLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "logs", "audit.jsonl")
	t.Setenv("OTELAUDIT_PATH", path)
	emitOne(t, newFromEnv(t))
	if got := eventsOf(t, path); len(got) != 1 || got[0] != "nav" {
		t.Errorf("got events %q, want nav", got)
	}
}

func TestWithoutAPathItIsTheDefaultOne(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	t.Setenv("OTELAUDIT_PATH", "")
	emitOne(t, newFromEnv(t))
	if got := eventsOf(t, filepath.Join(home, ".scout", "audit.jsonl")); len(got) != 1 {
		t.Errorf("got events %q, want one", got)
	}
}

// TestShutdownClosesTheLog is what the exporter of package exporter does not
// do.
func TestShutdownClosesTheLog(t *testing.T) {
	t.Setenv("OTELAUDIT_PATH", filepath.Join(t.TempDir(), "audit.jsonl"))
	exp := newFromEnv(t)
	log := exp.(*owner).log
	if err := log.Append(t.Context(), auditlog.Event{Name: "nav"}); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_ = exp.Shutdown(ended) // the sync may not have been waited for
	if err := log.Append(t.Context(), auditlog.Event{Name: "nav"}); !errors.Is(err, auditlog.ErrClosed) {
		t.Errorf("append after Shutdown: got %v, want auditlog.ErrClosed", err)
	}
	if err := exp.Export(t.Context(), []sdklog.Record{{}}); !errors.Is(err, sdklog.ErrExporterShutdown) {
		t.Errorf("export after Shutdown: got %v, want sdklog.ErrExporterShutdown", err)
	}
	if err := exp.Shutdown(t.Context()); err != nil {
		t.Errorf("second Shutdown: %v", err)
	}
}

func TestALogThatCannotBeOpenedIsAnError(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("OTELAUDIT_PATH", dir)
	t.Setenv("OTEL_LOGS_EXPORTER", "auditlog")
	exp, err := contrib.NewLogExporter(t.Context())
	if err == nil || !strings.Contains(err.Error(), dir) || !strings.HasPrefix(err.Error(), "autoexport: ") {
		t.Errorf("got exporter %v and error %v, want an error of autoexport that names %s", exp, err, dir)
	}
}

func TestAnEndedContextOpensNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	t.Setenv("OTELAUDIT_PATH", path)
	t.Setenv("OTEL_LOGS_EXPORTER", "auditlog")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := contrib.NewLogExporter(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Errorf("%s was made", path)
	}
}

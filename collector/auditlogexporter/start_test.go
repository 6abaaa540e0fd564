package auditlogexporter

import (
	"path/filepath"
	"testing"

	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/otelaudit/otelaudit/collector/auditlogexporter/internal/metadata"
)

// TestTheFileIsNamedAtTheStart logs the whole path once, though the configuration
// has a shorter one and is in two pipelines.
func TestTheFileIsNamedAtTheStart(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	cfg := newConfig(t)
	cfg.Path = "~/audit.jsonl"
	core, seen := observer.New(zapcore.InfoLevel)
	set := exportertest.NewNopSettings(metadata.Type)
	set.Logger = zap.New(core)
	logs, err := NewFactory().CreateLogs(t.Context(), set, cfg)
	if err != nil {
		t.Fatal(err)
	}
	traces, err := NewFactory().CreateTraces(t.Context(), set, cfg)
	if err != nil {
		t.Fatal(err)
	}
	startComponent(t, logs)
	startComponent(t, traces)
	lines := seen.FilterMessage("writing the audit log").All()
	if len(lines) != 1 || lines[0].ContextMap()["path"] != filepath.Join(home, "audit.jsonl") {
		t.Errorf("got %v, want one line with the path", lines)
	}
}

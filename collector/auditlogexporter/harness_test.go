package auditlogexporter

import (
	"context"
	"encoding/json"
	"path/filepath"
	"testing"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	collectorexporter "go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/collector/auditlogexporter/internal/metadata"
	"github.com/otelaudit/otelaudit/internal/audittest"
)

// newConfig returns the default configuration with a path of its own.
func newConfig(t testing.TB) *Config {
	t.Helper()
	cfg := createDefaultConfig().(*Config)
	cfg.Path = filepath.Join(t.TempDir(), "audit.jsonl")
	cfg.SessionID = "collector"
	return cfg
}

// startLogs starts an exporter of logs and stops it when the test ends.
func startLogs(t testing.TB, cfg *Config) collectorexporter.Logs {
	t.Helper()
	e, err := NewFactory().CreateLogs(t.Context(), exportertest.NewNopSettings(metadata.Type), cfg)
	if err != nil {
		t.Fatal(err)
	}
	startComponent(t, e)
	return e
}

// startTraces is startLogs for spans.
func startTraces(t testing.TB, cfg *Config) collectorexporter.Traces {
	t.Helper()
	e, err := NewFactory().CreateTraces(t.Context(), exportertest.NewNopSettings(metadata.Type), cfg)
	if err != nil {
		t.Fatal(err)
	}
	startComponent(t, e)
	return e
}

func startComponent(t testing.TB, c component.Component) {
	t.Helper()
	if err := c.Start(t.Context(), componenttest.NewNopHost()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, c) })
}

func stop(t testing.TB, c component.Component) {
	t.Helper()
	if err := c.Shutdown(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
}

// rawLines returns the lines of a log and holds each against FORMAT.md.
func rawLines(t testing.TB, path string) (lines []string) {
	t.Helper()
	reader, err := auditlog.NewReader(path)
	if err != nil {
		t.Fatal(err)
	}
	for e, err := range reader.Query(t.Context(), auditlog.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if err := audittest.CheckLine(e.Raw); err != nil {
			t.Errorf("not a line of FORMAT.md: %v: %s", err, e.Raw)
		}
		lines = append(lines, string(e.Raw))
	}
	return lines
}

// decodedLines returns the lines of a log as encoding/json reads them.
func decodedLines(t testing.TB, path string) (lines []map[string]any) {
	t.Helper()
	for _, raw := range rawLines(t, path) {
		var line map[string]any
		if err := json.Unmarshal([]byte(raw), &line); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	return lines
}

// events returns logs with a record for each name.
func events(names ...string) plog.Logs {
	ld := plog.NewLogs()
	list := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	for _, name := range names {
		list.AppendEmpty().SetEventName(name)
	}
	return ld
}

// namesOf returns the events of lines.
func namesOf(lines []map[string]any) (names []string) {
	for _, line := range lines {
		names = append(names, line["event"].(string))
	}
	return names
}

// put makes a record what one of the SDK says; its attributes are scalars.
func put(to plog.LogRecord, from *sdklog.Record) {
	to.SetTimestamp(pcommon.NewTimestampFromTime(from.Timestamp()))
	to.SetObservedTimestamp(pcommon.NewTimestampFromTime(from.ObservedTimestamp()))
	to.SetEventName(from.EventName())
	to.SetSeverityNumber(plog.SeverityNumber(from.Severity()))
	to.SetTraceID(pcommon.TraceID(from.TraceID()))
	to.SetSpanID(pcommon.SpanID(from.SpanID()))
	to.SetFlags(plog.LogRecordFlags(from.TraceFlags()))
	from.WalkAttributes(func(kv attribute.KeyValue) bool {
		putAll(to.Attributes(), []attribute.KeyValue{kv})
		return true
	})
}

func putAll(to pcommon.Map, attrs []attribute.KeyValue) {
	for _, kv := range attrs {
		switch kv.Value.Type() {
		case attribute.STRING:
			to.PutStr(string(kv.Key), kv.Value.AsString())
		case attribute.INT64:
			to.PutInt(string(kv.Key), kv.Value.AsInt64())
		case attribute.FLOAT64:
			to.PutDouble(string(kv.Key), kv.Value.AsFloat64())
		case attribute.BOOL:
			to.PutBool(string(kv.Key), kv.Value.AsBool())
		}
	}
}

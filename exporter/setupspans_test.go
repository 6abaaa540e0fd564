package exporter_test

import (
	"context"
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/exporter"
)

// TestSetupWithSpans: the events of spans and of log records are in one log, options of
// both are taken, and a span that ends before shutdown is written.
func TestSetupWithSpans(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	shutdown, err := exporter.Setup(t.Context(), path,
		exporter.WithSpans(sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", "agent")))),
		exporter.WithSpanNames("my.call"), exporter.WithSources("cost", "my.price"), exporter.WithRecentTraces(10))
	if err != nil {
		t.Fatal(err)
	}
	ctx, agent := otel.Tracer("test").Start(t.Context(), "agent", trace.WithAttributes(named))
	exporter.Emit(ctx, otel.Logger("test"), auditlog.Event{Name: "note"})
	_, call := otel.Tracer("test").Start(ctx, "my.call", trace.WithAttributes(attribute.Float64("my.price", 0.5)))
	call.End()
	agent.End()
	for range 2 {
		if err := shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}
	r, err := auditlog.NewReader(path)
	if err != nil {
		t.Fatal(err)
	}
	var lines []map[string]any
	for e, err := range r.Query(t.Context(), auditlog.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		var line map[string]any
		if err := json.Unmarshal(e.Raw, &line); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	if diff := cmp.Diff([]string{"note s", "my.call s", "record of agent s"}, told(lines)); diff != "" {
		t.Fatalf("(-want +got):\n%s", diff)
	}
	service := lines[1]["otel"].(map[string]any)["resource"].(map[string]any)["attributes"].(map[string]any)["service.name"]
	if lines[1]["cost"] != 0.5 || service != "agent" {
		t.Errorf("got the cost %v and the service %v, want 0.5 and agent", lines[1]["cost"], service)
	}
	if _, err := exporter.Setup(t.Context(), path, exporter.WithSpans(), exporter.WithRecentTraces(-1)); err == nil {
		t.Error("an option of spans that is wrong gave no error")
	}
}

package exporter_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/exporter"
	"github.com/otelaudit/otelaudit/internal/audittest"
)

// emitter is what is known of the records and spans of one program or library,
// and where that is written.
type emitter struct {
	Emitter string          `json:"emitter"`
	Sources []string        `json:"sources"`
	Vectors []emitterVector `json:"vectors"`
}

// emitterVector is a vector whose record may be a span instead, and may give
// no line at all.
type emitterVector struct {
	vector

	Span json.RawMessage `json:"span"`
	None bool            `json:"none"`
}

// TestEachEmitterGivesItsFields sends what real emitters send through the SDK:
// records through the processor, spans through the span processor.
func TestEachEmitterGivesItsFields(t *testing.T) {
	files, err := filepath.Glob("testdata/emitters/*.json")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("there are no emitters")
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var e emitter
		if err := json.Unmarshal(text, &e); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if len(e.Sources) == 0 || len(e.Vectors) == 0 {
			t.Errorf("%s has %d sources and %d vectors, want some of each", file, len(e.Sources), len(e.Vectors))
		}
		t.Run(e.Emitter, func(t *testing.T) {
			for _, v := range e.Vectors {
				t.Run(v.Name, func(t *testing.T) { v.check(t) })
			}
		})
	}
}

func (v *emitterVector) check(t *testing.T) {
	log := audittest.Open(t, filepath.Join(t.TempDir(), "audit.jsonl"), auditlog.WithSessionID("process"))
	sent := v.LogRecord
	if v.Span != nil {
		sent = v.Span
		endOTLP(t, log, v.Span, v.Scope, v.Resource)
	} else {
		exp, err := exporter.New(log)
		if err != nil {
			t.Fatal(err)
		}
		emitOTLP(t, exporter.NewProcessor(exp), v.LogRecord, v.Scope, v.Resource)
	}
	if v.None {
		if lines := slices.DeleteFunc(decodedLines(t, log), isSpanRecord); len(lines) != 0 {
			t.Errorf("got %v, want no line", lines)
		}
		return
	}
	if len(v.Expect) == 0 {
		t.Fatal("the vector expects nothing")
	}
	line := onlyLine(t, log)
	v.holdFor(t, line)
	keepsEachAttribute(t, line, sent)
}

// keepsEachAttribute holds a line to have each key that was sent, wherever.
func keepsEachAttribute(t *testing.T, line map[string]any, sent []byte) {
	t.Helper()
	var record struct {
		Attributes []struct{ Key string }
	}
	if err := json.Unmarshal(sent, &record); err != nil {
		t.Fatal(err)
	}
	displaced, _ := line["otel"].(map[string]any)["attributes"].(map[string]any)
	for _, kv := range record.Attributes {
		_, top := line[kv.Key]
		if _, below := displaced[kv.Key]; !top && !below {
			t.Errorf("attribute %s is not on the line", kv.Key)
		}
	}
}

// endOTLP makes a span that is given as OTLP/JSON, and ends it.
func endOTLP(t *testing.T, log *auditlog.Log, spanJSON, scopeJSON, resourceJSON []byte) {
	t.Helper()
	var in tracepb.Span
	var scope commonpb.InstrumentationScope
	var res resourcepb.Resource
	for _, part := range []struct {
		text []byte
		into proto.Message
	}{{spanJSON, &in}, {scopeJSON, &scope}, {resourceJSON, &res}} {
		if part.text == nil {
			continue
		}
		if err := protojson.Unmarshal(part.text, part.into); err != nil {
			t.Fatal(err)
		}
	}
	p, err := exporter.NewSpanProcessor(log)
	if err != nil {
		t.Fatal(err)
	}
	tracers := sdktrace.NewTracerProvider(
		sdktrace.WithSpanProcessor(p), sdktrace.WithResource(resource.NewSchemaless(fromOTLP(res.GetAttributes())...)))
	_, span := tracers.Tracer(scope.GetName()).Start(t.Context(), in.GetName(),
		trace.WithTimestamp(time.Unix(0, int64(in.GetStartTimeUnixNano()))), trace.WithAttributes(fromOTLP(in.GetAttributes())...))
	if in.GetStatus().GetCode() == tracepb.Status_STATUS_CODE_ERROR {
		span.SetStatus(codes.Error, in.GetStatus().GetMessage())
	}
	span.End(trace.WithTimestamp(time.Unix(0, int64(in.GetEndTimeUnixNano()))))
	if err := tracers.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
}

package exporter_test

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/trace"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// vector is a record as an emitter sends it, in OTLP/JSON, and what its line
// must hold.
type vector struct {
	Name      string          `json:"name"`
	LogRecord json.RawMessage `json:"logRecord"`
	Scope     json.RawMessage `json:"scope"`
	Resource  json.RawMessage `json:"resource"`
	Expect    map[string]any  `json:"expect"`
	Absent    []string        `json:"absent"`
	Derived   *[]string       `json:"derived"` // nil: not said
}

// TestEachVectorGivesItsLine sends the records through the SDK and the
// exporter.
func TestEachVectorGivesItsLine(t *testing.T) {
	text, err := os.ReadFile("testdata/records.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors) == 0 {
		t.Fatal("there are no vectors")
	}
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			exp, log := newExporter(t)
			emitOTLP(t, sdklog.NewSimpleProcessor(exp), v.LogRecord, v.Scope, v.Resource)
			v.holdFor(t, onlyLine(t, log))
		})
	}
}

// holdFor holds a line to what the vector says of it.
func (v *vector) holdFor(t *testing.T, line map[string]any) {
	t.Helper()
	for key, want := range v.Expect {
		if diff := cmp.Diff(want, line[key]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", key, diff)
		}
	}
	for _, key := range v.Absent {
		if got, ok := line[key]; ok {
			t.Errorf("%s is %v, want none", key, got)
		}
	}
	if v.Derived != nil {
		want, got := slices.Sorted(slices.Values(*v.Derived)), slices.Sorted(slices.Values(derivedOf(line)))
		if !slices.Equal(want, got) {
			t.Errorf("otel.derived is %q, want %q", got, want)
		}
	}
}

// emitOTLP emits a record that is given as OTLP/JSON.
func emitOTLP(t *testing.T, p sdklog.Processor, recordJSON, scopeJSON, resourceJSON []byte) {
	t.Helper()
	var in logspb.LogRecord
	var scope commonpb.InstrumentationScope
	var res resourcepb.Resource
	for _, part := range []struct {
		text []byte
		into proto.Message
	}{{fixIDs(t, recordJSON), &in}, {scopeJSON, &scope}, {resourceJSON, &res}} {
		if part.text == nil {
			continue
		}
		if err := protojson.Unmarshal(part.text, part.into); err != nil {
			t.Fatal(err)
		}
	}
	provider := sdklog.NewLoggerProvider(
		sdklog.WithProcessor(p), sdklog.WithResource(resource.NewSchemaless(fromOTLP(res.GetAttributes())...)))
	var out log.Record
	if ns := in.GetTimeUnixNano(); ns != 0 {
		out.SetTimestamp(time.Unix(0, int64(ns)))
	}
	if ns := in.GetObservedTimeUnixNano(); ns != 0 {
		out.SetObservedTimestamp(time.Unix(0, int64(ns)))
	}
	out.SetEventName(in.GetEventName())
	out.SetSeverity(log.Severity(in.GetSeverityNumber()))
	out.SetBody(valueFromOTLP(in.GetBody()))
	out.AddAttributes(fromOTLP(in.GetAttributes())...)
	var span trace.SpanContextConfig
	copy(span.TraceID[:], in.GetTraceId())
	copy(span.SpanID[:], in.GetSpanId())
	span.TraceFlags = trace.TraceFlags(in.GetFlags())
	ctx := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(span))
	provider.Logger(scope.GetName()).Emit(ctx, out)
	if err := provider.Shutdown(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
}

// fixIDs turns the hexadecimal ids of OTLP/JSON into the base64 that the JSON
// of protobuf has.
func fixIDs(t *testing.T, text []byte) []byte {
	t.Helper()
	var record map[string]any
	if err := json.Unmarshal(text, &record); err != nil {
		t.Fatal(err)
	}
	for key, decode := range map[string]func(string) ([]byte, error){
		"traceId": func(s string) ([]byte, error) { id, err := trace.TraceIDFromHex(s); return id[:], err },
		"spanId":  func(s string) ([]byte, error) { id, err := trace.SpanIDFromHex(s); return id[:], err },
	} {
		if id, ok := record[key].(string); ok {
			b, err := decode(id)
			if err != nil {
				t.Fatal(err)
			}
			record[key] = b // encoding/json writes base64
		}
	}
	fixed, err := json.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	return fixed
}

func fromOTLP(attrs []*commonpb.KeyValue) (list []attribute.KeyValue) {
	for _, kv := range attrs {
		list = append(list, attribute.KeyValue{Key: attribute.Key(kv.GetKey()), Value: valueFromOTLP(kv.GetValue())})
	}
	return list
}

func valueFromOTLP(v *commonpb.AnyValue) attribute.Value {
	switch v := v.GetValue().(type) {
	case *commonpb.AnyValue_StringValue:
		return attribute.StringValue(v.StringValue)
	case *commonpb.AnyValue_BoolValue:
		return attribute.BoolValue(v.BoolValue)
	case *commonpb.AnyValue_IntValue:
		return attribute.Int64Value(v.IntValue)
	case *commonpb.AnyValue_DoubleValue:
		return attribute.Float64Value(v.DoubleValue)
	case *commonpb.AnyValue_BytesValue:
		return attribute.ByteSliceValue(v.BytesValue)
	case *commonpb.AnyValue_ArrayValue:
		var list []attribute.Value
		for _, e := range v.ArrayValue.GetValues() {
			list = append(list, valueFromOTLP(e))
		}
		return attribute.SliceValue(list...)
	case *commonpb.AnyValue_KvlistValue:
		return attribute.MapValue(fromOTLP(v.KvlistValue.GetValues())...)
	}
	return attribute.Value{}
}

package exporter_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/exporter"
	"github.com/otelaudit/otelaudit/internal/audittest"
	"github.com/otelaudit/otelaudit/internal/emitters/file"
	"github.com/otelaudit/otelaudit/internal/otelline"
)

const emittersFolder = "../internal/emitters/"

// otlpRequest is a request of traces or logs as OTLP/JSON.
type otlpRequest struct {
	ResourceSpans, ResourceLogs []struct {
		Resource   struct{ Attributes []otlpAttribute }
		ScopeSpans []struct {
			Scope struct{ Name, Version string }
			Spans []otlpSpan
		}
		ScopeLogs []struct {
			Scope      struct{ Name, Version string }
			LogRecords []otlpRecord
		}
	}
}

type otlpAttribute struct {
	Key   string
	Value otlpValue
}

type otlpValue struct {
	StringValue *string
	BoolValue   *bool
	IntValue    json.RawMessage
	DoubleValue json.RawMessage
	ArrayValue  *struct{ Values []otlpValue }
	KvlistValue *struct{ Values []otlpAttribute }
}

type otlpSpan struct {
	TraceID, SpanID, ParentSpanID      string
	Name                               string
	StartTimeUnixNano, EndTimeUnixNano json.RawMessage
	Attributes                         []otlpAttribute
	Status                             struct {
		Code    int
		Message string
	}
	Events []struct {
		Name       string
		Attributes []otlpAttribute
	}
}

type otlpRecord struct {
	TraceID, SpanID                    string
	TimeUnixNano, ObservedTimeUnixNano json.RawMessage
	SeverityNumber                     int
	SeverityText, EventName            string
	Body                               otlpValue
	Attributes                         []otlpAttribute
}

func (v *otlpValue) value() attribute.Value {
	number := func(raw json.RawMessage) string { return strings.Trim(string(raw), `"`) }
	switch {
	case v.StringValue != nil:
		return attribute.StringValue(*v.StringValue)
	case v.BoolValue != nil:
		return attribute.BoolValue(*v.BoolValue)
	case v.IntValue != nil:
		n, _ := strconv.ParseInt(number(v.IntValue), 10, 64)
		return attribute.Int64Value(n)
	case v.DoubleValue != nil:
		n, _ := strconv.ParseFloat(number(v.DoubleValue), 64)
		return attribute.Float64Value(n)
	case v.ArrayValue != nil:
		list := make([]attribute.Value, len(v.ArrayValue.Values))
		for i := range list {
			list[i] = v.ArrayValue.Values[i].value()
		}
		return attribute.SliceValue(list...)
	case v.KvlistValue != nil:
		return attribute.MapValue(attributesOf(v.KvlistValue.Values)...)
	}
	return attribute.Value{}
}

func attributesOf(list []otlpAttribute) (attrs []attribute.KeyValue) {
	for i := range list {
		attrs = append(attrs, attribute.KeyValue{Key: attribute.Key(list[i].Key), Value: list[i].Value.value()})
	}
	return attrs
}

func timeOf(raw json.RawMessage) time.Time {
	n, _ := strconv.ParseInt(strings.Trim(string(raw), `"`), 10, 64)
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n)
}

func idOf[ID ~[8]byte | ~[16]byte](text string) (id ID) {
	raw, _ := hex.DecodeString(text)
	switch id := any(&id).(type) {
	case *[8]byte:
		copy(id[:], raw)
	case *[16]byte:
		copy(id[:], raw)
	}
	return id
}

// thrown are the exceptions of a span.
type thrown struct{ kind, message string }

func (e *thrown) Exception() (kind, message string, ok bool) { return e.kind, e.message, true }

func (s *otlpSpan) span() *otelline.Span {
	to := &otelline.Span{
		Name: s.Name, Attributes: attributesOf(s.Attributes), Start: timeOf(s.StartTimeUnixNano), End: timeOf(s.EndTimeUnixNano),
		Failed: s.Status.Code == 2, Status: s.Status.Message,
		TraceID: idOf[[16]byte](s.TraceID), SpanID: idOf[[8]byte](s.SpanID), ParentID: idOf[[8]byte](s.ParentSpanID),
	}
	for _, event := range s.Events {
		if !otelline.IsException(event.Name) {
			continue
		}
		e := new(thrown)
		for _, kv := range attributesOf(event.Attributes) {
			switch kv.Key {
			case otelline.KeyExceptionType:
				e.kind = kv.Value.AsString()
			case otelline.KeyExceptionMessage:
				e.message = kv.Value.AsString()
			}
		}
		to.Events = e
	}
	return to
}

// replayCapture writes what a capture holds, request by request, as the
// collector does, and returns the lines.
func replayCapture(t *testing.T, path string, opts ...exporter.Option) []map[string]any {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	audit := audittest.Open(t, filepath.Join(t.TempDir(), "audit.jsonl"), auditlog.WithSessionID("collector"))
	exp, err := exporter.New(audit, opts...)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, len(text)+1)
	for lines.Scan() {
		var request otlpRequest
		if err := json.Unmarshal(lines.Bytes(), &request); err != nil {
			t.Fatal(err)
		}
		batch := exp.NewBatch()
		batch.NameSenders()
		for _, r := range slices.Concat(request.ResourceSpans, request.ResourceLogs) {
			for _, s := range r.ScopeSpans {
				batch.SetOrigin(&otelline.Origin{ScopeName: s.Scope.Name, ScopeVersion: s.Scope.Version, ResourceAttributes: attributesOf(r.Resource.Attributes)})
				for i := range s.Spans {
					batch.AddSpan(s.Spans[i].span())
				}
			}
			for _, s := range r.ScopeLogs {
				batch.SetOrigin(&otelline.Origin{ScopeName: s.Scope.Name, ScopeVersion: s.Scope.Version, ResourceAttributes: attributesOf(r.Resource.Attributes)})
				for _, rec := range s.LogRecords {
					addRecord(batch, otelline.Record{
						Time: timeOf(rec.TimeUnixNano), Observed: timeOf(rec.ObservedTimeUnixNano), EventName: rec.EventName,
						Severity: log.Severity(rec.SeverityNumber), SeverityText: rec.SeverityText, Body: rec.Body.value(),
						TraceID: idOf[[16]byte](rec.TraceID), SpanID: idOf[[8]byte](rec.SpanID),
					}, attributesOf(rec.Attributes)...)
				}
			}
		}
		if err := batch.Write(t.Context()); err != nil {
			t.Fatal(err)
		}
		batch.Release()
	}
	return decodedLines(t, audit)
}

// meaning is what lines say of calls, each call_id once.
type meaning struct {
	Calls       int               `json:"calls"`
	Failed      int               `json:"failed"`
	Input       float64           `json:"input_t"`
	Output      float64           `json:"output_t"`
	CacheReads  float64           `json:"cache_read_t"`
	CacheWrites float64           `json:"cache_write_t"`
	Reasoning   float64           `json:"reasoning_t"`
	Cost        float64           `json:"cost,omitempty"`
	Sessions    map[string][3]int `json:"sessions,omitempty"` // calls, input and output
	// Joined says what a reader must join before the numbers are right; empty:
	// nothing.
	Joined string `json:"joined,omitempty"`
}

func meaningOf(lines []map[string]any) (m meaning) {
	m.Sessions = make(map[string][3]int)
	seen := make(map[string]bool)
	for _, line := range lines {
		id, ok := line["call_id"].(string)
		if !ok || !slices.Contains(derivedOf(line), "call_id") || seen[id] {
			continue
		}
		seen[id] = true
		number := func(key string) float64 { n, _ := line[key].(float64); return n }
		if line["failed"] == true {
			m.Failed++
			continue
		}
		m.Calls++
		m.Input += number("input_t")
		m.Output += number("output_t")
		m.CacheReads += number("cache_read_t")
		m.CacheWrites += number("cache_write_t")
		m.Reasoning += number("reasoning_t")
		m.Cost += number("cost")
		session := line["session_id"].(string)
		s := m.Sessions[session]
		m.Sessions[session] = [3]int{s[0] + 1, s[1] + int(number("input_t")), s[2] + int(number("output_t"))}
	}
	m.Cost = math.Round(m.Cost*1e9) / 1e9
	return m
}

// TestEmittersMeanWhatTheirModelsServed replays what real emitters sent against
// model servers whose answers are known.
func TestEmittersMeanWhatTheirModelsServed(t *testing.T) {
	text, err := os.ReadFile(emittersFolder + "testdata/expected.json")
	if err != nil {
		t.Fatal(err)
	}
	var expected map[string]meaning
	if err := json.Unmarshal(text, &expected); err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(expected)) {
		t.Run(name, func(t *testing.T) {
			lines := replayCapture(t, emittersFolder+"testdata/captures/"+name+".jsonl")
			want, got := expected[name], meaningOf(lines)
			for _, line := range lines {
				if line["session_id"] == "collector" {
					t.Errorf("a line has the session of the collector: %v", line)
				}
				if line["failed"] == true && line["reason"] == nil {
					t.Errorf("a failure has no reason: %v", line)
				}
			}
			if want.Joined != "" {
				return
			}
			for session := range got.Sessions {
				if _, named := want.Sessions[session]; !named {
					delete(got.Sessions, session)
				}
			}
			if want.Sessions == nil {
				want.Sessions = got.Sessions
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestEachEmitterIsRecognisedInItsCaptures: a file names the captures that its
// facts were checked with.
func TestEachEmitterIsRecognisedInItsCaptures(t *testing.T) {
	files, err := file.LoadAll(emittersFolder + "data")
	if err != nil {
		t.Fatal(err)
	}
	checked := make(map[string]bool)
	for _, f := range files {
		for _, c := range f.Checked {
			if c.Capture == "" {
				continue
			}
			checked[c.Capture] = true
			lines := replayCapture(t, emittersFolder+"testdata/captures/"+c.Capture+".jsonl")
			of := func(line map[string]any) bool {
				name, _ := line["otel"].(map[string]any)["emitter"].(string)
				return name == f.Name || f.Name == "conventions" && name == ""
			}
			if !slices.ContainsFunc(lines, of) && f.Name != "langgraph" && f.Name != "logfire" {
				t.Errorf("%s: no line of capture %s is of that emitter", f.Name, c.Capture)
			}
		}
	}
	captures, err := filepath.Glob(emittersFolder + "testdata/captures/*.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range captures {
		if name := strings.TrimSuffix(filepath.Base(path), ".jsonl"); !checked[name] && name != "opencode-both" {
			t.Errorf("no emitter names capture %s", name)
		}
	}
}

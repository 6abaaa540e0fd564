package exporter_test

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"pgregory.net/rapid"

	"github.com/otelaudit/otelaudit/exporter"
	"github.com/otelaudit/otelaudit/internal/otelline"
	"github.com/otelaudit/otelaudit/internal/recordtest"
	"github.com/otelaudit/otelaudit/internal/recordtest/random"
)

// partsOf returns a record of the SDK as a batch takes it.
func partsOf(r *sdklog.Record) (origin otelline.Origin, record otelline.Record, attrs []attribute.KeyValue) {
	scope := r.InstrumentationScope()
	record.Read(r)
	r.WalkAttributes(func(kv attribute.KeyValue) bool {
		attrs = append(attrs, kv)
		return true
	})
	return otelline.OriginOf(&scope, r.Resource()), record, attrs
}

func addRecord(batch *exporter.Batch, record otelline.Record, attrs ...attribute.KeyValue) {
	*batch.Record() = record
	list := batch.Attributes()
	for _, kv := range attrs {
		list.AddAny(kv)
	}
	batch.AddRecord()
}

// TestABatchWritesTheLineOfTheSDKsRecord compares the lines of random records
// that go both ways.
func TestABatchWritesTheLineOfTheSDKsRecord(t *testing.T) {
	exp, log := newExporter(t, exporter.WithoutRecordUID())
	rapid.Check(t, func(rt *rapid.T) {
		var c recordtest.Capturer
		random.Emit(rt, &c)
		if err := exp.Export(t.Context(), c.Records); err != nil {
			rt.Fatal(err)
		}
		batch := exp.NewBatch()
		defer batch.Release()
		origin, record, attrs := partsOf(&c.Records[0])
		batch.SetOrigin(&origin)
		addRecord(batch, record, attrs...)
		if err := batch.Write(t.Context()); err != nil {
			rt.Fatal(err)
		}
		last, err := log.LastEvents(t.Context(), 2, "")
		if err != nil || len(last) != 2 {
			rt.Fatal(last, err)
		}
		// Without another id, each line of a call has an id of its own.
		made := regexp.MustCompile(`"call_id":"[0-9a-f-]{36}"`)
		if want, got := made.ReplaceAllString(string(last[0].Raw), ""), made.ReplaceAllString(string(last[1].Raw), ""); got != want {
			rt.Fatalf("got\n%s\nwant\n%s", got, want)
		}
	})
}

// TestASkippedLineIsNotWritten counts lines, of which a span may have none.
func TestASkippedLineIsNotWritten(t *testing.T) {
	exp, log := newExporter(t)
	batch := exp.NewBatch()
	defer batch.Release()
	batch.SetOrigin(&otelline.Origin{})
	batch.Skip(2)
	for n := range 3 {
		batch.AddSpan(&otelline.Span{Name: "no call of a model", Attributes: []attribute.KeyValue{attribute.Int("n", n)}})
		batch.AddSpan(&otelline.Span{Name: strconv.Itoa(n), Attributes: []attribute.KeyValue{attribute.String("llm.request.type", "chat")}})
	}
	addRecord(batch, otelline.Record{EventName: "nav"})
	if err := batch.WriteToDisk(t.Context()); err != nil {
		t.Fatal(err)
	}
	lines := rawLines(t, log)
	if len(lines) != 2 || !strings.Contains(lines[0], `"otelaudit.span.name":"2"`) || !strings.Contains(lines[1], `"event":"nav"`) {
		t.Errorf("got %q, want span 2 and nav", lines)
	}
}

// TestRepeatedKeysOfAnOriginAreKept: no set of the SDK has them.
func TestRepeatedKeysOfAnOriginAreKept(t *testing.T) {
	exp, log := newExporter(t)
	batch := exp.NewBatch()
	defer batch.Release()
	twice := []attribute.KeyValue{attribute.Int("a", 1), attribute.Int("a", 2)}
	batch.SetOrigin(&otelline.Origin{ScopeAttributes: twice, ResourceAttributes: slices.Clone(twice)})
	addRecord(batch, otelline.Record{})
	if err := batch.Write(t.Context()); err != nil {
		t.Fatal(err)
	}
	const want = `"scope":{"attributes":{"kvlistValue":{"values":[{"key":"a","value":1},{"key":"a","value":2}]}}},` +
		`"resource":{"attributes":{"kvlistValue":{"values":[{"key":"a","value":1},{"key":"a","value":2}]}}}`
	if line := rawLines(t, log)[0]; !strings.Contains(line, want) {
		t.Errorf("got %s, want %s in it", line, want)
	}
}

package otelline_test

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelaudit/otelaudit/internal/otelline"
)

// lineOf returns the line of attrs.
func lineOf(a *otelline.Attributes) string {
	l := otelline.Line{Attributes: a, Event: "e", Time: time.Unix(0, 0)}
	return string(l.Append(nil, &otelline.Record{}))
}

// TestTheRecordBeforeDoesNotShow encodes records whose keys are those of the
// record before, others of the same number, some of them repeated, spelled with
// escapes, invalid or long, or more than are remembered: each with Attributes of
// its own, and all with the same ones.
func TestTheRecordBeforeDoesNotShow(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	table := otelline.NewKeyTable("gen_ai.request.model")
	keys := []string{
		"", "a", "b", "c", "session_id", "cost", "otel", "ts", "log.record.uid", "gen_ai.request.model", "model",
		"say \"so\"", "bad \xff", "bad \ufffd", "ü", strings.Repeat("long", 100), strings.Repeat("k", 128),
	}
	for n := range 400 {
		keys = append(keys, "key."+strconv.Itoa(n))
	}
	values := []attribute.Value{
		attribute.StringValue("text"), attribute.Int64Value(7), attribute.Float64Value(0.5), attribute.BoolValue(true), {},
		attribute.StringSliceValue([]string{"x", "y"}), attribute.MapValue(attribute.Bool("deep", true)), attribute.ByteSliceValue([]byte("bytes")),
	}
	shared := otelline.NewAttributes(table)
	var record []attribute.KeyValue
	for range 5_000 {
		switch random.IntN(4) {
		case 0: // another record
			record = make([]attribute.KeyValue, random.IntN(80)*random.IntN(2)+random.IntN(4))
			for i := range record {
				record[i].Key = attribute.Key(keys[random.IntN(len(keys))])
			}
		case 1: // one key is another
			if len(record) > 0 {
				record[random.IntN(len(record))].Key = attribute.Key(keys[random.IntN(20)])
			}
		case 2:
			if random.IntN(10) == 0 {
				shared.Reset()
			}
		case 3: // one without any, before one like the last
			if random.IntN(4) == 0 {
				shared.ReadList(nil, nil)
			}
		}
		for i := range record {
			record[i].Value = values[random.IntN(len(values))]
		}
		own := otelline.NewAttributes(table)
		own.ReadList(record, nil)
		shared.ReadList(record, nil)
		if got, want := lineOf(shared), lineOf(own); got != want {
			t.Fatalf("got\n%s\nwant\n%s", got, want)
		}
	}
}

// TestAHookMayTakeAttributesAway or turn scalars into lists and back.
func TestAHookMayTakeAttributesAway(t *testing.T) {
	a := otelline.NewAttributes(otelline.NewKeyTable())
	list := []attribute.KeyValue{
		attribute.String("gone", "x"), attribute.StringSlice("list", []string{"p", "q"}), attribute.String("text", "t"),
		attribute.String("gone", "y"), attribute.Int("n", 1),
	}
	for range 2 { // the second time the keys are those of the record before
		a.ReadList(list, func(kv attribute.KeyValue) attribute.KeyValue {
			switch kv.Key {
			case "gone":
				return attribute.KeyValue{}
			case "list":
				return attribute.String("list", strings.Join(kv.Value.AsStringSlice(), "+"))
			case "text":
				return attribute.StringSlice("text", []string{kv.Value.AsString(), "u"})
			}
			return kv
		})
		const want = `{"ts":"1970-01-01T00:00:00.000Z","event":"e","list":"p+q","text":["t","u"],"n":1,"otel":{"event_name":""}}` + "\n"
		if got := lineOf(a); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

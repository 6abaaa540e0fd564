package otelline_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otelaudit/otelaudit/internal/otelline"
)

func decode(t *testing.T, line string) sdklog.Record {
	t.Helper()
	r, err := otelline.NewDecoder(otelline.DecoderConfig{}).Decode([]byte(line), 0)
	if err != nil {
		t.Fatalf("decode %s: %v", line, err)
	}
	return r
}

// attributesOf returns the attributes as their types and texts, which compares
// and reads well.
func attributesOf(r *sdklog.Record) map[string]string {
	attrs := make(map[string]string)
	r.WalkAttributes(func(kv attribute.KeyValue) bool {
		attrs[string(kv.Key)] += kv.Value.Type().String() + " " + kv.Value.String() + ";"
		return true
	})
	return attrs
}

// TestALineOfAnotherWriterBecomesARecord is the second half of FORMAT.md
// section 6.
func TestALineOfAnotherWriterBecomesARecord(t *testing.T) {
	r := decode(t, ` { "ts": "2026-02-13T15:30:22.123456+01:00", "event": "nav", "session_id": "s", "cost": 3e-06,`+
		` "model": "m", "input_t": 42, "output_t": 28, "files": ["a.py"], "confidence": 87, "extra": {"intValue": "9007199254740993"},`+
		` "trace_id": "5B8EFFF798038103D269B633813FC60C", "span_id": "0000000000000000", "": 1 }`)
	want := map[string]string{
		"session.id": "STRING s;", "cost": "FLOAT64 3e-06;", "gen_ai.request.model": "STRING m;",
		"gen_ai.usage.input_tokens": "INT64 42;", "gen_ai.usage.output_tokens": "INT64 28;",
		"files": `SLICE ["a.py"];`, "confidence": "INT64 87;", "extra": `MAP {"intValue":"9007199254740993"};`,
		"span_id": "STRING 0000000000000000;", "(empty key)": "INT64 1;",
	}
	got := attributesOf(&r)
	uid := got["log.record.uid"]
	delete(got, "log.record.uid")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(uid, "STRING ") || uid[len("STRING ")+14] != '5' {
		t.Errorf("got uid %q, want a UUIDv5", uid)
	}
	at := time.Date(2026, 2, 13, 14, 30, 22, 123_456_000, time.UTC)
	if r.EventName() != "nav" || !r.Timestamp().Equal(at) || !r.ObservedTimestamp().Equal(at) {
		t.Errorf("got event %q at %v, observed %v", r.EventName(), r.Timestamp(), r.ObservedTimestamp())
	}
	if got := r.TraceID().String(); got != "5b8efff798038103d269b633813fc60c" {
		t.Errorf("got trace %s", got)
	}
	if r.Severity() != 0 || r.Body().Type() != attribute.EMPTY {
		t.Errorf("got severity %v and body %v, want none", r.Severity(), r.Body())
	}
	service, _ := r.Resource().Set().Value("service.name")
	if r.Resource().Len() != 1 || service.AsString() != otelline.DefaultServiceName {
		t.Errorf("got resource %v", r.Resource())
	}
}

func TestTheTargetKeyOfALineKeepsItsPlace(t *testing.T) {
	r := decode(t, `{"session_id":"a","session.id":"b","model":"c","gen_ai.request.model":"d"}`)
	got := attributesOf(&r)
	delete(got, "log.record.uid")
	want := map[string]string{
		"session_id": "STRING a;", "session.id": "STRING b;", "model": "STRING c;", "gen_ai.request.model": "STRING d;",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
}

// TestFieldsAreAttributesUnderTheirOwnNamesIfAskedFor: a derived field, unless the
// record has an attribute of that name, and those that a foreign line's record has
// under other names.
func TestFieldsAreAttributesUnderTheirOwnNamesIfAskedFor(t *testing.T) {
	d := otelline.NewDecoder(otelline.DecoderConfig{Derived: true})
	for line, want := range map[string]map[string]string{
		`{"event":"chat","session_id":"s","cost":0.5,"model":"m","input_t":7,"cost_usd":0.5,"otel":{"derived":["session_id","cost","model","input_t"],"attributes":{"model":true}}}`: {
			"session.id": "STRING s;", "cost": "FLOAT64 0.5;", "input_t": "INT64 7;", "cost_usd": "FLOAT64 0.5;", "model": "BOOL true;",
		},
		`{"event":"nav","session_id":"s","cost":0.5,"model":"m","input_t":7,"log.record.uid":"u"}`: {
			"session.id": "STRING s;", "cost": "FLOAT64 0.5;", "input_t": "INT64 7;", "model": "STRING m;", "log.record.uid": "STRING u;",
		},
	} {
		r, err := d.Decode([]byte(line), 0)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, attributesOf(&r)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", line, diff)
		}
	}
}

// TestTheUIDOfAForeignLineNamesItsBytesAndItsPlace fixes the value: it must be
// the same in every version.
func TestTheUIDOfAForeignLineNamesItsBytesAndItsPlace(t *testing.T) {
	d := otelline.NewDecoder(otelline.DecoderConfig{})
	uid := func(line string, offset int64) string {
		r, err := d.Decode([]byte(line), offset)
		if err != nil {
			t.Fatal(err)
		}
		return attributesOf(&r)["log.record.uid"]
	}
	if got, want := uid(`{"event":"nav"}`, 0), "STRING d67c5d4e-5bc0-55bd-a545-16c4e1e4e9c4;"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if uid(`{"event":"nav"}`, 0) == uid(`{"event":"nav"}`, 16) || uid(`{"event":"nav"}`, 0) == uid(`{"event":"brief"}`, 0) {
		t.Error("it does not depend on bytes and offset")
	}
	if got := uid(`{"log.record.uid":7}`, 0); got != "INT64 7;" {
		t.Errorf("got %s, want the line's own", got)
	}
}

// TestAnEnvelopeThatIsNoneIsAnAttribute covers each member of otel.
func TestAnEnvelopeThatIsNoneIsAnAttribute(t *testing.T) {
	for _, otel := range []string{
		`1`, `"x"`, `null`, `[]`,
		`{"time_unix_nano":1}`, `{"time_unix_nano":"01"}`, `{"observed_time_unix_nano":"x"}`, `{"event_name":1}`,
		`{"severity_number":"9"}`, `{"severity_number":9.5}`, `{"severity_text":9}`, `{"dropped_attributes_count":-1}`,
		`{"derived":"model"}`, `{"derived":[1]}`, `{"attributes":[]}`, `{"scope":"x"}`, `{"resource":[]}`,
		`{"scope":{"name":1}}`, `{"scope":{"attributes":1}}`, `{"resource":{"attributes":[]}}`, `{"resource":{"schema_url":null}}`,
	} {
		r := decode(t, `{"event":"nav","otel":`+otel+`}`)
		if _, ok := attributesOf(&r)["otel"]; !ok {
			t.Errorf("otel %s is not an attribute", otel)
		}
	}
	// What a later version adds is no reason.
	r := decode(t, `{"event":"nav","session_id":"s","otel":{"later":1,"derived":["session_id","later"],"severity_number":9}}`)
	if got := attributesOf(&r); r.Severity() != 9 || len(got) != 1 || got["session.id"] != "STRING s;" {
		t.Errorf("got severity %v and attributes %v", r.Severity(), got)
	}
}

// TestWrappersCountInTheirFormOnly is FORMAT.md section 3, read.
func TestWrappersCountInTheirFormOnly(t *testing.T) {
	for value, want := range map[string]string{
		`{"intValue":"9007199254740993"}`:       "INT64 9007199254740993;",
		`{"intValue":"-9223372036854775808"}`:   "INT64 -9223372036854775808;",
		`{"intValue":"5"}`:                      `MAP {"intValue":"5"};`,
		`{"intValue":9007199254740993}`:         `MAP {"intValue":9007199254740993};`,
		`{"intValue":"9007199254740993","b":1}`: `MAP {"b":1,"intValue":"9007199254740993"};`,
		`{"doubleValue":"NaN"}`:                 "FLOAT64 NaN;",
		`{"doubleValue":"-Infinity"}`:           "FLOAT64 -Infinity;",
		`{"doubleValue":"1.0"}`:                 `MAP {"doubleValue":"1.0"};`,
		`{"bytesValue":"AAE="}`:                 "BYTESLICE AAE=;",
		`{"bytesValue":"AAE"}`:                  `MAP {"bytesValue":"AAE"};`,
		`{"kvlistValue":{"values":[]}}`:         "MAP {};",
		`{"kvlistValue":{"values":[{"key":"a","value":1},{"key":"a","value":2}]}}`: `MAP {"a":1,"a":2};`,
		`{"kvlistValue":{"values":[{"key":"a"}]}}`:                                 `MAP {"kvlistValue":{"values":[{"key":"a"}]}};`,
		`{"kvlistValue":[]}`: `MAP {"kvlistValue":[]};`,
		`1`:                  "INT64 1;", `1.0`: "FLOAT64 1;", `-0`: "FLOAT64 -0;", `1e400`: "STRING 1e400;",
		`18446744073709551615`: "FLOAT64 1.8446744073709552e+19;",
	} {
		r := decode(t, `{"v":`+value+`,"otel":{}}`)
		if got := attributesOf(&r)["v"]; got != want {
			t.Errorf("%s becomes %s, want %s", value, got, want)
		}
	}
}

func TestTheDroppedCountComesBack(t *testing.T) {
	for _, attrs := range []string{"", `"a":1,`, `"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,`} {
		for _, dropped := range []int{0, 1, 4096, 10_000} {
			line := fmt.Sprintf(`{%s"log.record.uid":"u","otel":{"dropped_attributes_count":%d}}`, attrs, dropped)
			r := decode(t, line)
			if r.DroppedAttributes() != dropped || r.AttributesLen() != strings.Count(attrs, ",")+1 {
				t.Errorf("%s: got %d attributes and %d dropped", line, r.AttributesLen(), r.DroppedAttributes())
			}
		}
	}
}

func TestOfRepeatedKeysTheLastCounts(t *testing.T) {
	r := decode(t, `{"a":1,"ts":"2026-01-01T00:00:00Z","\u0061":2,"ts":"2027-01-01T00:00:00Z","m":{"x":1,"x":2}}`)
	got := attributesOf(&r)
	if got["a"] != "INT64 2;" || got["m"] != `MAP {"x":2};` || r.Timestamp().Year() != 2027 {
		t.Errorf("got %v at %v", got, r.Timestamp())
	}
}

func TestALineThatIsNoObjectIsAnError(t *testing.T) {
	d := otelline.NewDecoder(otelline.DecoderConfig{})
	for _, line := range []string{"", "1", `{"a":1`, `{"a":` + strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001) + "}"} {
		if _, err := d.Decode([]byte(line), 0); err == nil {
			t.Errorf("%.20s is no error", line)
		}
	}
	if _, err := d.Decode([]byte(`{"a":1}`), 0); err != nil {
		t.Errorf("after errors: %v", err)
	}
}

// TestAMegabyteIsReadOnceHoweverDeepItIs takes half a minute and more if each level
// of nesting reads again what the level around it has read.
func TestAMegabyteIsReadOnceHoweverDeepItIs(t *testing.T) {
	const levels = 9000
	for open, end := range map[string]string{"[": "]", `{"k":`: "}"} {
		r := decode(t, `{"v":`+strings.Repeat(open, levels)+`"`+strings.Repeat("x", 8<<20)+`"`+strings.Repeat(end, levels)+`,"otel":{}}`)
		depth := 0
		r.WalkAttributes(func(kv attribute.KeyValue) bool {
			v := kv.Value
			for ; v.Type() == attribute.SLICE || v.Type() == attribute.MAP; depth++ {
				if v.Type() == attribute.SLICE {
					v = v.AsSlice()[0]
				} else {
					v = v.AsMap()[0].Value
				}
			}
			if len(v.AsString()) != 8<<20 {
				t.Errorf("%s…%s: the innermost value is %d bytes of %v, want a string of 8 MiB", open, end, len(v.AsString()), v.Type())
			}
			return true
		})
		if depth != levels {
			t.Errorf("%s…%s: got %d levels, want %d", open, end, depth, levels)
		}
	}
}

// TestAWrapperThatIsNoneIsReadOnce never ends if what is in the wrapper is read
// twice on each level, as what it is if it were one and as what it is.
func TestAWrapperThatIsNoneIsReadOnce(t *testing.T) {
	const levels = 200
	r := decode(t, `{"v":`+strings.Repeat(`{"kvlistValue":{"values":[{"key":"a","value":`, levels)+"1"+strings.Repeat("},1]}}", levels)+`,"otel":{}}`)
	if got := attributesOf(&r)["v"]; strings.Count(got, `"kvlistValue"`) != levels {
		t.Errorf("got %d maps that look like wrappers, want %d", strings.Count(got, `"kvlistValue"`), levels)
	}
}

func TestManyScopesAndResourcesAreTakenOneByOne(t *testing.T) {
	d := otelline.NewDecoder(otelline.DecoderConfig{ServiceName: "mine"})
	for n := range 2000 {
		line := fmt.Sprintf(`{"otel":{"scope":{"name":"s%d"},"resource":{"attributes":{"n":%d},"schema_url":"u%d"}}}`, n, n, n%7)
		r, err := d.Decode([]byte(line), 0)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := r.Resource().Set().Value("n")
		if got.AsInt64() != int64(n) || r.InstrumentationScope().Name != fmt.Sprint("s", n) || r.Resource().SchemaURL() != fmt.Sprint("u", n%7) {
			t.Fatalf("line %d gives %v, %v", n, r.Resource(), r.InstrumentationScope())
		}
	}
	r, err := d.Decode([]byte(`{}`), 0)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := r.Resource().Set().Value("service.name"); got.AsString() != "mine" {
		t.Errorf("got service %v", got)
	}
}

// FuzzDecode holds that every JSON object becomes a record, and that no other
// input does, or does harm.
func FuzzDecode(f *testing.F) {
	for _, line := range []string{
		`{}`, `{"ts":"2026-02-13T14:30:22.123Z","event":"nav","session_id":"s","otel":{}}`,
		`{"a":{"kvlistValue":{"values":[{"key":"a","value":{"intValue":"9007199254740993"}}]}},"otel":{"derived":["cost"],"attributes":{"ts":1}}}`,
		`{"\ud800":"\udc00","otel":{"scope":{"name":1,"attributes":1},"resource":{"attributes":{"":1}}}}`, "{\"\xff\":\"\xff\"}", `[`,
		`{"otel":{"time_unix_nano":"-62135596800000000000","dropped_attributes_count":3,"body":[[{}]]}}`,
	} {
		f.Add([]byte(line), int64(0))
	}
	f.Fuzz(func(t *testing.T, line []byte, offset int64) {
		var object map[string]json.RawMessage
		isObject := json.Unmarshal(line, &object) == nil && object != nil
		r, err := otelline.NewDecoder(otelline.DecoderConfig{}).Decode(line, offset)
		if (err == nil) != isObject {
			t.Errorf("got error %v, encoding/json says object: %v", err, isObject)
		}
		if err == nil && r.AttributesLen() > len(object)+len(line) {
			t.Errorf("got %d attributes of %d members", r.AttributesLen(), len(object))
		}
	})
}

// TestTimesOutsideOfOTLPComeBack covers what no int64 of nanoseconds holds.
func TestTimesOutsideOfOTLPComeBack(t *testing.T) {
	for _, at := range []time.Time{
		time.Unix(0, 0), time.Unix(0, math.MaxInt64), time.Unix(0, math.MinInt64), time.Unix(0, -1),
		time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC), time.Date(-5000, 1, 1, 0, 0, 0, 1, time.UTC),
	} {
		c := new(capturer)
		provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(c))
		emitAt(provider, at)
		line := encode(&c.record)
		r := decode(t, line)
		if !r.Timestamp().Equal(at) || !r.ObservedTimestamp().Equal(at) {
			t.Errorf("%v came back as %v and %v", at, r.Timestamp(), r.ObservedTimestamp())
		}
	}
}

package otlpwire_test

import (
	"fmt"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"google.golang.org/protobuf/proto"

	"github.com/otelaudit/otelaudit/internal/otelline"
	"github.com/otelaudit/otelaudit/internal/otlpwire"
)

// lines are one of each kind that is treated on its own.
var lines = []string{
	// Of other writers.
	`{}`, ` { } `, `{"event":"nav"}`, `{"ts":"2026-02-13T14:30:22.123Z"}`,
	` { "ts": "2026-02-13T15:30:22.123456+01:00", "event": "nav", "session_id": "s", "cost": 3e-06, "model": "m", "input_t": 42,` +
		` "output_t": 28, "files": ["a.py"], "confidence": 87, "extra": {"intValue": "9007199254740993"}, "": 1, "(empty key)": 2 }`,
	`{"ts":"2026-02-13T14:30:22.123Z","session_id":"a","session.id":"b","model":"c","gen_ai.request.model":"d","input_t":1,"output_t":2}`,
	`{"ts":"2026-02-13T14:30:22.123Z","session_id":"a","gen_ai.usage.input_tokens":3,"input_t":1,"output_t":2,"event":7}`,
	`{"ts":"2026-02-13T14:30:22.123Z","trace_id":"5B8EFFF798038103D269B633813FC60C","span_id":"0000000000000000","trace_flags":"zz"}`,
	`{"ts":"2026-02-13T14:30:22.123Z","trace_id":"5b8efff798038103d269b633813fc60c","span_id":"eee19b7ec3c1b174","trace_flags":"01"}`,
	`{"ts":"2026-02-13T14:30:22.123Z","trace_id":"5b","span_id":17,"log.record.uid":"u"}`,
	`{"ts":"2026-02-13T14:30:22.123Z","log.record.uid":7}`, `{"ts":"1969-12-31T23:59:59Z","a":null}`, `{"ts":17,"a":true}`,
	`{"ts":"9999-12-31T23:59:59Z","n":{"z":1,"a":[1,2.5,"x",{"b":false,"a":[]}],"m":{},"a":3}}`,
	`{"ts":"2026-02-13T14:30:22Z","":1,"":2}`, `{"":1,"x":0,"longer than eight":1,"":2}`,
	`{"a":1,"ts":"2026-01-01T00:00:00Z","\u0061":2,"ts":"2027-01-01T00:00:00Z","m":{"x":1,"x":2}}`,
	`{"ts":"2026-02-13T14:30:22Z","größe":{"größe":"groß","a\nb":"\ud83d\ude00"},"s":"\ud800 \"\\\/\b\f\n\r\t\u00e4"}`,
	"{\"ts\":\"2026-02-13T14:30:22Z\",\"\xff\":\"\xff\",\"v\":\"a\xffb\",\"m\":{\"\xff\":1}}",
	`{"ts":"2026-02-13T14:30:22Z","n":[0,-0,1,-1,9007199254740993,-9223372036854775808,18446744073709551616,1e400,-1e400,1.5,1E2,0.1]}`,
	`{"ts":"2026-02-13T14:30:22Z","otel":1}`, `{"ts":"2026-02-13T14:30:22Z","otel":{"scope":{"name":1}}}`,
	// Of exporter.
	`{"otel":{}}`, `{"event":"nav","session_id":"s","otel":{"later":1,"derived":["session_id","later"],"severity_number":9}}`,
	`{"session_id":"","otel":{}}`, `{"session_id":7,"otel":{}}`, `{"session_id":"s","session.id":"t","otel":{}}`,
	`{"session_id":"s","otel":{"attributes":{"session.id":1,"ts":2}}}`, `{"event":7,"otel":{}}`,
	`{"event":"e","otel":{"event_name":""}}`, `{"event":"e","otel":{"event_name":"f","severity_text":"W\u007f","body":null}}`,
	`{"otel":{"time_unix_nano":"1770993022123456789","observed_time_unix_nano":"0"}}`,
	`{"otel":{"time_unix_nano":"-1","observed_time_unix_nano":"9223372036854775808"}}`,
	`{"otel":{"time_unix_nano":"253402300799000000000","observed_time_unix_nano":"9223372036854775807"}}`,
	`{"otel":{"time_unix_nano":"11651379494838206464","observed_time_unix_nano":"18446744073709551615"}}`,
	`{"otel":{"time_unix_nano":"18446744073709551616","observed_time_unix_nano":"18446744073709551614"}}`,
	`{"otel":{"time_unix_nano":"19880899200000000000","observed_time_unix_nano":"32503680000000000000"}}`,
	`{"ts":"2262-04-11T23:47:16.854775807Z"}`, `{"ts":"2262-04-11T23:47:16.854775808Z"}`, `{"ts":"2554-07-21T23:34:33.709551615Z"}`,
	`{"ts":"2554-07-21T23:34:33.709551616Z"}`, `{"ts":"2554-07-21T23:34:34Z"}`, `{"ts":"2600-01-01T00:00:00Z"}`, `{"ts":"1677-09-21T00:12:43Z"}`, `{"ts":"1970-01-01T00:00:00Z"}`,
	`{"otel":{"time_unix_nano":"01"}}`, `{"otel":{"time_unix_nano":"\u0031"}}`, `{"otel":{"time_unix_nano":1}}`, `{"otel":{"time_unix_nano":""}}`,
	`{"otel":{"severity_number":24}}`, `{"otel":{"severity_number":25}}`, `{"otel":{"severity_number":-1}}`, `{"otel":{"severity_number":9.0}}`,
	`{"a":1,"":2,"otel":{"dropped_attributes_count":3}}`, `{"otel":{"dropped_attributes_count":4097}}`, `{"otel":{"dropped_attributes_count":99999999}}`,
	`{"otel":{"derived":[]}}`, `{"cost":1,"otel":{"derived":["co\u0073t"]}}`, `{"cost":1,"otel":{"derived":["cost",["model"]]}}`,
	`{"otel":{"severity_number":1,"severity_number":2}}`, `{"otel":{"sc\u006fpe":1}}`, `{"otel":{},"otel":1}`, `{"otel":1,"otel":{}}`,
	`{"otel":{"attributes":{"a":1,"a":2}}}`, `{"otel":{"attributes":{"":1}}}`, `{"otel":{"attributes":{"kvlistValue":{"values":[{"key":"a","value":1},{"key":"a","value":2}]}}}}`,
	`{"otel":{"attributes":{"kvlistValue":1}}}`, `{"otel":{"attributes":{"b":{"intValue":"9007199254740993"},"a":[]}}}`,
	`{"otel":{"body":{"b":1,"a":{"bytesValue":"AAE="}}}}`, `{"otel":{"body":""}}`, `{"otel":{"body":[[{}]]}}`,
	`{"v":[{"intValue":"9007199254740993"},{"intValue":"5"},{"intValue":1},{"intValue":"\u0039007199254740993"},{"doubleValue":"NaN"},` +
		`{"doubleValue":"Infinity"},{"doubleValue":"-Infinity"},{"doubleValue":"1"},{"bytesValue":"AAE="},{"bytesValue":"AAE"},{"bytesValue":""},` +
		`{"bytesValue":"A\nAE="},{"other":"\n"},{"kvlistValue":1}],"otel":{}}`,
	`{"v":{"kvlistValue":{"values":[{"key":"a","value":1},{"key":"a","value":2}]}},"otel":{}}`,
	`{"trace_id":"00000000000000000000000000000000","span_id":"eee19b7ec3c1b174","trace_flags":"ff","otel":{}}`, `{"trace_flags":"0","otel":{}}`,
	`{"otel":{"scope":{"name":"s","version":"1","schema_url":"u","attributes":{"b":1,"a":{"y":1,"x":2}}},"resource":{"attributes":{"service.name":"a"},"schema_url":"v"}}}`,
	`{"otel":{"scope":{"name":"s"},"resource":{"attributes":{"service.name":"a"},"schema_url":"w"}}}`,
	`{"otel":{"scope":{},"resource":{"attributes":{"service.name":"a"}}}}`, `{"otel":{"scope":{"attributes":{}},"resource":{}}}`,
	`{"otel":{"scope":{"name":"s"},"resource":{"attributes":{"":1,"b":1,"a":2,"b":3}}}}`, `{"v":{"name":"s"},"otel":{"scope":{"name":"s"}}}`,
	`{"v":{"name":"s"},"otel":{"scope":{"name":"s"},"body":{"name":"s"}}}`,
	// Damaged.
	``, `1`, `[`, `{"a":1`, `{"a":1}}`, `{"a" 1}`, `{"a":1,}`, `{,}`, `{"a":tru}`, `{"a":01}`, "{\"a\":\"\x01\"}", `{"a":"\x"}`, `{"a":[1,]}`, `{"a":[1}`, `{"a":{"b":1]}`,
}

// TestEachKindOfLineIsSentAsOTLPHTTPSendsIt takes each line alone, and all as one
// batch.
func TestEachKindOfLineIsSentAsOTLPHTTPSendsIt(t *testing.T) {
	for _, cfg := range []otelline.DecoderConfig{{ServiceName: "mine"}, {Derived: true}} {
		sendEachKindOfLine(t, cfg)
	}
}

func sendEachKindOfLine(t *testing.T, cfg otelline.DecoderConfig) {
	t.Helper()
	batch := newBoth(t, cfg)
	for round := range 2 { // the second one knows scopes and resources
		for i, line := range lines {
			_ = batch.add(t, []byte(line), int64(i)) // it compares the errors
			alone := newBoth(t, cfg)
			if alone.add(t, []byte(line), int64(i)) == nil {
				alone.compare(t, 0, 1)
			}
			if t.Failed() {
				t.Fatalf("round %d: %s", round, line)
			}
		}
	}
	batch.compare(t, 0, batch.Len())
	for i := range batch.Len() {
		batch.compare(t, i, i+1)
	}
	batch.compare(t, 7, 7)
	batch.reset()
	if got := batch.AppendRequest(nil, 0, 0); len(got) != 0 || batch.Bytes() != 0 {
		t.Errorf("an empty batch has %d bytes, and Bytes says %d", len(got), batch.Bytes())
	}
}

func TestLongStringsManyMembersAndDeepValues(t *testing.T) {
	b := newBoth(t, otelline.DecoderConfig{})
	nested := func(n int) string { return strings.Repeat(`[{"a":`, n/2) + "1" + strings.Repeat("}]", n/2) }
	var many, list strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&many, `,"key%d":%d`, i, i)
		fmt.Fprintf(&list, `,{"b":[%d],"a":"x"}`, i)
	}
	for _, value := range []string{
		`"` + strings.Repeat("x", 1<<20) + `"`, `"` + strings.Repeat(`\n`, 1<<19) + `"`, `"` + strings.Repeat("ä", 1<<19) + `"`,
		`"` + strings.Repeat("\xff", 1<<18) + `"`, `"\ud83d\ude00` + strings.Repeat(`ä\"`, 1<<18) + `"`,
		`{"a":0` + many.String() + `}`, `[0` + list.String() + `]`, `0` + many.String(), `0,"key1":1` + many.String(),
		nested(62), nested(64), nested(66), nested(400),
	} {
		for _, otel := range []string{`"otel":{}`, `"ts":"2026-02-13T14:30:22.123Z"`, `"otel":{"body":` + value + `}`} {
			line := []byte(`{"v":` + value + `,` + otel + `}`)
			if b.add(t, line, 1) == nil {
				b.compare(t, b.Len()-1, b.Len())
			}
			if t.Failed() {
				t.Fatalf("%.100s", line)
			}
		}
		b.reset()
	}
}

// TestManyOriginsAreGrouped mixes scopes and resources, more than are kept.
func TestManyOriginsAreGrouped(t *testing.T) {
	b := newBoth(t, otelline.DecoderConfig{})
	for batch := range 3 {
		for i := range 1500 {
			n := i * 7 % (600 + 300*batch)
			line := fmt.Sprintf(`{"i":%d,"otel":{"scope":{"name":"s%d"},"resource":{"attributes":{"n":%d},"schema_url":"u%d"}}}`, i, n%5, n/5, n%2)
			if err := b.add(t, []byte(line), int64(i)); err != nil {
				t.Fatal(err)
			}
		}
		b.compare(t, 0, 1500)
		b.compare(t, 100, 900)
		b.reset()
	}
}

func TestExtraAttributesComeLastUnlessTheRecordHasThem(t *testing.T) {
	extra := []attribute.KeyValue{
		attribute.String("log.file.path", "/logs/audit.jsonl"), attribute.String("log.file.name", "audit.jsonl"), attribute.String("session.id", "extra"),
		attribute.String("model", "extra"), attribute.String("gen_ai.request.model", "extra"), attribute.String("log.record.uid", "extra"),
	}
	keys := func(line string) string {
		e := otlpwire.NewEncoder(otelline.DecoderConfig{})
		e.SetExtra(extra...)
		if err := e.Add([]byte(line), 0); err != nil {
			t.Fatal(err)
		}
		var list []string
		for _, kv := range recordsOf(parse(t, e.AppendRequest(nil, 0, 1)))[0].GetAttributes() {
			list = append(list, kv.GetKey())
		}
		return strings.Join(list, " ")
	}
	for line, want := range map[string]string{
		`{"otel":{}}`: "log.file.path log.file.name session.id model gen_ai.request.model log.record.uid",
		`{"log.file.name":"own","session_id":"s","model":"m","otel":{"derived":["session_id","model"],"attributes":{"log.record.uid":1}}}`://
		"log.file.name log.record.uid session.id log.file.path model gen_ai.request.model",
		`{"ts":"2026-02-13T14:30:22Z","session_id":"s","model":"m"}`: "session.id gen_ai.request.model log.record.uid log.file.path log.file.name model",
		// The same by the other way: a key with an escape, and no ts.
		`{"l\u006fg.file.name":"own","session_id":"s","model":"m","otel":{"derived":["session_id","model"],"attributes":{"log.record.uid":1}}}`://
		"log.file.name log.record.uid session.id log.file.path model gen_ai.request.model",
		`{"session_id":"s","model":"m"}`: "session.id gen_ai.request.model log.record.uid log.file.path log.file.name model",
	} {
		if got := keys(line); got != want {
			t.Errorf("%s has %s, want %s", line, got, want)
		}
	}
}

// TestALineThatFailsLeavesNothing adds damaged lines between others.
func TestALineThatFailsLeavesNothing(t *testing.T) {
	good := []byte(`{"ts":"2026-02-13T14:30:22Z","a":"b"}`)
	alone, mixed := otlpwire.NewEncoder(otelline.DecoderConfig{}), otlpwire.NewEncoder(otelline.DecoderConfig{})
	for _, e := range []*otlpwire.Encoder{alone, mixed} {
		for _, bad := range []string{
			`{"ts":"2026-02-13T14:30:22Z","a":"b"`, `{"otel":{}`,
			`{"a":` + strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001) + `}`, // too deep for the Decoder
		} {
			if err := e.Add(good, 5); err != nil {
				t.Fatal(err)
			}
			if e == mixed && e.Add([]byte(bad), 5) == nil {
				t.Fatalf("%.50s is no error", bad)
			}
		}
	}
	if !proto.Equal(parse(t, alone.AppendRequest(nil, 0, 3)), parse(t, mixed.AppendRequest(nil, 0, 3))) || mixed.Len() != 3 || mixed.Bytes() != alone.Bytes() {
		t.Error("damaged lines left something")
	}
}

// FuzzAnyLineIsSentAsOTLPHTTPSendsIt adds a line twice, with another one before:
// the second time its scope and resource are known.
func FuzzAnyLineIsSentAsOTLPHTTPSendsIt(f *testing.F) {
	for _, line := range lines {
		f.Add([]byte(line), int64(17))
	}
	b := newBoth(f, otelline.DecoderConfig{})
	f.Fuzz(func(t *testing.T, line []byte, offset int64) {
		b.reset()
		for _, raw := range [][]byte{line, []byte(`{"otel":{"scope":{"name":"s"}}}`), line} {
			_ = b.add(t, raw, offset) // it compares the errors
		}
		b.compare(t, 0, b.Len())
	})
}

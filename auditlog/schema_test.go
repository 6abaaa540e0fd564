package auditlog_test

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/audittest"
)

const (
	lineStart = `{"ts":"2026-02-13T14:30:22.123Z","event":"nav","session_id":"s"`
	traceID   = `"trace_id":"5b8efff798038103d269b633813fc60c"`
)

func TestSchemaIsTheFileOfTheRepository(t *testing.T) {
	file, err := os.ReadFile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(auditlog.Schema(), file) || !json.Valid(file) {
		t.Error("Schema() is not schema.json")
	}
	auditlog.Schema()[0] = 'x'
	if auditlog.Schema()[0] == 'x' {
		t.Error("callers share the slice")
	}
}

func TestSchemaAcceptsEveryLineOfTheFormat(t *testing.T) {
	for _, rest := range []string{
		``,
		`,"cost":0.0,"model":"m","input_t":0,"output_t":9007199254740991,"files":[],"reason":"r","confidence":100,"duration_ms":0,"config":{}`,
		`,"cost":-0.25,"config":{"a":{"intValue":"9007199254740992"}}`,
		`,"config":{"kvlistValue":{"values":[{"key":"intValue","value":1}]}}`,
		`,"a":null,"b":[true,1,1e+300,"x",[]],"":{"intValue":1,"x":2}`,
		`,"a":{"doubleValue":"-Infinity"},"b":{"bytesValue":"AA=="},"c":{"bytesValue":""},"d":{"intValue":"-9223372036854775808"}`,
		`,"a":{"kvlistValue":{"values":[{"key":"x","value":1},{"key":"x","value":[]}]}}`,
		`,` + traceID + `,"span_id":"eee19b7ec3c1b174","trace_flags":"00"`,
		`,"span_id":"eee19b7ec3c1b174"`,
		`,"trace_flags":"01"`,
		`,"otel":{}`,
		`,"a":1,"otel":{"time_unix_nano":"-1","observed_time_unix_nano":"0","event_name":"","severity_number":-3,"severity_text":"INFO",` +
			`"body":"","dropped_attributes_count":1,"derived":["session_id"],"attributes":{"cost":"1"},` +
			`"scope":{"name":"n","version":"v","schema_url":"u","attributes":{"a":1}},"resource":{"attributes":{"a":1},"schema_url":"u"}}`,
		`,"otel":{"body":{"intValue":"9223372036854775807"},"attributes":{"kvlistValue":{"values":[{"key":"ts","value":1},{"key":"ts","value":2}]}}}`,
	} {
		if err := audittest.CheckLine([]byte(lineStart + rest + "}")); err != nil {
			t.Errorf("%s: %v", rest, err)
		}
	}
}

func TestSchemaRefusesWhatTheFormatDoesNotAllow(t *testing.T) {
	start := lineStart
	lines := []string{
		`[]`, `1`, `{}`,
		`{"event":"nav","session_id":"s"}`, `{"ts":"2026-02-13T14:30:22.123Z","session_id":"s"}`, `{"ts":"2026-02-13T14:30:22.123Z","event":"nav"}`,
		strings.Replace(start, "nav", "", 1) + "}", strings.Replace(start, `"s"`, `""`, 1) + "}", strings.Replace(start, `"nav"`, `1`, 1) + "}",
	}
	for _, ts := range []string{
		"2026-02-13T14:30:22Z", "2026-02-13T14:30:22.12Z", "2026-02-13T14:30:22.1234Z", "2026-02-13T14:30:22.123+00:00", "2026-02-13t14:30:22.123z",
		"2026-02-13 14:30:22.123Z", "2026-13-13T14:30:22.123Z", "2026-02-32T14:30:22.123Z", "2026-02-13T24:30:22.123Z", "2026-02-13T14:60:22.123Z",
		"2026-02-13T14:30:60.123Z", "12026-02-13T14:30:22.123Z", "2026-02-13T14:30:22.123Z\\n",
	} {
		lines = append(lines, strings.Replace(start, "2026-02-13T14:30:22.123Z", ts, 1)+"}")
	}
	for _, rest := range []string{
		`"cost":"1"`, `"cost":null`, `"model":1`, `"input_t":-1`, `"input_t":1.5`, `"output_t":9007199254740992`, `"output_t":"1"`,
		`"input_t":{"intValue":"9007199254740992"}`, `"files":"a"`, `"files":[1]`, `"reason":1`, `"confidence":-1`, `"confidence":101`, `"confidence":0.5`,
		`"duration_ms":-1`, `"duration_ms":1.5`, `"config":[]`, `"config":null`, `"config":{"intValue":"1"}`, `"config":{"bytesValue":""}`,
		`"trace_id":"5B8EFFF798038103D269B633813FC60C","trace_flags":"00"`, `"trace_id":"5b8e","trace_flags":"00"`,
		`"trace_id":"00000000000000000000000000000000","trace_flags":"00"`, traceID, `"span_id":"0000000000000000"`, `"span_id":"EEE19B7EC3C1B174"`,
		`"trace_flags":"00"`, `"trace_flags":"1"`, `"trace_flags":1`, traceID + `,"trace_flags":"AA"`,
		// wrappers
		`"a":{"intValue":"1"}`, `"a":{"intValue":"9007199254740991"}`, `"a":{"intValue":"9223372036854775808"}`, `"a":{"intValue":"-9223372036854775809"}`,
		`"a":{"intValue":"09007199254740993"}`, `"a":{"intValue":"+9007199254740993"}`, `"a":{"intValue":9007199254740993}`,
		`"a":{"doubleValue":"nan"}`, `"a":{"doubleValue":1.0}`, `"a":{"bytesValue":"A"}`, `"a":{"bytesValue":"AA"}`, `"a":{"bytesValue":"-_==" }`, `"a":{"bytesValue":1}`,
		`"a":{"kvlistValue":{}}`, `"a":{"kvlistValue":{"values":[]}}`, `"a":{"kvlistValue":{"values":[{"key":"x","value":1}]}}`,
		`"a":{"kvlistValue":{"values":[{"key":"intValue"}]}}`, `"a":{"kvlistValue":{"values":[{"key":"x","value":1},{"key":"x","value":1,"more":1}]}}`,
		`"a":{"kvlistValue":{"values":[{"key":"intValue","value":1}],"more":1}}`, `"a":{"kvlistValue":[]}`, `"a":[{"b":{"intValue":"1"}}]`,
		`"a":{"kvlistValue":{"values":[{"key":"intValue","value":{"intValue":"1"}}]}}`,
		// the envelope
		`"otel":null`, `"otel":[]`, `"otel":{"more":1}`, `"otel":{"time_unix_nano":1}`, `"otel":{"time_unix_nano":"01"}`, `"otel":{"time_unix_nano":"-0"}`,
		`"otel":{"time_unix_nano":"1.0"}`, `"otel":{"observed_time_unix_nano":""}`, `"otel":{"event_name":1}`, `"otel":{"severity_number":0}`,
		`"otel":{"severity_number":"9"}`, `"otel":{"severity_number":4294967296}`, `"otel":{"severity_text":""}`, `"otel":{"body":null}`, `"otel":{"body":{"intValue":"1"}}`,
		`"otel":{"dropped_attributes_count":0}`, `"otel":{"derived":[]}`, `"otel":{"derived":["ts"]}`, `"otel":{"derived":["event"]}`,
		`"cost":1.0,"otel":{"derived":["cost","cost"]}`, `"otel":{"attributes":{}}`, `"otel":{"attributes":[]}`, `"otel":{"attributes":{"intValue":"1"}}`,
		`"otel":{"scope":{}}`, `"otel":{"scope":{"name":""}}`, `"otel":{"scope":{"attributes":{}}}`, `"otel":{"scope":{"name":"n","more":1}}`,
		`"otel":{"resource":{}}`, `"otel":{"resource":{"attributes":{}}}`, `"otel":{"resource":{"schema_url":""}}`, `"otel":{"resource":{"name":"n"}}`,
		// what a schema does not see
		`"a":1 `, ` "a":1`, `"a": 1`, `"a":1.50`, `"a":1E5`, `"a":1e5`, `"a":9007199254740993`, `"a":-0`, `"a":"\u0041"`, `"a":"\/"`, `"a":"\u000a"`,
		`"a":"\u202E"`, "\"a\":\"\u202e\"", "\"a\":\"\u0085\"", "\"a\":\"\u007f\"", "\"a\":\"\ufeff\"", "\"a\":\"\xff\"", "\"\u200e\":1",
		`"a":1,"a":2`, `"a":1,"model":"m"`, `"model":"m","cost":1.0`, traceID + `,"trace_flags":"00","a":1`, `"otel":{},"a":1`,
		`"otel":{"body":1,"time_unix_nano":"1"}`, `"cost":1.0,"model":"m","otel":{"derived":["model","cost"]}`, `"otel":{"derived":["cost"]}`,
	} {
		lines = append(lines, start+","+rest+"}")
	}
	for _, line := range lines {
		if audittest.CheckLine([]byte(line)) == nil {
			t.Errorf("%s is accepted", line)
		}
	}
}

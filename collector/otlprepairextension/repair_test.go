package otlprepairextension

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"pgregory.net/rapid"
)

// TestEachPartThatCannotBeReadBecomesItsText has the part in a request, what it
// becomes, and how many values and other parts that is.
func TestEachPartThatCannotBeReadBecomesItsText(t *testing.T) {
	const record = `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"eventName":"before"},%s,{"eventName":"behind"}]}]}]}`
	const span = `{"resourceSpans":[{"scopeSpans":[{"spans":[%s]}]}]}`
	text := func(key, value string) string {
		quoted, _ := json.Marshal(value)
		return fmt.Sprintf(`{"key":%q,"value":{"stringValue":%s}}`, key, quoted)
	}
	for _, test := range []struct {
		request, part, want string
		count               repaired
	}{
		{record, `{"attributes":[{"key":"a","value":{"doubleValue":{}}},{"key":"b","value":{"intValue":"1"}}]}`,
			`{"attributes":[` + text("a", `{"doubleValue":{}}`) + `,{"key":"b","value":{"intValue":"1"}}]}`, repaired{1, 0}},
		{record, `{"body":5}`, `{"body":{"intValue":"5"}}`, repaired{1, 0}},
		{record, `{"body":{"stringValue":["a"]}}`, `{"body":{"stringValue":"[\"a\"]"}}`, repaired{1, 0}},
		{record, `{"eventName":"e","timeUnixNano":"now"}`, `{"eventName":"e","attributes":[` + text("otelaudit.unread.timeUnixNano", "now") + `]}`, repaired{0, 1}},
		{record, `{"traceId":"xyz","spanId":[],"attributes":[]}`,
			`{"attributes":[` + text("otelaudit.unread.spanId", "[]") + `,` + text("otelaudit.unread.traceId", "xyz") + `]}`, repaired{0, 2}},
		{record, `{"severityNumber":"LOUD"}`, `{"attributes":[` + text("otelaudit.unread.severityNumber", "LOUD") + `]}`, repaired{0, 1}},
		{record, `{"attributes":{"a":"b"}}`, `{"attributes":[` + text("otelaudit.unread.attributes", `{"a":"b"}`) + `]}`, repaired{0, 1}},
		{record, `{"attributes":["a"]}`, `{"attributes":[` + text("otelaudit.unread.attribute", "a") + `]}`, repaired{0, 1}},
		{record, `{"attributes":[{"key":5,"value":{}}]}`, `{"attributes":[` + text("otelaudit.unread.attribute", `{"key":5,"value":{}}`) + `]}`, repaired{0, 1}},
		{record, `"a record"`, `{"attributes":[` + text("otelaudit.unread.all", "a record") + `]}`, repaired{0, 1}},
		{record, `[[]]`, `{"attributes":[` + text("otelaudit.unread.all", "[[]]") + `]}`, repaired{0, 1}},
		{span, `{"name":"s","startTimeUnixNano":{},"events":[{"attributes":[{"key":"e","value":{"doubleValue":{}}}]}]}`,
			`{"name":"s","events":[{"attributes":[` + text("e", `{"doubleValue":{}}`) + `]}],"attributes":[` +
				text("otelaudit.unread.startTimeUnixNano", "{}") + `]}`, repaired{1, 1}},
		{`{"resourceLogs":[{"resource":%s,"scopeLogs":[{"logRecords":[{}]}]}]}`, `{"attributes":[{"key":"a","value":{"doubleValue":{}}}]}`,
			`{"attributes":[` + text("a", `{"doubleValue":{}}`) + `]}`, repaired{1, 0}},
		{`{"resourceLogs":[{"scopeLogs":[{"scope":%s,"logRecords":[{}]}]}]}`, `{"name":5}`, `{"name":"5"}`, repaired{0, 1}},
		{`{"resourceLogs":[{"resource":%s,"scopeLogs":[{"logRecords":[{}]}]}]}`, `5`, `{"attributes":[` + text("otelaudit.unread.resource", "5") + `]}`, repaired{0, 1}},
		{span, `{"status":{"code":"BAD","message":7}}`, `{"status":{"message":"7"},"attributes":[` + text("otelaudit.unread.status.code", "BAD") + `]}`, repaired{0, 2}},
		{record, `{"timeUnixNano":"1.5e18","flags":"1.0","severityNumber":9.0}`, `{"timeUnixNano":"1500000000000000000","flags":"1","severityNumber":9}`, repaired{0, 3}},
		{`{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","sum":{"dataPoints":[%s]}}]}]}]}`, `{"asInt":"1.5","timeUnixNano":1}`,
			`{"timeUnixNano":1,"attributes":[` + text("otelaudit.unread.asInt", "1.5") + `]}`, repaired{0, 1}},
		{`{"resourceLogs":[{"schemaUrl":%s,"scopeLogs":[{"logRecords":[{}]}]}]}`, `5`, `"5"`, repaired{0, 1}},
		{`{"resource_logs":[{"scope_logs":[{"log_records":[%s]}]}]}`, `{"body":5}`, `{"body":{"intValue":"5"}}`, repaired{1, 0}},
	} {
		request := fmt.Sprintf(test.request, test.part)
		got, count := repair([]byte(request))
		if diff := cmp.Diff(decoded(t, fmt.Sprintf(test.request, test.want)), decoded(t, string(got))); diff != "" || count != test.count {
			t.Errorf("%s: got %+v, want %+v (-want +got):\n%s", request, count, test.count, diff)
		}
	}
}

func decoded(t *testing.T, text string) (v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

// TestWhatIsNoRequestIsLeftAlone: the receiver says what is wrong with it.
func TestWhatIsNoRequestIsLeftAlone(t *testing.T) {
	for _, request := range []string{
		"", "null", "[]", "{", `{"resourceLogs":5}`, `{"resourceLogs":[5]}`, `{"resourceLogs":[{"scopeLogs":{}}]}`, `{"resourceMetrics":[{"a":{}}]}`,
		`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"good"}}]}]}]}`,
	} {
		if got, count := repair([]byte(request)); string(got) != request || count != (repaired{}) {
			t.Errorf("%s: got %s, %+v; want it unchanged", request, got, count)
		}
	}
}

// TestNothingOfARequestIsLost puts random JSON wherever OTLP has something, and
// holds what comes out to be readable, with each record and each text that was
// in it.
func TestNothingOfARequestIsLost(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		random := json.RawMessage(drawJSON(rt, 3))
		field := rapid.SampledFrom([]string{
			"body", "timeUnixNano", "attributes", "traceId", "flags", "severityNumber", "severityText", "eventName", "name", "kind", "status",
			"events", "links", "droppedAttributesCount", "startTimeUnixNano",
		}).Draw(rt, "field")
		item := rapid.SampledFrom([]string{
			fmt.Sprintf(`{%q:%s,"attributes":[{"key":"k","value":{"stringValue":"kept"}}]}`, field, random),
			fmt.Sprintf(`{"attributes":[{"key":"odd","value":%s},{"key":"k","value":{"stringValue":"kept"}}]}`, random),
			fmt.Sprintf(`{"attributes":[%s,{"key":"k","value":{"stringValue":"kept"}}]}`, random),
		}).Draw(rt, "item")
		if field == "attributes" && strings.HasPrefix(item, `{"attributes":`+string(random)) {
			item = fmt.Sprintf(`{"attributes":%s,"x":"kept"}`, random)
		}
		for _, request := range []string{
			`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{},` + item + `,{}]}]}]}`,
			`{"resourceSpans":[{"scopeSpans":[{"spans":[{},` + item + `,{}]}]}]}`,
		} {
			got, _ := repair([]byte(request))
			items := 0
			if strings.Contains(request, "resourceLogs") {
				req := plogotlp.NewExportRequest()
				if err := req.UnmarshalJSON(got); err != nil {
					rt.Fatalf("%v: %s became %s", err, request, got)
				}
				items = req.Logs().LogRecordCount()
			} else {
				req := ptraceotlp.NewExportRequest()
				if err := req.UnmarshalJSON(got); err != nil {
					rt.Fatalf("%v: %s became %s", err, request, got)
				}
				items = req.Traces().SpanCount()
			}
			if items != 3 || !strings.Contains(string(got), "kept") {
				rt.Fatalf("%s became %s", request, got)
			}
		}
	})
}

func drawJSON(rt *rapid.T, depth int) string {
	kinds := 7
	if depth == 0 {
		kinds = 4
	}
	switch rapid.IntRange(0, kinds).Draw(rt, "kind") {
	case 0:
		return "null"
	case 1:
		return rapid.SampledFrom([]string{"true", "false"}).Draw(rt, "bool")
	case 2:
		return rapid.SampledFrom([]string{"0", "-1", "1.5", "1e400", "9223372036854775808", "-0"}).Draw(rt, "number")
	case 3, 4:
		quoted, err := json.Marshal(rapid.SampledFrom([]string{"", "12", "x", "5b8efff798038103d269b633813fc60c", "NaN", "\xff"}).Draw(rt, "text"))
		if err != nil {
			rt.Fatal(err)
		}
		return string(quoted)
	case 5:
		var list []string
		for range rapid.IntRange(0, 3).Draw(rt, "elements") {
			list = append(list, drawJSON(rt, depth-1))
		}
		return "[" + strings.Join(list, ",") + "]"
	default:
		var members []string
		for range rapid.IntRange(0, 2).Draw(rt, "members") {
			key := rapid.SampledFrom([]string{
				"stringValue", "intValue", "doubleValue", "boolValue", "bytesValue", "arrayValue", "kvlistValue", "values", "key", "value", "code", "other",
			}).Draw(rt, "key")
			members = append(members, fmt.Sprintf("%q:%s", key, drawJSON(rt, depth-1)))
		}
		return "{" + strings.Join(members, ",") + "}"
	}
}

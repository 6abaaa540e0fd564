package otlprepairextension

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// pair are the receiver as it is and the receiver with the extension.
type pair struct{ stock, repaired *otlpReceiver }

func newPair(t testing.TB) *pair {
	t.Helper()
	return &pair{startReceiver(t, false), startReceiver(t, true)}
}

type fataler interface{ Fatalf(string, ...any) }

// compare sends a body to both. What the stock receiver takes, the other one takes
// the same, unless something follows the document. What it refuses is an answer of
// 200 or 400. It returns what was received.
func (p *pair) compare(t testing.TB, f fataler, path, contentType string, body []byte) (received string, status int) {
	t.Helper()
	stock, stockAnswer := p.stock.post(t, path, contentType, body)
	want := p.stock.take(t)
	status, answer := p.repaired.post(t, path, contentType, body)
	received = p.repaired.take(t)
	switch {
	case len(trimSpace(body[measure(body).end:])) > 0, stock != http.StatusOK:
		if status != http.StatusOK && status != http.StatusBadRequest {
			f.Fatalf("%s %.300q: got %d %s, the stock receiver %d %s; want 200 or 400", path, body, status, answer, stock, stockAnswer)
		}
		if status == http.StatusBadRequest && !json.Valid([]byte(answer)) {
			f.Fatalf("%s %.300q: the answer is no JSON: %s", path, body, answer)
		}
	case status != stock || received != want:
		f.Fatalf("%s %.300q: got %d %s %s, the stock receiver %d %s", path, body, status, answer, received, stock, want)
	}
	return received, status
}

// odd are values of each type of OTLP/JSON and of none.
var odd = []string{
	`null`, `true`, `"true"`, `0`, `-0`, `-1`, `1`, `"1"`, `"-1"`, `" 7 "`, `1.5`, `"1.5"`, `1.0`, `1e3`, `"1e3"`, `1e400`, `"1e400"`, `-1e-400`, `"0x10"`,
	`4294967295`, `4294967296`, `9007199254740993`, `9007199254740993.0`, `9223372036854775807`, `9223372036854775808`, `"9223372036854775809"`,
	`18446744073709551615`, `18446744073709551616`, `12345678901234567890`, `0.1234567890123456789`, `123456789012345678901234567890`,
	`"NaN"`, `"Infinity"`, `"-Infinity"`, `"nan"`, `""`, `"x"`, `"\u0000"`, `"\ud800"`, `"\ud83d\ude00"`, `"größe 監査 🙂"`, `"SEVERITY_NUMBER_INFO"`, `"SPAN_KIND_SERVER"`, `"INFO"`,
	`"AAECAw=="`, `"AAECAw"`, `"_-8="`, `"_-8"`, `"!!"`, `"5b8efff798038103d269b633813fc60c"`, `"5B8EFFF798038103D269B633813FC60C"`, `"5b8efff798038103"`, `"5b8e"`,
	`"00000000000000000000000000000000"`, `{}`, `[]`, `[{}]`, `[null]`, `[[]]`, `{"a":"b"}`, `{"":1}`, `{"stringValue":"s"}`, `{"stringValue":5}`, `{"intValue":1.5}`,
	`{"intValue":null}`, `{"doubleValue":null}`, `{"doubleValue":{}}`, `{"boolValue":"T"}`, `{"boolValue":"TRUE"}`, `{"bytesValue":"_-8"}`, `{"bytesValue":"AA="}`, `{"bytesValue":[1]}`,
	`{"arrayValue":[1,2]}`, `{"arrayValue":{"values":[{"intValue":1.5}]}}`, `{"kvlistValue":{"values":[{"key":"k","value":{"intValue":{}}}]}}`, `{"kvlistValue":{"values":{}}}`,
	`{"stringValue":"a","intValue":{}}`, `{"stringValue":"a","stringValue":5}`, `{"string_value":7}`, `[{"key":"k","value":{"doubleValue":{}}}]`, `[{"key":5,"value":{}}]`,
	`[{"key":"k"}]`, `[{"value":{}}]`, `[{"key":"k","key":"l","value":5}]`, `[{"attributes":[{"key":"k","value":5}]}]`, `{"attributes":[{"key":"k","value":5}]}`,
	`[{"timeUnixNano":-1,"name":"e"}]`, `{"code":"BAD","message":5}`, `{"dataPoints":[{"asDouble":"x","attributes":[{"key":"k","value":5}]}]}`, `{"dataPoints":{}}`,
}

var fields = map[string][]string{
	"/v1/logs": {
		"timeUnixNano", "time_unix_nano", "observedTimeUnixNano", "severityNumber", "severityText", "body", "attributes", "droppedAttributesCount", "flags",
		"traceId", "spanId", "eventName", "event_name", "unknown", "",
	},
	"/v1/traces": {
		"traceId", "parentSpanId", "traceState", "name", "kind", "startTimeUnixNano", "end_time_unix_nano", "attributes", "droppedEventsCount", "events", "links", "status", "flags",
	},
	"/v1/metrics": {"name", "unit", "gauge", "sum", "histogram", "exponentialHistogram", "summary", "metadata"},
}

var frames = map[string]string{
	"/v1/logs":    `{"resourceLogs":[{"scopeLogs":[{"logRecords":[%s]}]}]}`,
	"/v1/traces":  `{"resourceSpans":[{"scopeSpans":[{"spans":[%s]}]}]}`,
	"/v1/metrics": `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[%s]}]}]}`,
}

// TestEachFieldWithEachValue puts each value into each field, between text of
// several bytes a character. Each is received with the records beside it.
func TestEachFieldWithEachValue(t *testing.T) {
	p := newPair(t)
	for path, names := range fields {
		for _, name := range names {
			for i, value := range odd {
				// What the receiver quotes in its errors begins at any byte of it.
				text := "first " + strings.Repeat("x", i%7) + strings.Repeat("größe 監査 🙂 ", 4)
				marker, item := "severityText", `{%[1]q:%[2]q},{%[1]q:%[2]q,%[3]q:%[4]s},{%[1]q:"last %[2]s"}`
				switch path {
				case "/v1/traces":
					marker = "name"
				case "/v1/metrics":
					marker = "description"
					item = strings.ReplaceAll(item, `{%[1]q`, `{"gauge":{"dataPoints":[{"asInt":"1"}]},%[1]q`)
				}
				if marker == name {
					continue // it is what the others are told by
				}
				body := fmt.Sprintf(frames[path], fmt.Sprintf(item, marker, text, name, value))
				received, status := p.compare(t, t, path, "application/json", []byte(body))
				if name == "" && p.stock.reads(t, path, body) {
					continue // it took the empty name for the end of the record, and the value for that of the list
				}
				if status != http.StatusOK || strings.Count(received, text) != 3 {
					t.Fatalf("%s %s: %s: got %d %s; want 200 and the three of them", path, name, value, status, received)
				}
			}
		}
	}
}

func (r *otlpReceiver) reads(t *testing.T, path, body string) bool {
	t.Helper()
	status, _ := r.post(t, path, "application/json", []byte(body))
	r.take(t)
	return status == http.StatusOK
}

// TestBodiesOfAnyEncodingAndNumber has each document of a body in what is
// received, or an answer of 400.
func TestBodiesOfAnyEncodingAndNumber(t *testing.T) {
	p := newPair(t)
	doc := func(text string) string { return fmt.Sprintf(frames["/v1/logs"], `{"severityText":"`+text+`"}`) }
	odd := fmt.Sprintf(frames["/v1/logs"], `{"severityText":"c","body":{"doubleValue":{}}}`)
	for _, test := range []struct {
		name, contentType string
		body              []byte
		want              string // texts that are received, "" for an answer of 400
	}{
		{"one", "application/json; charset=utf-8", []byte(doc("a")), "a"},
		{"byte order mark", "application/json", []byte(bom + doc("größe")), "größe"},
		{"byte order mark and an empty request", "application/json", []byte(bom + `{"resourceLogs":[]}`), "-"},
		{"byte order mark and an odd value", "application/json", []byte(bom + odd), "c"},
		{"UTF-16LE", "application/json", utf16Of(doc("größe 🙂"), false, true), "größe 🙂"},
		{"UTF-16BE", "application/json; charset=utf-16", utf16Of(doc("größe 🙂"), true, true), "größe 🙂"},
		{"UTF-16LE without a mark", "application/json; charset=utf-16le", utf16Of(odd, false, false), "c"},
		{"UTF-16BE without a mark", "application/json", utf16Of(doc("a"), true, false), "a"},
		{"UTF-16LE with bytes that are quotes and braces", "application/json", utf16Of(doc(strings.Repeat("欢筻", 2*maxJSONNesting)), false, true), strings.Repeat("欢筻", 2*maxJSONNesting)},
		{"half of UTF-16", "application/json", utf16Of(doc("a"), true, true)[:41], ""},
		{"JSON Lines", "application/json", []byte(doc("a") + "\n" + doc("b") + "\n" + doc("c") + "\n"), "a b c"},
		{"JSON Lines with marks", "application/json", []byte(bom + doc("a") + "\r\n" + bom + doc("b")), "a b"},
		{"JSON text sequence", "application/json", []byte("\x1e" + doc("a") + "\n\x1e" + doc("b") + "\n"), "a b"},
		{"concatenated", "application/json", []byte(doc("a") + doc("b")), "a b"},
		{"an odd one among them", "application/json", []byte(doc("a") + odd + doc("b")), "a c b"},
		{"array", "application/json", []byte("[" + doc("a") + "," + doc("b") + "]"), "a b"},
		{"array with an odd one", "application/json", []byte("[" + doc("a") + "," + odd + "]"), "a c"},
		{"array beside a document", "application/json", []byte(doc("a") + "[" + doc("b") + "]"), "a b"},
		{"empty ones", "application/json", []byte("{}" + doc("a") + "{ }"), "a"},
		{"the second is no request", "application/json", []byte(doc("a") + `{"a":1}`), ""},
		{"the second is of another signal", "application/json", []byte(doc("a") + fmt.Sprintf(frames["/v1/traces"], `{"name":"b"}`)), ""},
		{"array with one of another signal", "application/json", []byte("[" + doc("a") + "," + fmt.Sprintf(frames["/v1/traces"], `{"name":"b"}`) + "]"), ""},
		{"the second is a number", "application/json", []byte(doc("a") + "5"), ""},
		{"the second is torn", "application/json", []byte(doc("a") + `{"resourceLogs":`), ""},
		{"text behind it", "application/json", []byte(doc("a") + "größe"), ""},
		{"comma between them", "application/json", []byte(doc("a") + "," + doc("b")), ""},
		{"trailing comma", "application/json", []byte(`{"resourceLogs":[],}`), ""},
		{"not JSON and not ASCII", "application/json", []byte(`{"größe":監査`), ""},
		{"not UTF-8", "application/json", []byte("\xff\xff\xff"), ""},
		{"array of an array", "application/json", []byte("[[" + doc("a") + "]]"), ""},
		{"no lists", "application/json", []byte(`{"resourceLogs":[{"scopeLogs":{"größe":"監査監査監査"}}]}`), ""},
		{"empty", "application/json", nil, ""},
	} {
		received, status := p.compare(t, t, "/v1/logs", test.contentType, test.body)
		if test.want == "" {
			if status != http.StatusBadRequest || received != "" {
				t.Errorf("%s: got %d %s, want 400", test.name, status, received)
			}
			continue
		}
		var got []string
		for _, part := range strings.Split(received, `"severityText":"`)[min(1, strings.Count(received, "severityText")):] {
			if text, _, ok := strings.Cut(part, `"`); ok && strings.Contains(received, "severityText") {
				got = append(got, text)
			}
		}
		if want := strings.TrimPrefix(test.want, "-"); strings.Join(got, " ") != want || status != http.StatusOK {
			t.Errorf("%s: got %d %q, want 200 %q", test.name, status, got, want)
		}
	}
}

func utf16Of(text string, bigEndian, mark bool) (body []byte) {
	if mark {
		text = bom + text
	}
	for _, unit := range utf16.Encode([]rune(text)) {
		if bigEndian {
			body = append(body, byte(unit>>8), byte(unit))
		} else {
			body = append(body, byte(unit), byte(unit>>8))
		}
	}
	return body
}

// TestARepeatedMemberIsKept at each level of a request that has an odd value.
func TestARepeatedMemberIsKept(t *testing.T) {
	p := newPair(t)
	const good, bad = `{"body":{"stringValue":"good"}}`, `{"body":{"doubleValue":{}},"severityText":"bad"}`
	for _, body := range []string{
		`{"resourceLogs":[{"scopeLogs":[{"logRecords":[` + good + `]}]}],"resourceLogs":[{"scopeLogs":[{"logRecords":[` + bad + `]}]}]}`,
		`{"resourceLogs":[{"scopeLogs":[{"logRecords":[` + good + `]}],"scopeLogs":[{"logRecords":[` + bad + `]}]}]}`,
		`{"resourceLogs":[{"scopeLogs":[{"logRecords":[` + good + `],"logRecords":[` + bad + `]}]}]}`,
		`{"resourceLogs":[{"scopeLogs":[{"logRecords":[` + bad + `],"log_records":[` + good + `]}]}]}`,
		`{"resource_logs":[{"scope_logs":[{"log_records":[` + good + `]}]}],"resourceLogs":[{"scopeLogs":[{"logRecords":[` + bad + `]}]}]}`,
		`{"resourceLogs":[{"resource":{"attributes":[{"key":"good","value":{"intValue":"1"}}]},"resource":{"attributes":[{"key":"bad","value":5}]},"scopeLogs":[{"logRecords":[{}]}]}]}`,
		`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"attributes":[{"key":"good","value":{"intValue":"1"}}],"attributes":[{"key":"bad","value":5}]}]}]}]}`,
		`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"severityText":"good","severityText":"bad","flags":-1}]}]}]}`,
		`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"good"},"body":{"doubleValue":"bad"}}]}]}]}`,
		`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"time_unix_nano":"good","timeUnixNano":"1","eventName":"bad"}]}]}]}`,
		`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"attributes":[{"key":"good","key":"bad","value":5}]}]}]}]}`,
		`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"attributes":[{"key":"bad","value":{"stringValue":"good"},"value":5}]}]}]}]}`,
		`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"":"good","eventName":"bad"}]}]}]}`,
	} {
		received, status := p.compare(t, t, "/v1/logs", "application/json", []byte(body))
		if status != http.StatusOK || !strings.Contains(received, "good") || !strings.Contains(received, "bad") {
			t.Errorf("%s: got %d %s; want good and bad", body, status, received)
		}
	}
}

// TestEachDigitIsKept of numbers that no number of OTLP holds.
func TestEachDigitIsKept(t *testing.T) {
	for value, want := range map[string]string{
		`{"intValue":1.5}`: `{"doubleValue":1.5}`, `{"intValue":"1e3"}`: `{"intValue":"1000"}`, `{"intValue":" 7 "}`: `{"intValue":"7"}`,
		`{"intValue":9007199254740993.0}`:       `{"intValue":"9007199254740993"}`,
		`{"intValue":9223372036854775807.0}`:    `{"intValue":"9223372036854775807"}`,
		`{"intValue":"-9223372036854775808.0"}`: `{"intValue":"-9223372036854775808"}`,
		`{"intValue":-0.0}`:                     `{"doubleValue":-0}`,
		`{"intValue":0.50}`:                     `{"doubleValue":0.5}`,
		`{"intValue":1e300}`:                    `{"doubleValue":1e+300}`,
		`{"intValue":"Infinity"}`:               `{"doubleValue":"Infinity"}`,
		`{"intValue":9223372036854775808}`:      `{"stringValue":"{\"intValue\":9223372036854775808}"}`,
		`{"intValue":"18446744073709551615"}`:   `{"stringValue":"{\"intValue\":\"18446744073709551615\"}"}`,
		`{"intValue":0.1234567890123456789}`:    `{"stringValue":"{\"intValue\":0.1234567890123456789}"}`,
		`{"intValue":1e999999999999}`:           `{"stringValue":"{\"intValue\":1e999999999999}"}`,
		`{"doubleValue":1e400}`:                 `{"stringValue":"{\"doubleValue\":1e400}"}`,
		`{"doubleValue":"0x"}`:                  `{"stringValue":"{\"doubleValue\":\"0x\"}"}`,
		`123456789012345678901234567890`:        `{"stringValue":"123456789012345678901234567890"}`,
		`{"stringValue":12345678901234567890}`:  `{"stringValue":"12345678901234567890"}`,
		`{"stringValue":1.0}`:                   `{"stringValue":"1.0"}`,
		`{"bytesValue":"_-8"}`:                  `{"bytesValue":"/+8="}`,
		`{"bytesValue":"_/8"}`:                  `{"stringValue":"{\"bytesValue\":\"_/8\"}"}`,
		`{"stringValue":["\ud800"]}`:            `{"stringValue":"[\"\\ud800\"]"}`,
		"{\"stringValue\":[\"\xff\"]}":          "{\"stringValue\":\"[\\\"\xff\\\"]\"}",
	} {
		request := fmt.Sprintf(frames["/v1/logs"], `{"body":`+value+`}`)
		got, _ := repair([]byte(request))
		if diff := cmp.Diff(fmt.Sprintf(frames["/v1/logs"], `{"body":`+strings.NewReplacer(`:1.5}`, `:"1.5"}`, `:-0}`, `:"-0"}`, `:0.5}`, `:"0.5"}`, `:1e+300}`, `:"1e+300"}`).Replace(want)+`}`), string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", value, diff)
		}
	}
}

// TestWhatIsOddIsNowhereLost has random requests with a marker in each part that
// OTLP knows.
func TestWhatIsOddIsNowhereLost(t *testing.T) {
	p := newPair(t)
	rapid.Check(t, func(rt *rapid.T) {
		var markers []string
		marker := func() string {
			markers = append(markers, fmt.Sprintf("marker%dm", len(markers)))
			return markers[len(markers)-1]
		}
		value := func() string {
			m := marker()
			return rapid.SampledFrom([]string{
				fmt.Sprintf(`{"stringValue":%q}`, m), fmt.Sprintf(`{"intValue":%q}`, m), fmt.Sprintf(`{"doubleValue":[%q]}`, m), fmt.Sprintf(`%q`, m),
				fmt.Sprintf(`{"arrayValue":{"values":[{"stringValue":%q},{"boolValue":1}]}}`, m), fmt.Sprintf(`[%q]`, m),
				fmt.Sprintf(`{"kvlistValue":{"values":[{"key":%q,"value":{}}]}}`, m), fmt.Sprintf(`{"stringValue":"監査","intValue":{%q:"größe"}}`, m),
			}).Draw(rt, "value")
		}
		attributes := func() string {
			var list []string
			for range rapid.IntRange(0, 3).Draw(rt, "attributes") {
				list = append(list, rapid.SampledFrom([]string{
					fmt.Sprintf(`{"key":%q,"value":%s}`, marker(), value()), fmt.Sprintf(`{"value":%s,"key":%q}`, value(), marker()),
				}).Draw(rt, "attribute"))
			}
			return `"attributes":[` + strings.Join(list, ",") + `]`
		}
		record := func() string {
			members := []string{attributes()}
			for range rapid.IntRange(0, 3).Draw(rt, "members") {
				members = append(members, fmt.Sprintf(`%q:%q`, rapid.SampledFrom([]string{"timeUnixNano", "flags", "traceId", "spanId", "droppedAttributesCount", ""}).Draw(rt, "name"), marker()))
			}
			if rapid.Bool().Draw(rt, "body") {
				members = append(members, `"body":`+value())
			}
			return "{" + strings.Join(rapid.Permutation(members).Draw(rt, "order"), ",") + "}"
		}
		var records []string
		for range rapid.IntRange(1, 3).Draw(rt, "records") {
			records = append(records, record())
		}
		body := fmt.Sprintf(`{"resourceLogs":[{"resource":{%s},"schemaUrl":[%q],"scopeLogs":[{"scope":{"name":{%q:1},%s},"logRecords":[%s]}]}]}`,
			attributes(), marker(), marker(), attributes(), strings.Join(records, ","))
		received, status := p.compare(t, rt, "/v1/logs", "application/json", []byte(body))
		if status != http.StatusOK {
			rt.Fatalf("%s: got %d", body, status)
		}
		for _, m := range markers {
			if strings.Contains(body, m) && !strings.Contains(received, m) {
				rt.Fatalf("%s: %s is not in %s", body, m, received)
			}
		}
	})
}

// FuzzTheRepairedReceiver holds the receiver with the extension against the one
// without.
func FuzzTheRepairedReceiver(f *testing.F) {
	p := newPair(f)
	for path, frame := range frames {
		for _, value := range odd {
			f.Add(path, []byte(fmt.Sprintf(frame, value)))
			f.Add(path, []byte(fmt.Sprintf(frame, `{"attributes":[{"key":"größe","value":`+value+`}]}`)))
		}
	}
	for _, body := range []string{"", "}", ",", "null", "[", `{"":1}`, `{"resourceLogs":5}`, `,"resourceLogs":[]}`, "{}{}", "\xff\xfe{\x00}\x00", bom + "{}", `{"resourceLogs":[{}]]`} {
		f.Add("/v1/logs", []byte(body))
	}
	f.Fuzz(func(t *testing.T, path string, body []byte) {
		if _, ok := frames[path]; !ok || bytes.Count(body, []byte("{")) > 1000 {
			t.Skip()
		}
		p.compare(t, t, path, "application/json", body)
	})
}

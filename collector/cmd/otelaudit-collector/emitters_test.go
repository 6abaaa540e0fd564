package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// emitter is the test data of package exporter: what is known of the records
// and spans of a program or library, in OTLP/JSON, and what their lines hold.
type emitter struct {
	Emitter string   `json:"emitter"`
	Vectors []vector `json:"vectors"`
}

type vector struct {
	Name      string          `json:"name"`
	LogRecord json.RawMessage `json:"logRecord"`
	Span      json.RawMessage `json:"span"`
	Scope     json.RawMessage `json:"scope"`
	Resource  json.RawMessage `json:"resource"`
	Expect    map[string]any  `json:"expect"`
	Absent    []string        `json:"absent"`
	Derived   *[]string       `json:"derived"` // nil: not said
	None      bool            `json:"none"`
}

// request is the vector as a request of its signal.
func (v *vector) request() (path, body string) {
	or := func(raw json.RawMessage) string {
		if raw == nil {
			return "{}"
		}
		return string(raw)
	}
	if v.Span != nil {
		return "/v1/traces", fmt.Sprintf(`{"resourceSpans":[{"resource":%s,"scopeSpans":[{"scope":%s,"spans":[%s]}]}]}`, or(v.Resource), or(v.Scope), v.Span)
	}
	return "/v1/logs", fmt.Sprintf(`{"resourceLogs":[{"resource":%s,"scopeLogs":[{"scope":%s,"logRecords":[%s]}]}]}`, or(v.Resource), or(v.Scope), v.LogRecord)
}

func emitters(t *testing.T) (all []emitter) {
	t.Helper()
	files, err := filepath.Glob("../../../exporter/testdata/emitters/*.json")
	if err != nil {
		t.Fatal(err)
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
		all = append(all, e)
	}
	for _, name := range []string{"Claude Code", "Codex", "Gemini CLI", "OpenInference"} {
		if !slices.ContainsFunc(all, func(e emitter) bool { return strings.HasPrefix(e.Emitter, name) && len(e.Vectors) > 0 }) {
			t.Fatalf("there is nothing of %s", name)
		}
	}
	return all
}

// process has records without a session be in one of that name.
const process = "yaml:exporters: {auditlog: {session_id: process}}"

// TestEachEmitterGivesItsLine posts what real emitters send.
func TestEachEmitterGivesItsLine(t *testing.T) {
	c := start(t, filepath.Join(t.TempDir(), "audit.jsonl"), "agent.yaml", process)
	before := 0
	for _, e := range emitters(t) {
		for _, v := range e.Vectors {
			t.Run(e.Emitter+"/"+v.Name, func(t *testing.T) {
				path, body := v.request()
				mustPost(t, c.url+path, body)
				lines := linesOf(t, c.path)[before:]
				before += len(lines)
				if v.None {
					if len(lines) != 0 {
						t.Errorf("got %v, want no line", lines)
					}
					return
				}
				if len(lines) != 1 {
					t.Fatalf("got %d lines, want 1", len(lines))
				}
				for key, want := range v.Expect {
					if diff := cmp.Diff(want, lines[0][key]); diff != "" {
						t.Errorf("%s (-want +got):\n%s", key, diff)
					}
				}
				for _, key := range v.Absent {
					if got, ok := lines[0][key]; ok {
						t.Errorf("%s is %v, want none", key, got)
					}
				}
				if v.Derived != nil {
					if got := derivedOf(lines[0]); !slices.Equal(got, slices.Sorted(slices.Values(*v.Derived))) {
						t.Errorf("otel.derived is %q, want %q", got, *v.Derived)
					}
				}
			})
		}
	}
	if before == 0 {
		t.Error("there are no lines")
	}
	if strings.Contains(c.output.String(), "repaired") {
		t.Error("what an emitter sends was repaired: the test data is not OTLP/JSON")
	}
}

// derivedOf returns otel.derived of a line, sorted.
func derivedOf(line map[string]any) (derived []string) {
	list, _ := line["otel"].(map[string]any)["derived"].([]any)
	for _, key := range list {
		derived = append(derived, key.(string))
	}
	slices.Sort(derived)
	return derived
}

// odd are ways in which one attribute of a real request is not as OTLP/JSON has
// it, and what is on the line in its place.
var odd = []struct {
	value string
	want  any
	// accepted says that the receiver reads it by itself.
	accepted bool
}{
	{`{"doubleValue":{}}`, `{"doubleValue":{}}`, false},
	{`{"doubleValue":null}`, map[string]any{"doubleValue": "NaN"}, false},
	{`{"intValue":5}`, 5.0, true},
	{`{"intValue":5.0}`, 5.0, false},
	{`{"intValue":5.5}`, 5.5, false},
	{`{"intValue":"many"}`, `{"intValue":"many"}`, false},
	{`{"intValue":1e3}`, 1000.0, false},
	{`{"stringValue":7}`, "7", false},
	{`{"boolValue":"true"}`, true, false},
	{`{"arrayValue":[1,2]}`, `{"arrayValue":[1,2]}`, false},
	{`{"kvlistValue":{"values":[{"key":"a","value":{"doubleValue":{}}}]}}`, `{"kvlistValue":{"values":[{"key":"a","value":{"doubleValue":{}}}]}}`, false},
	{`{"bytesValue":"***"}`, `{"bytesValue":"***"}`, false},
	{`"bare"`, "bare", false},
	{`12`, 12.0, false},
	{`{"futureValue":1}`, nil, true},
	{`{"stringValue":"x","unknown":{"a":[1]}}`, "x", true},
}

// TestAnOddAttributeNeverCostsTheBatch puts each into requests of the emitters,
// of logs and of spans, between records that are as they should be.
func TestAnOddAttributeNeverCostsTheBatch(t *testing.T) {
	c := start(t, filepath.Join(t.TempDir(), "audit.jsonl"), "agent.yaml", process)
	before := 0
	for _, o := range odd {
		for _, signal := range []struct{ path, record, request string }{
			{"/v1/logs", `"eventName":"odd"`, `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"eventName":"first"},{%s},{"eventName":"last"}]}]}]}`},
			{"/v1/traces", `"name":"odd"`, `{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"ai.embed.doEmbed"},{%s},{"name":"ai.embed.doEmbed"}]}]}]}`},
		} {
			record := fmt.Sprintf(`%s,"attributes":[{"key":"llm.request.type","value":{"stringValue":"chat"}},{"key":"cost_usd","value":{"doubleValue":0.25}},{"key":"odd","value":%s},{"key":"model","value":{"stringValue":"m"}}]`,
				signal.record, o.value)
			mustPost(t, c.url+signal.path, fmt.Sprintf(signal.request, record))
			lines := linesOf(t, c.path)[before:]
			before += len(lines)
			if len(lines) != 3 {
				t.Fatalf("%s: %s: got %d lines, want 3", signal.path, o.value, len(lines))
			}
			if diff := cmp.Diff(o.want, lines[1]["odd"]); diff != "" || lines[1]["cost"] != 0.25 || lines[1]["model"] != "m" {
				t.Errorf("%s: %s: got %v (-want +got):\n%s", signal.path, o.value, lines[1], diff)
			}
		}
	}
}

// TestTheReceiverAloneRefusesTheBatch is why there is otlp_repair: when it fails,
// the receiver has learned to read these, and the extension can go.
func TestTheReceiverAloneRefusesTheBatch(t *testing.T) {
	c := start(t, filepath.Join(t.TempDir(), "audit.jsonl"), "agent.yaml", "yaml:receivers: {otlp: {protocols: {http: {middlewares: []}}}}")
	for _, o := range odd {
		status, answer, err := post(t.Context(), c.url+"/v1/logs",
			`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"eventName":"good"},{"attributes":[{"key":"odd","value":`+o.value+`}]}]}]}]}`)
		if err != nil {
			t.Fatal(err)
		}
		if want := map[bool]int{true: http.StatusOK, false: http.StatusBadRequest}[o.accepted]; status != want {
			t.Errorf("%s: got %d %s, want %d", o.value, status, answer, want)
		}
	}
}

// TestACompressedRequestIsRepairedToo: emitters compress what they send.
func TestACompressedRequestIsRepairedToo(t *testing.T) {
	c := start(t, filepath.Join(t.TempDir(), "audit.jsonl"), "agent.yaml")
	var body bytes.Buffer
	z := gzip.NewWriter(&body)
	_, err := io.WriteString(z, `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"eventName":"nav","attributes":[{"key":"odd","value":{"doubleValue":{}}}]}]}]}]}`)
	if err := errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.url+"/v1/logs", &body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Content-Encoding", "gzip")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	lines := linesOf(t, c.path)
	if resp.StatusCode != http.StatusOK || len(lines) != 1 || lines[0]["odd"] != `{"doubleValue":{}}` {
		t.Errorf("got %s and %v", resp.Status, lines)
	}
}

// TestADeepValueDoesNotEndTheCollector: it is refused, and the next request is
// written. The receiver alone would decode it, whatever stack that takes.
func TestADeepValueDoesNotEndTheCollector(t *testing.T) {
	c := start(t, filepath.Join(t.TempDir(), "audit.jsonl"), "agent.yaml")
	const request = `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"eventName":"deep","body":%s{}%s}]}]}]}`
	for _, levels := range []int{10_000, 400_000} {
		body := fmt.Sprintf(request, strings.Repeat(`{"arrayValue":{"values":[`, levels), strings.Repeat(`]}}`, levels))
		status, answer, err := post(t.Context(), c.url+"/v1/logs", body)
		if err != nil || status != http.StatusBadRequest || !strings.Contains(answer, "lists and maps") && !strings.Contains(answer, "nested deeper") {
			t.Errorf("%d levels: got %d %.200s, %v; want 400", levels, status, answer, err)
		}
	}
	mustPost(t, c.url+"/v1/logs", logsJSON("next"))
	if lines := linesOf(t, c.path); len(lines) != 1 || lines[0]["event"] != "next" {
		t.Errorf("got %v, want the next event only", lines)
	}
	if !strings.Contains(c.output.String(), "refused a request") {
		t.Error("no line in the collector's log")
	}
}

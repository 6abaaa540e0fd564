package exporter_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/trace"
	"pgregory.net/rapid"

	"github.com/otelaudit/otelaudit/exporter"
	"github.com/otelaudit/otelaudit/internal/emitters/file"
	"github.com/otelaudit/otelaudit/internal/otelline"
)

// TestAnEmitterIsOneFileAndOneCapture is the example of CONTRIBUTING.md.
func TestAnEmitterIsOneFileAndOneCapture(t *testing.T) {
	acme, err := file.Load(emittersFolder + "testdata/example/acme.json")
	if err != nil {
		t.Fatal(err)
	}
	lines := replayCapture(t, emittersFolder+"testdata/example/acme.jsonl", exporter.WithEmitters(acme.Emitter()))
	var got []map[string]any
	for _, line := range lines {
		kept := make(map[string]any)
		for _, key := range []string{"event", "session_id", "model", "input_t", "output_t", "cache_read_t", "tool", "failed", "reason", "call_id", "duration_ms"} {
			if v, ok := line[key]; ok {
				kept[key] = v
			}
		}
		kept["emitter"] = line["otel"].(map[string]any)["emitter"]
		got = append(got, kept)
	}
	if len(got) == 2 {
		delete(got[1], "session_id") // that of the process
	}
	want := []map[string]any{
		{"event": "chat", "session_id": "t-1", "model": "m-1", "input_t": 1200.0, "output_t": 30.0, "cache_read_t": 1024.0, "duration_ms": 1500.0,
			"call_id": "090a0b0c0d0e0f10-0000000000000002", "emitter": "acme"},
		{"event": "execute_tool", "tool": "search", "failed": true, "reason": "no such page", "duration_ms": 12.0, "emitter": "acme"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// written returns the lines of what fill adds to a batch.
func written(t testing.TB, fill func(*exporter.Batch), opts ...exporter.Option) []map[string]any {
	t.Helper()
	exp, audit := newExporter(t, opts...)
	batch := exp.NewBatch()
	defer batch.Release()
	batch.SetOrigin(&otelline.Origin{})
	fill(batch)
	if err := batch.Write(t.Context()); err != nil {
		t.Fatal(err)
	}
	return decodedLines(t, audit)
}

func at(scope, service string) *otelline.Origin {
	o := &otelline.Origin{ScopeName: scope}
	if service != "" {
		o.ResourceAttributes = []attribute.KeyValue{attribute.String("service.name", service)}
	}
	return o
}

// TestWhichLogRecordsAreCalls has a row per rule for records of no known emitter.
func TestWhichLogRecordsAreCalls(t *testing.T) {
	str, num := attribute.String, attribute.Int
	chat := str("gen_ai.operation.name", "chat")
	for _, test := range []struct {
		name     string
		event    string
		body     string
		severity log.Severity
		attrs    []attribute.KeyValue
		call     bool
		failed   bool
	}{
		{"a cost", "nav", "", 9, []attribute.KeyValue{attribute.Float64("cost", 0.5)}, true, false},
		{"tokens", "", "llm.call", 9, []attribute.KeyValue{num("input_tokens", 5)}, true, false},
		{"prose with a number", "", "prompt close to the limit", 13, []attribute.KeyValue{num("input_tokens", 8870), num("limit", 10000)}, false, false},
		{"prose with a number and a model", "", "prompt close to the limit", 13, []attribute.KeyValue{num("input_tokens", 8870), str("model", "m")}, false, false},
		{"prose with a cost", "", "spent so far", 9, []attribute.KeyValue{attribute.Float64("cost", 0.5)}, false, false},
		{"prose about one call", "", "the model said hello", 9, []attribute.KeyValue{str("model", "m"), num("input_tokens", 3), num("output_tokens", 4)}, true, false},
		{"an operation and a response", "details", "", 9, []attribute.KeyValue{chat, str("gen_ai.response.id", "r")}, true, false},
		{"an operation, before the response", "details", "", 9, []attribute.KeyValue{chat, str("gen_ai.request.model", "m")}, false, false},
		{"a failure that names a model", "", "llm.error", 17, []attribute.KeyValue{str("model", "m")}, true, true},
		{"a failure of something else", "", "parse.error", 17, []attribute.KeyValue{str("model", "m")}, false, false},
		{"a tool", "x", "", 9, []attribute.KeyValue{str("gen_ai.operation.name", "execute_tool"), num("input_tokens", 5)}, false, false},
		{"a sum", "x", "", 9, []attribute.KeyValue{str("gen_ai.operation.name", "invoke_agent"), num("input_tokens", 5)}, false, false},
	} {
		line := written(t, func(b *exporter.Batch) {
			addRecord(b, otelline.Record{EventName: test.event, Body: attribute.StringValue(test.body), Severity: test.severity}, test.attrs...)
		})[0]
		if call := line["call_id"] != nil; call != test.call || (line["failed"] == true) != test.failed {
			t.Errorf("%s: got call %v and failed %v, want %v and %v: %v", test.name, call, line["failed"], test.call, test.failed, line)
		}
		if !test.call && (line["input_t"] != nil || line["cost"] != nil) {
			t.Errorf("%s: it is no call, and has usage: %v", test.name, line)
		}
	}
}

// TestWhatASpanThatFailedIs has a row per sign of a failure.
func TestWhatASpanThatFailedIs(t *testing.T) {
	str := attribute.String
	chat := str("gen_ai.operation.name", "chat")
	for _, test := range []struct {
		name   string
		span   otelline.Span
		failed bool
		reason any
	}{
		{"nothing", otelline.Span{Attributes: []attribute.KeyValue{chat}}, false, nil},
		{"a status", otelline.Span{Failed: true, Status: "429", Attributes: []attribute.KeyValue{chat}}, true, "429"},
		{"a status without a text", otelline.Span{Failed: true, Attributes: []attribute.KeyValue{chat, str("error.type", "rate_limit")}}, true, "rate_limit"},
		{"a status and nothing else", otelline.Span{Failed: true, Attributes: []attribute.KeyValue{chat}}, true, "error"},
		{"a finish reason", otelline.Span{Attributes: []attribute.KeyValue{chat, attribute.StringSlice("gen_ai.response.finish_reasons", []string{"error"})}}, true, "error"},
		{"a finish reason as JSON", otelline.Span{Attributes: []attribute.KeyValue{chat, str("gen_ai.response.finish_reasons", `["error"]`)}}, true, "error"},
		{"an exception", otelline.Span{Attributes: []attribute.KeyValue{chat}, Events: &thrown{"Error", "429 limit"}}, true, "429 limit"},
		{"an exception before an answer", otelline.Span{Attributes: []attribute.KeyValue{chat, attribute.Int("gen_ai.usage.output_tokens", 7)}, Events: &thrown{"Error", "429 limit"}}, false, nil},
		{"an exception before an end", otelline.Span{Attributes: []attribute.KeyValue{chat, attribute.StringSlice("gen_ai.response.finish_reasons", []string{"stop"})}, Events: &thrown{"Error", "429"}}, false, nil},
		{"a code of HTTP", otelline.Span{Attributes: []attribute.KeyValue{chat, attribute.Int("http.response.status_code", 503)}}, true, "HTTP 503"},
		{"a code of HTTP and an answer", otelline.Span{Attributes: []attribute.KeyValue{chat, attribute.Int("http.response.status_code", 503), attribute.Int("gen_ai.usage.output_tokens", 7)}}, false, nil},
		{"Langfuse's level", otelline.Span{Attributes: []attribute.KeyValue{str("langfuse.observation.type", "generation"), str("langfuse.observation.level", "ERROR"), str("langfuse.observation.status_message", "why")}}, true, "why"},
		{"a tool", otelline.Span{Attributes: []attribute.KeyValue{str("gen_ai.operation.name", "execute_tool"), str("gen_ai.tool.name", "t")}, Failed: true, Status: "no"}, true, "no"},
	} {
		line := written(t, func(b *exporter.Batch) { b.AddSpan(&test.span) })[0]
		if failed := line["failed"] == true; failed != test.failed || line["reason"] != test.reason {
			t.Errorf("%s: got failed %v and reason %v, want %v and %v", test.name, failed, line["reason"], test.failed, test.reason)
		}
	}
}

// TestTokensAreMadeWhole as each emitter's numbers read.
func TestTokensAreMadeWhole(t *testing.T) {
	str, num := attribute.String, attribute.Int
	for _, test := range []struct {
		name          string
		origin        *otelline.Origin
		attrs         []attribute.KeyValue
		input, output any
	}{
		{"conventions", at("", ""), []attribute.KeyValue{str("gen_ai.operation.name", "chat"), num("gen_ai.usage.input_tokens", 1200), num("gen_ai.usage.cache_read.input_tokens", 1024)}, 1200.0, nil},
		{"conventions, less than its parts", at("", ""), []attribute.KeyValue{str("gen_ai.operation.name", "chat"), num("gen_ai.usage.input_tokens", 76), num("gen_ai.usage.cache_read.input_tokens", 1024), num("gen_ai.usage.cache_creation.input_tokens", 100)}, 1200.0, nil},
		{"own input_t", at("", ""), []attribute.KeyValue{str("gen_ai.operation.name", "chat"), num("input_t", 76), num("gen_ai.usage.cache_read.input_tokens", 1024)}, 76.0, nil},
		{"too many for a line", at("", ""), []attribute.KeyValue{str("gen_ai.operation.name", "chat"), num("gen_ai.usage.input_tokens", 5), num("gen_ai.usage.cache_read.input_tokens", 1<<53-1), num("gen_ai.usage.cache_creation.input_tokens", 1<<53-1)}, nil, nil},
		{"OpenLLMetry, Anthropic", at("@traceloop/instrumentation-anthropic", ""), []attribute.KeyValue{str("gen_ai.operation.name", "chat"), str("gen_ai.provider.name", "anthropic"), num("gen_ai.usage.input_tokens", 2000), num("gen_ai.usage.cache_read.input_tokens", 1024)}, 3024.0, nil},
		{"OpenLLMetry, OpenAI", at("@traceloop/instrumentation-openai", ""), []attribute.KeyValue{str("gen_ai.operation.name", "chat"), str("gen_ai.provider.name", "openai"), num("gen_ai.usage.input_tokens", 2000), num("gen_ai.usage.cache_read.input_tokens", 1024)}, 2000.0, nil},
		{"OpenLLMetry, Google", at("@traceloop/instrumentation-google-generativeai", ""), []attribute.KeyValue{str("gen_ai.operation.name", "generate_content"), str("gen_ai.provider.name", "gcp.gen_ai"), num("gen_ai.usage.output_tokens", 10), num("gen_ai.usage.reasoning_tokens", 20)}, nil, 30.0},
		{"OpenLIT, Anthropic", at("@openlit/instrumentation-anthropic", ""), []attribute.KeyValue{str("gen_ai.operation.name", "chat"), str("gen_ai.provider.name", "anthropic"), num("gen_ai.usage.input_tokens", 2000), num("gen_ai.usage.cache_read.input_tokens", 1024)}, 3024.0, nil},
		{"AI SDK 5, Anthropic", at("ai", ""), []attribute.KeyValue{str("ai.operationId", "ai.generateText.doGenerate"), str("ai.model.provider", "anthropic.messages"), num("ai.usage.promptTokens", 2000), num("gen_ai.usage.input_tokens", 2000),
			str("ai.response.providerMetadata", `{"anthropic":{"usage":{"input_tokens":2000,"cache_read_input_tokens":1024,"cache_creation_input_tokens":100},"cacheCreationInputTokens":100}}`)}, 3124.0, nil},
		{"AI SDK 5, Google", at("ai", ""), []attribute.KeyValue{str("ai.operationId", "ai.streamText.doStream"), str("ai.model.provider", "google.generative-ai"), num("ai.usage.outputTokens", 10), num("ai.usage.reasoningTokens", 20), num("gen_ai.usage.output_tokens", 10),
			str("ai.response.providerMetadata", `{"google":{"usageMetadata":{"candidatesTokenCount":10,"thoughtsTokenCount":20}}}`)}, nil, 30.0},
		{"AI SDK 6, Google", at("ai", ""), []attribute.KeyValue{str("ai.operationId", "ai.streamText.doStream"), str("ai.model.provider", "google.generative-ai"), num("ai.usage.outputTokens", 30), num("ai.usage.outputTokenDetails.textTokens", 10), num("ai.usage.outputTokenDetails.reasoningTokens", 20), num("gen_ai.usage.output_tokens", 30)}, nil, 30.0},
		{"Langfuse by hand", at("langfuse-sdk", ""), []attribute.KeyValue{str("langfuse.observation.type", "generation"), str("langfuse.observation.usage_details", `{"input":76,"output":30,"cache_read_input_tokens":1024,"cache_creation_input_tokens":100,"total":1230}`)}, 1200.0, 30.0},
		{"Langfuse with OpenAI's names", at("langfuse-sdk", ""), []attribute.KeyValue{str("langfuse.observation.type", "generation"), str("langfuse.observation.usage_details", `{"prompt_tokens":1200,"completion_tokens":30,"total_tokens":1230,"prompt_tokens_details":{"cached_tokens":1024}}`)}, 1200.0, 30.0},
		{"Genkit, Gemini", at("genkit-tracer", ""), []attribute.KeyValue{str("genkit:metadata:subtype", "model"), str("genkit:name", "googleai/gemini-2.5-flash"), str("genkit:output", `{"usage":{"inputTokens":1200,"outputTokens":10,"thoughtsTokens":20}}`)}, 1200.0, 30.0},
		{"Genkit, a text that was cut", at("genkit-tracer", ""), []attribute.KeyValue{str("genkit:metadata:subtype", "model"), str("genkit:output", `{"usage":{"inputTokens":1200,"outputTokens":10},"raw":{"usage":{"prom`)}, 1200.0, 10.0},
	} {
		lines := written(t, func(b *exporter.Batch) {
			b.SetOrigin(test.origin)
			b.AddSpan(&otelline.Span{Name: "x", Attributes: test.attrs})
		})
		if len(lines) != 1 || lines[0]["input_t"] != test.input || lines[0]["output_t"] != test.output {
			t.Errorf("%s: got %v, want %v and %v", test.name, lines, test.input, test.output)
		}
	}
}

// TestCallIDsOfDifferentCallsDiffer makes calls that share ids, tokens and times.
func TestCallIDsOfDifferentCallsDiffer(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		exp, audit := newExporter(t)
		batch := exp.NewBatch()
		defer batch.Release()
		batch.SetOrigin(&otelline.Origin{})
		n := rapid.IntRange(2, 6).Draw(rt, "records")
		spanID := trace.SpanID{7: 1}
		traceID := trace.TraceID{15: byte(rapid.IntRange(0, 1).Draw(rt, "trace"))}
		response := rapid.SampledFrom([]string{"", "r-1"}).Draw(rt, "response")
		if traceID.IsValid() && response != "" {
			response = "" // one response id within a trace is one call
		}
		for range n {
			attrs := []attribute.KeyValue{attribute.String("model", "m"), attribute.Int("input_tokens", 5), attribute.Int("output_tokens", 5), attribute.String("request_id", "q")}
			if response != "" {
				attrs = append(attrs, attribute.String("gen_ai.response.id", response))
			}
			addRecord(batch, otelline.Record{EventName: "llm.call", TraceID: traceID, SpanID: spanID, Time: time.Unix(1, 0)}, attrs...)
		}
		if err := batch.Write(t.Context()); err != nil {
			rt.Fatal(err)
		}
		ids := make(map[any]bool)
		for _, line := range decodedLines(t, audit) {
			ids[line["call_id"]] = true
		}
		if len(ids) != n {
			rt.Fatalf("got %d ids for %d calls", len(ids), n)
		}
	})
}

// TestCallIDsOfOneCallAreEqual has a log record and a span of one response, and
// Qwen Code's records of a failure.
func TestCallIDsOfOneCallAreEqual(t *testing.T) {
	record := otelline.Record{EventName: "x", TraceID: trace.TraceID{15: 1}, SpanID: trace.SpanID{7: 1}}
	span := otelline.Span{Name: "x", TraceID: trace.TraceID{15: 1}, SpanID: trace.SpanID{7: 1}}
	id, chat := attribute.String("gen_ai.response.id", `r"1`), attribute.String("gen_ai.operation.name", "chat")
	for name, fill := range map[string]func(*exporter.Batch){
		"response": func(b *exporter.Batch) {
			addRecord(b, record, id, chat)
			span.Attributes = []attribute.KeyValue{chat, id}
			b.AddSpan(&span)
		},
		"span of Qwen Code": func(b *exporter.Batch) {
			b.SetOrigin(at("qwen-code", ""))
			failed := record
			failed.EventName = "qwen-code.api_error"
			addRecord(b, failed, attribute.String("error_message", "500"))
			b.AddSpan(&otelline.Span{Name: "qwen-code.llm_request", Failed: true, TraceID: record.TraceID, SpanID: record.SpanID, Attributes: []attribute.KeyValue{chat}})
		},
	} {
		lines := written(t, fill)
		if len(lines) != 2 || lines[0]["call_id"] == nil || lines[0]["call_id"] != lines[1]["call_id"] {
			t.Errorf("%s: got %v, want two lines with one call_id", name, lines)
		}
	}
	long := attribute.String("gen_ai.response.id", strings.Repeat("r", 257))
	line := written(t, func(b *exporter.Batch) { addRecord(b, record, chat, long) })[0]
	if line["call_id"] != line["log.record.uid"] {
		t.Errorf("got call_id %v of a long response id, want the uid %v", line["call_id"], line["log.record.uid"])
	}
}

// TestADefaultSessionIsMarked, and a collector names the sender.
func TestADefaultSessionIsMarked(t *testing.T) {
	marked := func(line map[string]any) bool { return slices.Contains(derivedOf(line), "session_default") }
	origins := map[string]*otelline.Origin{
		"own":      at("", "a"),
		"instance": {ResourceAttributes: []attribute.KeyValue{attribute.String("service.instance.id", "i-1")}},
		"resource": at("", "a"),
		"other":    at("", "b"),
		"scrubbed": at("", "a"),
		"named":    {ResourceAttributes: []attribute.KeyValue{attribute.String("session.id", "s-2")}},
	}
	got := make(map[string]map[string]any)
	for name, origin := range origins {
		lines := written(t, func(b *exporter.Batch) {
			b.NameSenders()
			b.SetOrigin(origin)
			var attrs []attribute.KeyValue
			switch name {
			case "own":
				attrs = append(attrs, attribute.String("metadata", `{"session_id":"s-1"}`))
			case "scrubbed":
				attrs = append(attrs, attribute.String("session_id_", "x"), attribute.String("session.id", "[Scrubbed due to 'session']"))
			}
			addRecord(b, otelline.Record{EventName: "x"}, attrs...)
		})
		got[name] = lines[0]
	}
	for name, want := range map[string]string{"own": "s-1", "named": "s-2", "instance": "i-1"} {
		if got[name]["session_id"] != want || marked(got[name]) != (name == "instance") {
			t.Errorf("%s: got %v marked %v, want %s", name, got[name]["session_id"], marked(got[name]), want)
		}
	}
	a, b := got["resource"]["session_id"].(string), got["other"]["session_id"].(string)
	if !strings.HasPrefix(a, "resource:") || a == b || got["scrubbed"]["session_id"] != a || !marked(got["resource"]) {
		t.Errorf("got %q, %q and %v, want ids of two resources", a, b, got["scrubbed"]["session_id"])
	}
}

// TestWhatLooksLikeACallAndIsNoneIsCounted has a span of no known kind, and prose.
func TestWhatLooksLikeACallAndIsNoneIsCounted(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	lines := written(t, func(b *exporter.Batch) {
		b.AddSpan(&otelline.Span{Name: "x", Attributes: []attribute.KeyValue{attribute.Int("gen_ai.usage.input_tokens", 5)}})
		b.AddSpan(&otelline.Span{Name: "GET /"})
		addRecord(b, otelline.Record{Body: attribute.StringValue("used up")}, attribute.Int("input_tokens", 5))
		addRecord(b, otelline.Record{EventName: "x"})
	}, exporter.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))))
	if got := collect(t, reader)["otelaudit.calls.unknown"]; got != 2 || len(lines) != 2 {
		t.Errorf("got %d unknown calls and %d lines, want 2 and 2", got, len(lines))
	}
}

// TestASpanOfTheSDKHasItsException: the status is unset.
func TestASpanOfTheSDKHasItsException(t *testing.T) {
	tracers, audit := newSpans(t)
	_, span := tracers.Tracer("test").Start(t.Context(), "chat", trace.WithAttributes(attribute.String("gen_ai.operation.name", "chat")))
	span.RecordError(errors.New("429 limit"))
	span.SetStatus(codes.Ok, "")
	span.End()
	if line := onlyLine(t, audit); line["failed"] != true || line["reason"] != "429 limit" {
		t.Errorf("got %v", line)
	}
}

// TestAnAttributeCallIDIsNoCallID: agents have one for calls of tools.
func TestAnAttributeCallIDIsNoCallID(t *testing.T) {
	exp, audit := newExporter(t)
	batch := exp.NewBatch()
	defer batch.Release()
	batch.SetOrigin(at("codex_otel.log_only", ""))
	addRecord(batch, otelline.Record{EventName: "codex.tool_result"}, attribute.String("call_id", "call_1"), attribute.String("tool_name", "ls"),
		attribute.String("success", "false"), attribute.String("output", "no such tool"))
	if err := batch.Write(t.Context()); err != nil {
		t.Fatal(err)
	}
	line := onlyLine(t, audit)
	aside, _ := line["otel"].(map[string]any)["attributes"].(map[string]any)
	if line["call_id"] != nil || aside["call_id"] != "call_1" || line["tool"] != "ls" || line["reason"] != "no such tool" {
		t.Errorf("got %v", line)
	}
}

// TestTwoRecordsOfAnEmitterSayWhatTheyHaveInCommon, as opencode's plugin does: no id.
func TestTwoRecordsOfAnEmitterSayWhatTheyHaveInCommon(t *testing.T) {
	num, str := attribute.Int, attribute.String
	lines := written(t, func(b *exporter.Batch) {
		b.SetOrigin(at("com.opencode", ""))
		addRecord(b, otelline.Record{EventName: "api_request"}, str("session.id", "s"), str("model", "m"), num("input_tokens", 614), num("cache_read_tokens", 400),
			num("output_tokens", 106), num("reasoning_tokens", 50), attribute.Float64("cost_usd", 0.004302), num("duration_ms", 2181))
		b.AddSpan(&otelline.Span{Name: "opencode.llm", Attributes: []attribute.KeyValue{str("openinference.span.kind", "LLM"), str("session.id", "s"), str("llm.model_name", "m"),
			num("llm.token_count.prompt", 614), num("llm.token_count.prompt_details.cache_read", 400), num("llm.token_count.completion", 106),
			num("llm.token_count.completion_details.reasoning", 50), attribute.Float64("cost_usd", 0.004302), num("duration_ms", 2181)}})
		addRecord(b, otelline.Record{EventName: "api_request"}, str("session.id", "s"), num("input_tokens", 614))
	})
	same := func(line map[string]any) any { return line["otel"].(map[string]any)["same"] }
	if want := "s m 1014 156 0.004302 2181"; same(lines[0]) != want || same(lines[1]) != want || same(lines[2]) != nil {
		t.Errorf("got %v, %v and %v, want %s twice", same(lines[0]), same(lines[1]), same(lines[2]), want)
	}
}

// TestAResponseIDIsNoSpanID, though its text is one.
func TestAResponseIDIsNoSpanID(t *testing.T) {
	chat := attribute.String("gen_ai.operation.name", "chat")
	lines := written(t, func(b *exporter.Batch) {
		b.AddSpan(&otelline.Span{Name: "x", TraceID: trace.TraceID{15: 1}, SpanID: trace.SpanID{7: 1}, Attributes: []attribute.KeyValue{chat}})
		b.AddSpan(&otelline.Span{Name: "x", TraceID: trace.TraceID{15: 1}, SpanID: trace.SpanID{7: 2},
			Attributes: []attribute.KeyValue{chat, attribute.String("gen_ai.response.id", "0000000000000001")}})
	})
	if lines[0]["call_id"] == lines[1]["call_id"] {
		t.Errorf("two calls have call_id %v", lines[0]["call_id"])
	}
}

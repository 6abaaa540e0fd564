package auditlogexporter

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/otelaudit/otelaudit/exporter"
)

// aSpan is a span that is sent. Its trace is 1 if it says none.
type aSpan struct {
	name              string
	trace, id, parent uint64
	session           string // its attribute session.id
	call              bool   // it is a call of a model
}

func traceID(n uint64) (id pcommon.TraceID) {
	binary.BigEndian.PutUint64(id[8:], max(n, 1))
	return id
}

func spanID(n uint64) (id pcommon.SpanID) {
	binary.BigEndian.PutUint64(id[:], n)
	return id
}

// spansOf returns a request with spans.
func spansOf(spans ...aSpan) ptrace.Traces {
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.instance.id", "sender")
	list := rs.ScopeSpans().AppendEmpty().Spans()
	for _, s := range spans {
		to := list.AppendEmpty()
		to.SetName(s.name)
		to.SetTraceID(traceID(s.trace))
		to.SetSpanID(spanID(s.id))
		to.SetParentSpanID(spanID(s.parent))
		to.SetStartTimestamp(1770993022_000_000_000)
		to.SetEndTimestamp(1770993023_500_000_000)
		if s.call {
			to.Attributes().PutStr("gen_ai.operation.name", "chat")
			to.Attributes().PutInt("gen_ai.usage.input_tokens", 5)
		}
		if s.session != "" {
			to.Attributes().PutStr("session.id", s.session)
		}
	}
	return td
}

// told are lines as "name session", with a ~ in front of a default and the event in
// front of a span record. Lines of log records have no name.
func told(lines []map[string]any) (list []string) {
	for _, line := range lines {
		session := line["session_id"].(string)
		derived, _ := line["otel"].(map[string]any)["derived"].([]any)
		if slices.Contains(derived, any("session_default")) {
			session = "~" + session
		}
		name, _ := line["otelaudit.span.name"].(string)
		if line["event"] == exporter.EventSpan {
			name = "record of " + name
		}
		list = append(list, strings.TrimSpace(name+" "+session))
	}
	return list
}

// TestAncestorsNameSessions sends requests, one after the other.
func TestAncestorsNameSessions(t *testing.T) {
	agent := aSpan{name: "agent", id: 1, session: "s"}
	step := aSpan{name: "step", id: 2, parent: 1}
	chat := aSpan{name: "chat", id: 3, parent: 2, call: true}
	for name, test := range map[string]struct {
		traces   int // 0: the default
		requests [][]aSpan
		want     []string
	}{
		"parents before children":        {0, [][]aSpan{{agent, step, chat}}, []string{"chat s", "record of agent s", "record of step s"}},
		"parents after children":         {0, [][]aSpan{{chat, step, agent}}, []string{"chat s", "record of step s", "record of agent s"}},
		"parents in earlier requests":    {0, [][]aSpan{{agent}, {step}, {chat}}, []string{"record of agent s", "chat s", "record of step s"}},
		"parents in later requests":      {0, [][]aSpan{{chat}, {step}, {agent}}, []string{"chat ~sender", "record of step ~sender", "record of agent s"}},
		"a parent between in the last":   {0, [][]aSpan{{agent}, {chat}, {step}}, []string{"record of agent s", "chat ~sender", "record of step s"}},
		"nothing of it is known":         {0, [][]aSpan{{step}, {chat}}, []string{"chat ~sender", "record of step ~sender"}},
		"spans that have nothing below":  {0, [][]aSpan{{step, {name: "GET /", id: 9}}}, nil},
		"the same session again":         {0, [][]aSpan{{agent, {name: "step", id: 2, parent: 1, session: "s"}}}, []string{"record of agent s"}},
		"the nearest counts":             {0, [][]aSpan{{chat, agent, {name: "step", id: 2, parent: 1, session: "inner"}}}, []string{"chat inner", "record of agent s", "record of step inner"}},
		"a session of its own":           {0, [][]aSpan{{agent, {name: "chat", id: 3, parent: 1, session: "own", call: true}}}, []string{"chat own", "record of agent s"}},
		"two sessions in one trace":      {0, [][]aSpan{{agent, {name: "b", id: 5, session: "t"}, {name: "x", id: 6, parent: 5, call: true}, {name: "y", id: 7, parent: 1, call: true}}}, []string{"x t", "y s", "record of agent s", "record of b t"}},
		"another trace":                  {0, [][]aSpan{{agent, {name: "chat", trace: 2, id: 3, parent: 1, call: true}}}, []string{"chat ~sender", "record of agent s"}},
		"an id twice, with two sessions": {0, [][]aSpan{{agent, {name: "twin", id: 1, session: "t"}, {name: "chat", id: 3, parent: 1, call: true}}}, []string{"chat ~sender", "record of twin ~sender"}},
		"an id twice, later":             {0, [][]aSpan{{agent}, {{name: "twin", id: 1, session: "t"}}, {{name: "chat", id: 3, parent: 1, call: true}}}, []string{"record of agent s", "chat ~sender"}},
		"an id twice, with one session":  {0, [][]aSpan{{{name: "client", id: 1}, agent, {name: "chat", id: 3, parent: 1, call: true}}}, []string{"chat s", "record of client s"}},
		"its own parent":                 {0, [][]aSpan{{{name: "chat", id: 3, parent: 3, call: true}}}, []string{"chat ~sender"}},
		"a cycle":                        {0, [][]aSpan{{{name: "a", id: 1, parent: 2}, {name: "b", id: 2, parent: 1}, {name: "chat", id: 3, parent: 2, call: true}}, {{name: "later", id: 4, parent: 1, call: true}}}, []string{"chat ~sender", "record of b ~sender", "record of a ~sender", "later ~sender"}},
		"a cycle below a session":        {0, [][]aSpan{{{name: "a", id: 1, parent: 2, session: "s"}, {name: "b", id: 2, parent: 1}, {name: "chat", id: 3, parent: 2, call: true}}}, []string{"chat s", "record of b s", "record of a s"}},
		"a trace that was forgotten":     {1, [][]aSpan{{chat}, {{name: "x", trace: 2, id: 1}}, {step, agent}}, []string{"chat ~sender", "record of agent s"}},
		"a parent that was forgotten":    {1, [][]aSpan{{agent}, {{name: "x", trace: 2, id: 1}}, {step, chat}}, []string{"record of agent s", "chat ~sender", "record of step ~sender"}},
		"ids that are not valid":         {0, [][]aSpan{{{name: "chat", parent: 1, call: true}, {name: "agent", session: "s"}}}, []string{"chat ~sender"}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := newConfig(t)
			cfg.SessionID = ""
			if test.traces > 0 {
				cfg.RecentTraces = test.traces
			}
			e := startTraces(t, cfg)
			for _, spans := range test.requests {
				if err := e.ConsumeTraces(t.Context(), spansOf(spans...)); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(test.want, told(decodedLines(t, cfg.Path))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestAncestorsConnectATree holds that each line's parent has a line, up to the root.
func TestAncestorsConnectATree(t *testing.T) {
	cfg := newConfig(t)
	spans := []aSpan{
		{name: "chat", id: 5, parent: 4, call: true}, {name: "step", id: 4, parent: 3}, {name: "chat", id: 6, parent: 3, call: true},
		{name: "generation", id: 3, parent: 2}, {name: "agent", id: 2, parent: 1}, {name: "request", id: 1}, {name: "query", id: 9, parent: 2},
	}
	e := startTraces(t, cfg)
	for half := range slices.Chunk(spans, 3) {
		if err := e.ConsumeTraces(t.Context(), spansOf(half...)); err != nil {
			t.Fatal(err)
		}
	}
	lines := decodedLines(t, cfg.Path)
	byID := make(map[string]map[string]any)
	for _, line := range lines {
		byID[line["span_id"].(string)] = line
	}
	if len(lines) != 6 || len(byID) != 6 {
		t.Fatalf("got %d lines of %d spans, want 6 of 6: %v", len(lines), len(byID), told(lines))
	}
	for _, line := range lines {
		if parent, ok := line["otelaudit.span.parent_id"].(string); ok && byID[parent] == nil {
			t.Errorf("%v has the parent %s, which has no line", line["otelaudit.span.name"], parent)
		}
	}
}

// TestAncestorsRecordIsSmall holds what a span record has.
func TestAncestorsRecordIsSmall(t *testing.T) {
	cfg := newConfig(t)
	cfg.RecordUID = false
	td := spansOf(aSpan{name: strings.Repeat("n", 127) + "äx", id: 7, parent: 8, session: "s"})
	td.ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0).Attributes().PutStr("prompt", "secret")
	if err := startTraces(t, cfg).ConsumeTraces(t.Context(), td); err != nil {
		t.Fatal(err)
	}
	want := `{"ts":"2026-02-13T14:30:23.500Z","event":"otelaudit.span","session_id":"s","duration_ms":1500,` +
		`"otelaudit.span.name":"` + strings.Repeat("n", 127) + `","otelaudit.span.parent_id":"0000000000000008",` +
		`"trace_id":"00000000000000000000000000000001","span_id":"0000000000000007","trace_flags":"00",` +
		`"otel":{"time_unix_nano":"1770993023500000000","observed_time_unix_nano":"1770993023500000000","derived":["session_id"]}}`
	if got := rawLines(t, cfg.Path); len(got) != 1 || got[0] != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestAncestorsObeyTheRulesForAttributes: what an operator drops names no session
// anywhere.
func TestAncestorsObeyTheRulesForAttributes(t *testing.T) {
	cfg := newConfig(t)
	cfg.Attributes = []AttributeRule{{Action: Drop, Keys: []string{"session.id", "otelaudit.span.name"}}}
	cfg.Events.Exclude = []string{"nothing"}
	spans := spansOf(aSpan{name: "agent", id: 1, session: "secret"}, aSpan{name: "chat", id: 3, parent: 1, call: true})
	if err := startTraces(t, cfg).ConsumeTraces(t.Context(), spans); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(rawLines(t, cfg.Path), "\n"); strings.Contains(got, "secret") || strings.Contains(got, "agent") || strings.Count(got, "\n") != 1 {
		t.Errorf("got %s, want the call and a record, without the session and the names", got)
	}
}

// TestAncestorsRecordsCanBeTurnedOff by the name of their event.
func TestAncestorsRecordsCanBeTurnedOff(t *testing.T) {
	cfg := newConfig(t)
	cfg.Events.Exclude = []string{exporter.EventSpan}
	spans := spansOf(aSpan{name: "agent", id: 1, session: "s"}, aSpan{name: "chat", id: 3, parent: 1, call: true})
	if err := startTraces(t, cfg).ConsumeTraces(t.Context(), spans); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"chat s"}, told(decodedLines(t, cfg.Path))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestAncestorsOfLogRecords: a record has the session of its span, or of an ancestor
// of it, that came before. Its call has its span leave a record.
func TestAncestorsOfLogRecords(t *testing.T) {
	cfg := newConfig(t)
	tr, l := startTraces(t, cfg), startLogs(t, cfg)
	if err := tr.ConsumeTraces(t.Context(), spansOf(aSpan{name: "agent", id: 1, session: "s"}, aSpan{name: "step", id: 2, parent: 1})); err != nil {
		t.Fatal(err)
	}
	ld := plog.NewLogs()
	r := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	r.SetEventName("llm.call")
	r.SetTraceID(traceID(1))
	r.SetSpanID(spanID(2))
	r.Attributes().PutInt("input_tokens", 5)
	if err := l.ConsumeLogs(t.Context(), ld); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"record of agent s", "s", "record of step s"}, told(decodedLines(t, cfg.Path))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestAncestorsInALongChain has as many spans as one request can bring. What is above
// a span is looked at once, whatever the order: else this takes hours.
func TestAncestorsInALongChain(t *testing.T) {
	const n = 100_000
	for _, session := range []string{"s", ""} {
		for _, reverse := range []bool{false, true} {
			t.Run(fmt.Sprintf("%q %v", session, reverse), func(t *testing.T) {
				cfg := newConfig(t)
				cfg.SessionID = ""
				cfg.Rotation.MaxBytes = 1 << 30
				spans := []aSpan{{name: "root", id: 1, session: session}}
				for id := uint64(2); id < n; id++ {
					spans = append(spans, aSpan{name: "x", id: id, parent: id - 1})
				}
				spans = append(spans, aSpan{name: "chat", id: n, parent: n - 1, call: true})
				if reverse {
					slices.Reverse(spans)
				}
				if err := startTraces(t, cfg).ConsumeTraces(t.Context(), spansOf(spans...)); err != nil {
					t.Fatal(err)
				}
				text, err := os.ReadFile(cfg.Path)
				if err != nil {
					t.Fatal(err)
				}
				want := `"session_id":"s"`
				if session == "" {
					want = `"session_id":"sender"`
				}
				call, records, _ := bytes.Cut(text, []byte("\n"))
				if !bytes.Contains(call, []byte(want)) || bytes.Count(records, []byte("\n")) != n-1 {
					t.Errorf("got %s and %d records; want %s and %d", call, bytes.Count(records, []byte("\n")), want, n-1)
				}
			})
		}
	}
}

// TestAncestorsAndARequestThatComesAgain: its lines are not doubled, and no line is
// missing.
func TestAncestorsAndARequestThatComesAgain(t *testing.T) {
	cfg := newConfig(t)
	tr := startTraces(t, cfg)
	spans := spansOf(aSpan{name: "chat", id: 3, parent: 2, call: true}, aSpan{name: "step", id: 2, parent: 1}, aSpan{name: "agent", id: 1, session: "s"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := tr.ConsumeTraces(ctx, spans); err == nil {
		t.Fatal("a sender that gave up got no error")
	}
	if err := tr.ConsumeTraces(t.Context(), spans); err != nil {
		t.Fatal(err)
	}
	got := told(decodedLines(t, cfg.Path))
	slices.Sort(got)
	if diff := cmp.Diff([]string{"chat s", "record of agent s", "record of step s"}, slices.Compact(got)); diff != "" || strings.Count(strings.Join(got, "\n"), "chat") != 1 {
		t.Errorf("got %q (-want +got):\n%s", got, diff)
	}
}

package auditlog_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/scan"
	"github.com/otelaudit/otelaudit/internal/spend"
)

// call returns a line with usage; more are further members, each with a comma
// before it.
func call(event string, more ...string) string {
	return fmt.Sprintf(`{"event":%q,"input_t":10,"output_t":1%s}`, event, strings.Join(more, "")) + "\n"
}

const (
	spanMade = `,"otelaudit.span.name":"chat gpt-4o"`
	priced   = `,"cost":0.5`
)

// callID returns the members of a call_id that the exporter made.
func callID(id string) string { return member("call_id", id) + `,"otel":{"derived":["call_id"]}` }

func member(key, value string) string { return fmt.Sprintf(",%q:%q", key, value) }

// TestACallThatIsThereTwiceIsCountedOnce has a row per rule, and per way in
// which two calls only look like one.
func TestACallThatIsThereTwiceIsCountedOnce(t *testing.T) {
	response, span := member("gen_ai.response.id", "r-1"), member("span_id", "eee19b7ec3c1b174")
	traced := member("trace_id", "a3ce929d0e0e47364fd430de77f34c0c")
	turn := member("session_id", "s") + member("event.timestamp", "2026-02-13T14:30:22.123Z")
	other := member("session_id", "s") + member("event.timestamp", "2026-02-13T14:30:22.124Z")
	for name, test := range map[string]struct {
		lines  []string
		events int64
		cost   float64
	}{
		"span and log of one response":                   {[]string{call("llm", response, priced), call("chat", response, spanMade)}, 1, 0.5},
		"the span first, and it has the price":           {[]string{call("chat", response, spanMade, priced), call("llm", response)}, 1, 0.5},
		"both with a price":                              {[]string{call("chat", response, spanMade, `,"cost":0.25`), call("llm", response, priced)}, 1, 0.5},
		"of one request":                                 {[]string{call("llm", member("request_id", "q")), call("chat", member("request_id", "q"), spanMade)}, 1, 0},
		"one id of two":                                  {[]string{call("llm", response, member("request_id", "a")), call("chat", response, member("request_id", "b"), spanMade)}, 1, 0},
		"an id with escapes":                             {[]string{call("llm", `,"request_id":"\u0061"`), call("chat", member("request_id", "a"), spanMade)}, 1, 0},
		"an id with a character that is mostly escaped":  {[]string{call("llm", ",\"request_id\":\"a\u200eb\""), call("chat", `,"request_id":"a\u200eb"`, spanMade)}, 1, 0},
		"an id with a byte that is no UTF-8":             {[]string{call("llm", ",\"request_id\":\"a\xff\""), call("chat", `,"request_id":"a\ufffd"`, spanMade)}, 1, 0},
		"ids of one and of two backslashes":              {[]string{call("llm", `,"request_id":"\\"`), call("chat", `,"request_id":"\\\\"`, spanMade)}, 2, 0},
		"an id in a map":                                 {[]string{call("llm", `,"gen_ai":{"request":{"id":"q"},"response":{"ids":"r-2","id":"r-1"}}`, priced), call("chat", response, spanMade)}, 1, 0.5},
		"an id behind dots in a map":                     {[]string{call("llm", `,"gen_ai":{"response":{"i":{}},"response.id":"r-\u0031"}`, priced), call("chat", response, spanMade)}, 1, 0.5},
		"an id in a map behind dots":                     {[]string{call("llm", `,"ai.response":{"id":"r-1"}`), call("chat", `,"gen_ai.response":{"id":"r-1"}`, spanMade)}, 1, 0},
		"a request id in a map":                          {[]string{call("llm", `,"gen_ai":{"request":{"id":"q"}}`), call("chat", `,"gen_ai.request":{"id":"q"}`, spanMade)}, 1, 0},
		"an id before one in a map":                      {[]string{call("llm", response, `,"gen_ai":{"response":{"id":"r-2"}}`), call("chat", member("gen_ai.response.id", "r-2"), spanMade)}, 2, 0},
		"another member of the map":                      {[]string{call("llm", `,"gen_ai":{"id":"r-1","response":"r-1","a":{"response":{"id":"r-1"}}}`), call("chat", response, spanMade)}, 2, 0},
		"maps that are none":                             {[]string{call("llm", `,"gen_ai":[{"response.id":"r-1"}],"ai":"response.id"`), call("chat", response, spanMade)}, 2, 0},
		"one span, one of each":                          {[]string{call("llm", span, priced), call("chat", span, spanMade)}, 1, 0.5},
		"one span, two logs":                             {[]string{call("llm", span, priced), call("llm", span, priced), call("chat", span, spanMade)}, 3, 1},
		"one span, two logs of two responses":            {[]string{call("llm", span, member("request_id", "a")), call("llm", span, member("request_id", "b")), call("chat", span, spanMade, member("request_id", "b"))}, 2, 0},
		"a tool that costs within the span of the model": {[]string{`{"event":"search","cost":0.25` + span + "}\n", call("chat", span, spanMade, priced)}, 2, 0.75},
		"other tokens within the span":                   {[]string{`{"event":"rerank","input_t":7,"cost":0.25` + span + "}\n", call("chat", span, spanMade, priced)}, 2, 0.75},
		"two models for one request of the app":          {[]string{`{"event":"chat","input_t":7,"cost":0.25,"request_id":"q"` + spanMade + "}\n", call("llm", priced, member("request_id", "q"))}, 2, 0.75},
		"two calls of one request, each told of twice": {[]string{
			call("chat", spanMade, member("request_id", "q"), member("span_id", "a"), `,"cost":0.25`), call("chat", spanMade, member("request_id", "q"), member("span_id", "b"), priced),
			call("llm", member("request_id", "q"), member("span_id", "a"), `,"cost":0.25`), call("llm", member("request_id", "q"), member("span_id", "b"), priced),
		}, 2, 0.75},
		"Gemini CLI and a span": {[]string{
			call("chat", response, spanMade), call("gen_ai.client.inference.operation.details", turn, response), call("gemini_cli.api_response", turn),
		}, 1, 0},
		"a local server that repeats its ids": {[]string{
			call("chat", response, spanMade), call("llm", response, priced), call("chat", response, spanMade), call("llm", response, priced),
		}, 2, 1},
		"two logs of one response":  {[]string{call("llm", response, priced), call("llm", response, priced)}, 2, 1},
		"two spans of one response": {[]string{call("chat", response, spanMade), call("chat", response, spanMade)}, 2, 0},
		"other responses":           {[]string{call("llm", response), call("chat", member("gen_ai.response.id", "r-2"), spanMade)}, 2, 0},
		"nothing in common":         {[]string{call("llm"), call("chat", spanMade)}, 2, 0},
		"an id that is no text":     {[]string{call("llm", `,"request_id":1`), call("chat", `,"request_id":1`, spanMade)}, 2, 0},
		"a span that was exported twice": {[]string{
			call("chat", traced, spanMade, callID("4fd430de77f34c0c-eee19b7ec3c1b174")), call("chat", traced, spanMade, callID("4fd430de77f34c0c-eee19b7ec3c1b174")),
		}, 1, 0},
		"two spans of a trace": {[]string{
			call("chat", traced, spanMade, callID("4fd430de77f34c0c-eee19b7ec3c1b174")), call("chat", traced, spanMade, callID("4fd430de77f34c0c-eee19b7ec3c1b175")),
		}, 2, 0},
		"a call_id that another writer chose": {[]string{
			call("chat", traced, spanMade, member("call_id", "4fd430de77f34c0c-1")), call("chat", traced, spanMade, member("call_id", "4fd430de77f34c0c-1")),
		}, 2, 0},
		"call_ids of another trace": {[]string{
			call("chat", traced, spanMade, callID("5fd430de77f34c0c-1")), call("chat", traced, spanMade, callID("5fd430de77f34c0c-1")),
		}, 2, 0},
		"without usage": {[]string{`{"event":"llm","gen_ai.response.id":"r-1"}` + "\n", call("chat", response, spanMade)}, 2, 0},
		"Gemini CLI": {[]string{
			call("gemini_cli.api_response", turn), call("gen_ai.client.inference.operation.details", turn, response),
		}, 1, 0},
		"Gemini CLI, two responses": {[]string{
			call("gemini_cli.api_response", turn), call("gen_ai.client.inference.operation.details", other, response),
		}, 2, 0},
		"Gemini CLI, two of the one kind": {[]string{
			call("gemini_cli.api_response", turn), call("gemini_cli.api_response", turn),
		}, 2, 0},
		"details of somebody else": {[]string{
			call("gen_ai.client.inference.operation.details", turn), call("gen_ai.client.inference.operation.details", turn),
		}, 2, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := putLog(t, map[string]string{activeName: strings.Join(test.lines, "")})
			for _, by := range []auditlog.GroupBy{auditlog.ByNothing, auditlog.ByEvent} {
				got, err := r.Spend(t.Context(), auditlog.Filter{}, by)
				if err != nil {
					t.Fatal(err)
				}
				if got.Total.Events != test.events || got.Total.Cost != test.cost {
					t.Errorf("got %+v, want %d events and cost %v", got.Total, test.events, test.cost)
				}
				var sum auditlog.Totals
				for _, g := range got.Groups {
					plus(&sum, g.Totals)
				}
				if diff := cmp.Diff(got.Total, sum); by != auditlog.ByNothing && diff != "" {
					t.Errorf("the groups do not add up to the total (-total +groups):\n%s", diff)
				}
			}
			sameAsSpend(t, r, auditlog.Filter{})
			sameAsSpend(t, r, auditlog.Filter{NoDedup: true})
			var entries []scan.Entry
			for e, err := range r.Query(t.Context(), auditlog.Filter{}) {
				if err != nil {
					t.Fatal(err)
				}
				entries = append(entries, scan.Entry(e.Clone()))
			}
			byEvent, err := spend.Sum(t.Context(), auditlog.HistoryOf(r), scan.Filter{}, spend.Options{By: []spend.GroupBy{spend.ByEvent}})
			if err != nil {
				t.Fatal(err)
			}
			of, err := spend.Of(entries, func(e scan.Entry) string {
				event, err := auditlog.Entry(e).Event()
				if err != nil {
					t.Error(err)
				}
				return event.Name
			})
			if diff := cmp.Diff(byEvent, of); err != nil || diff != "" {
				t.Errorf("Of: %v (-Sum +Of):\n%s", err, diff)
			}
			all, err := r.Spend(t.Context(), auditlog.Filter{NoDedup: true}, auditlog.ByNothing)
			if err != nil || all.Total.Events != int64(len(test.lines)) {
				t.Errorf("NoDedup: got %+v, %v, want %d events", all.Total, err, len(test.lines))
			}
		})
	}
}

// TestTheHalfThatCountsKnowsWhatTheOtherOneKnew merges the two.
func TestTheHalfThatCountsKnowsWhatTheOtherOneKnew(t *testing.T) {
	r := putLog(t, map[string]string{activeName: `{"event":"llm","cost":0.5,"response_id":"q"}` + "\n" + call("chat", spanMade, member("response_id", "q"))})
	got, err := r.Spend(t.Context(), auditlog.Filter{}, auditlog.ByEvent)
	if err != nil {
		t.Fatal(err)
	}
	want := auditlog.Totals{Events: 1, Calls: 1, Cost: 0.5, InputTokens: 10, OutputTokens: 1}
	if diff := cmp.Diff(auditlog.Spend{Total: want, Untimed: 2, Groups: []auditlog.Group{{Key: "llm", Totals: want}}}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestPairsAreFoundAcrossFilesAndWithinTheWindow has many calls, each there
// twice, at some distance.
func TestPairsAreFoundAcrossFilesAndWithinTheWindow(t *testing.T) {
	const calls = 10_000
	for distance, want := range map[int]int64{1: calls, 2000: calls, 5000: 2 * calls} {
		files := map[string]string{}
		var content strings.Builder
		line := func(n int) {
			for _, m := range []struct {
				at  int
				put func(id string) string
			}{
				{n, func(id string) string { return call("llm", priced, member("request_id", id)) }},
				{n - distance, func(id string) string { return call("chat", spanMade, member("request_id", id)) }},
			} {
				if m.at >= 0 && m.at < calls {
					content.WriteString(m.put(fmt.Sprint("q-", m.at)))
				}
			}
		}
		for n := range calls + distance {
			line(n)
			if n == calls/2 {
				files[archiveName] = content.String()
				content.Reset()
			}
		}
		files[activeName] = content.String()
		r := putLog(t, files)
		sameAsSpend(t, r, auditlog.Filter{})
		got, err := r.Spend(t.Context(), auditlog.Filter{}, auditlog.ByNothing)
		if err != nil {
			t.Fatal(err)
		}
		if got.Total.Events != want || got.Total.Cost != calls*0.5 {
			t.Errorf("distance %d: got %+v, want %d events", distance, got.Total, want)
		}
	}
}

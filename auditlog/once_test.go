package auditlog_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/trials"
)

// told is a line of a call of a model, as an exporter writes it. Zero members are absent.
type told struct {
	span            bool // it was made of a span
	trace, id       string
	parent          string
	response        string
	request         string
	same            string
	scope           string
	model           string
	tokens          string // members
	failed          bool
	session         string
	defaultSession  bool
	uid             string
	noCall          bool // the line has no call_id
	event           string
	callIDOfWriter  string // an attribute of that name, which identifies nothing
	withoutEnvelope bool   // the line is no exporter's
}

const tenTokens = `,"input_t":10,"output_t":1`

func (l told) String() string {
	var b strings.Builder
	event, derived := l.event, []string{}
	if event == "" {
		event = "chat"
	}
	session := l.session
	if session == "" {
		session = "s"
	}
	fmt.Fprintf(&b, `{"ts":"2026-02-13T14:30:22.000Z","event":%q,"session_id":%q`, event, session)
	add := func(key, value string) {
		if value != "" {
			fmt.Fprintf(&b, `,%q:%q`, key, value)
		}
	}
	add("model", l.model)
	b.WriteString(l.tokens)
	if l.failed {
		b.WriteString(`,"reason":"429","failed":true`)
		derived = append(derived, `"failed"`)
	}
	callID := l.uid
	switch {
	case l.trace != "" && l.response != "":
		callID = traceOf(l.trace)[16:] + "/" + l.response
	case l.span:
		callID = traceOf(l.trace)[16:] + "-" + l.id
	}
	if !l.noCall && !l.withoutEnvelope {
		add("call_id", callID)
		derived = append(derived, `"call_id"`)
	}
	add("call_id", l.callIDOfWriter)
	add("gen_ai.response.id", l.response)
	add("request_id", l.request)
	add("log.record.uid", l.uid)
	if l.trace != "" {
		add("trace_id", traceOf(l.trace))
	}
	add("span_id", l.id)
	if l.span {
		add("otelaudit.span.name", "chat")
		add("otelaudit.span.parent_id", l.parent)
	}
	if l.defaultSession {
		derived = append(derived, `"session_default"`)
	}
	if !l.withoutEnvelope {
		fmt.Fprintf(&b, `,"otel":{"derived":[%s]`, strings.Join(derived, ","))
		if l.same != "" {
			fmt.Fprintf(&b, `,"same":%q`, l.same)
		}
		if l.scope != "" {
			fmt.Fprintf(&b, `,"scope":{"name":%q}`, l.scope)
		}
		b.WriteString("}")
	}
	return b.String() + "}\n"
}

// traceOf returns the 32 digits of a trace with a short name.
func traceOf(name string) string { return fmt.Sprintf("%032x", name) }

// counts checks that all ways of summing give so many calls and failed calls.
func counts(t *testing.T, r *auditlog.Reader, calls, failed int64) {
	t.Helper()
	for _, by := range []auditlog.GroupBy{auditlog.ByNothing, auditlog.BySession, auditlog.ByModel} {
		got, err := r.Spend(t.Context(), auditlog.Filter{}, by)
		if err != nil || got.Total.Calls != calls || got.Total.Failed != failed {
			t.Errorf("Spend by %d: got %+v, %v, want %d calls, %d failed", by, got.Total, err, calls, failed)
		}
		var sum auditlog.Totals
		for _, g := range got.Groups {
			plus(&sum, g.Totals)
		}
		if by != auditlog.ByNothing && sum != got.Total {
			t.Errorf("the groups by %d have %+v, want %+v", by, sum, got.Total)
		}
	}
	now := time.Date(2026, 2, 13, 15, 0, 0, 0, time.UTC)
	in, err := r.SpentIn(t.Context(), now, nil, auditlog.Period{Start: now.Add(-time.Hour), End: now})
	if err != nil || in[0].Calls != calls || in[0].Failed != failed {
		t.Errorf("SpentIn: got %+v, %v, want %d calls, %d failed", in, err, calls, failed)
	}
	sameAsSpend(t, r, auditlog.Filter{})
}

// inEachOrder calls f with the lines in some orders, in one file and across the border of
// two files.
func inEachOrder(t *testing.T, lines []told, f func(*auditlog.Reader)) {
	t.Helper()
	for _, order := range [][]told{lines, slices.Collect(func(yield func(told) bool) {
		for _, l := range slices.Backward(lines) {
			if !yield(l) {
				return
			}
		}
	})} {
		for _, border := range []int{0, len(order) / 2} {
			text := func(part []told) string {
				var s strings.Builder
				for _, l := range part {
					s.WriteString(l.String())
				}
				return s.String()
			}
			files := map[string]string{activeName: text(order[border:])}
			if border > 0 {
				files[archiveName] = text(order[:border])
			}
			f(putLog(t, files))
		}
	}
}

// TestACallCountsOnceByEachIdentityAndByNoOther has a row per identity, and per way in which
// two calls only look like one.
func TestACallCountsOnceByEachIdentityAndByNoOther(t *testing.T) {
	span := told{span: true, trace: "t1", id: "a", model: "m", tokens: tenTokens, uid: "u1", scope: "x"}
	log := told{event: "api_request", model: "m", tokens: tenTokens, uid: "u2", scope: "y"}
	with := func(l told, change func(*told)) told {
		change(&l)
		return l
	}
	for name, test := range map[string]struct {
		lines         []told
		calls, failed int64
	}{
		"two spans of one response in one trace": {[]told{
			with(span, func(l *told) { l.response = "r" }), with(span, func(l *told) { l.response, l.id, l.scope = "r", "b", "y" }),
		}, 1, 0},
		"one response in two traces": {[]told{
			with(span, func(l *told) { l.response = "r" }), with(span, func(l *told) { l.response, l.trace, l.scope = "r", "t2", "y" }),
		}, 2, 0},
		"a log without a trace": {[]told{
			with(span, func(l *told) { l.response = "r" }), with(log, func(l *told) { l.response = "r" }),
		}, 1, 0},
		"a log without a trace and without tokens": {[]told{
			with(span, func(l *told) { l.response = "r" }), with(log, func(l *told) { l.response, l.tokens = "r", "" }),
		}, 1, 0},
		"a log without a trace, of another model": {[]told{
			with(span, func(l *told) { l.response = "r" }), with(log, func(l *told) { l.response, l.model = "r", "n" }),
		}, 2, 0},
		"a log without a trace, with other tokens": {[]told{
			with(span, func(l *told) { l.response = "r" }), with(log, func(l *told) { l.response, l.tokens = "r", `,"input_t":9,"output_t":1` }),
		}, 2, 0},
		"a gateway that answers two requests from its cache": {[]told{
			with(log, func(l *told) { l.response = "r" }), with(log, func(l *told) { l.response, l.uid = "r", "u3" }),
		}, 2, 0},
		"the same, with spans": {[]told{
			with(log, func(l *told) { l.response = "r" }), with(log, func(l *told) { l.response, l.uid = "r", "u3" }),
			with(span, func(l *told) { l.response = "r" }), with(span, func(l *told) { l.response, l.trace = "r", "t2" }),
		}, 2, 0},
		"one request": {[]told{
			with(span, func(l *told) { l.request = "q" }), with(log, func(l *told) { l.request = "q" }),
		}, 1, 0},
		"one request, other tokens": {[]told{
			with(span, func(l *told) { l.request = "q" }), with(log, func(l *told) { l.request, l.tokens = "q", `,"input_t":9` }),
		}, 2, 0},
		"two calls in one request of an app": {[]told{
			with(span, func(l *told) { l.request = "q" }), with(span, func(l *told) { l.request, l.id = "q", "b" }),
		}, 2, 0},
		"one request of two traces": {[]told{
			with(span, func(l *told) { l.request = "q" }), with(log, func(l *told) { l.request, l.trace = "q", "t2" }),
		}, 2, 0},
		"one span and one log": {[]told{span, with(log, func(l *told) { l.trace, l.id = "t1", "a" })}, 1, 0},
		"one span and one log, other tokens": {[]told{
			span, with(log, func(l *told) { l.trace, l.id, l.tokens = "t1", "a", `,"input_t":9` }),
		}, 2, 0},
		"one span and two logs": {[]told{
			span, with(log, func(l *told) { l.trace, l.id = "t1", "a" }), with(log, func(l *told) { l.trace, l.id, l.uid = "t1", "a", "u3" }),
		}, 3, 0},
		"one span id in two traces": {[]told{span, with(log, func(l *told) { l.trace, l.id = "t2", "a" })}, 2, 0},
		"a span told twice":         {[]told{span, with(span, func(l *told) { l.uid = "u3" })}, 1, 0},
		"a model span in a model span": {[]told{
			with(span, func(l *told) { l.id, l.parent = "b", "a" }), span,
		}, 1, 0},
		"a model span in a model span, with a log": {[]told{
			with(span, func(l *told) { l.id, l.parent = "b", "a" }), span, with(log, func(l *told) { l.trace, l.id = "t1", "b" }),
		}, 1, 0},
		"a model span in one without tokens": {[]told{
			with(span, func(l *told) { l.id, l.parent = "b", "a" }), with(span, func(l *told) { l.tokens = "" }),
		}, 1, 0},
		"a model span in one with other tokens": {[]told{
			with(span, func(l *told) { l.id, l.parent = "b", "a" }), with(span, func(l *told) { l.tokens = `,"input_t":20` }),
		}, 2, 0},
		"a model span in one of another model": {[]told{
			with(span, func(l *told) { l.id, l.parent = "b", "a" }), with(span, func(l *told) { l.model = "n" }),
		}, 2, 0},
		"two calls in one model span": {[]told{
			with(span, func(l *told) { l.id, l.parent = "b", "a" }), with(span, func(l *told) { l.id, l.parent = "c", "a" }), span,
		}, 2, 0},
		"two calls in one model span without tokens": {[]told{
			with(span, func(l *told) { l.id, l.parent = "b", "a" }), with(span, func(l *told) { l.id, l.parent = "c", "a" }),
			with(span, func(l *told) { l.tokens = "" }),
		}, 2, 0},
		"an attempt that failed, and one that did not, in a model span": {[]told{
			with(span, func(l *told) { l.id, l.parent, l.tokens, l.failed = "b", "a", "", true }),
			span, with(span, func(l *told) { l.id, l.parent = "c", "a" }),
		}, 2, 1},
		"a tool in a model span": {[]told{span, with(span, func(l *told) { l.id, l.parent, l.noCall, l.tokens, l.event = "b", "a", true, "", "execute_tool" })}, 1, 0},
		"what an emitter's records have in common": {[]told{
			with(span, func(l *told) { l.same = "s 10 1" }), with(log, func(l *told) { l.same = "s 10 1" }),
		}, 1, 0},
		"the same, of two calls": {[]told{
			with(span, func(l *told) { l.same = "s 10 1" }), with(log, func(l *told) { l.same = "s 10 1" }),
			with(span, func(l *told) { l.same, l.id = "s 10 1", "b" }), with(log, func(l *told) { l.same, l.uid = "s 10 1", "u3" }),
		}, 2, 0},
		"a failure told twice": {[]told{
			with(span, func(l *told) { l.tokens, l.failed = "", true }), with(log, func(l *told) { l.tokens, l.failed, l.trace, l.id = "", true, "t1", "a" }),
		}, 1, 1},
		"an attempt that failed within a call that did not": {[]told{
			with(span, func(l *told) { l.response = "r" }), with(log, func(l *told) { l.tokens, l.failed, l.response, l.trace = "", true, "r", "t1" }),
		}, 1, 0},
		"a failed tool":   {[]told{with(log, func(l *told) { l.noCall, l.failed, l.tokens = true, true, "" })}, 0, 0},
		"without numbers": {[]told{with(span, func(l *told) { l.tokens = "" })}, 1, 0},
		"one uid, other tokens": {[]told{
			log, with(log, func(l *told) { l.tokens = `,"input_t":9` }),
		}, 2, 0},
		"a call_id of a line's writer": {[]told{
			{withoutEnvelope: true, callIDOfWriter: "c", tokens: tenTokens, trace: "c"}, {withoutEnvelope: true, callIDOfWriter: traceOf("c")[16:] + "/r", tokens: tenTokens, trace: "c"},
			{withoutEnvelope: true, callIDOfWriter: traceOf("c")[16:] + "/r", tokens: tenTokens, trace: "c"},
			{withoutEnvelope: true, callIDOfWriter: "c"}, {noCall: true, callIDOfWriter: "c", uid: "u5"},
		}, 3, 0},
		"equal lines":          {[]told{with(log, func(l *told) { l.uid = "" }), with(log, func(l *told) { l.uid = "" })}, 2, 0},
		"a span record":        {[]told{with(span, func(l *told) { l.event, l.noCall, l.tokens = "otelaudit.span", true, "" }), with(span, func(l *told) { l.id = "b" })}, 1, 0},
		"no record with costs": {[]told{with(span, func(l *told) { l.event, l.noCall = "otelaudit.span", true })}, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			for i := range test.lines {
				if l := &test.lines[i]; l.uid != "" && name != "one uid, other tokens" {
					l.uid = fmt.Sprint(l.uid, "-", i)
				}
			}
			inEachOrder(t, test.lines, func(r *auditlog.Reader) { counts(t, r, test.calls, test.failed) })
		})
	}
}

// TestRealCallsAreNeverMerged makes calls that share ids, tokens, models and times, each
// logged in one, two or three ways, and counts them.
func TestRealCallsAreNeverMerged(t *testing.T) {
	for seed := range uint64(trials.Of(60)) {
		random := rand.New(rand.NewPCG(seed, 3))
		pick := func(prefix string, n int) string { return fmt.Sprint(prefix, random.IntN(n)) }
		var lines []told
		calls := 40
		for n := range calls {
			base := told{
				model: pick("m", 2), tokens: fmt.Sprintf(`,"input_t":%d,"output_t":1`, 10+random.IntN(2)),
				request: pick("q", 2), uid: fmt.Sprint("u", n),
			}
			// All of a log's calls are told in the same way: no call looks like a part of one
			// that is told in another way.
			switch seed % 4 {
			case 0: // a gateway answers from its cache, and the program has no traces
				base.response, base.event, base.scope = pick("r", 3), "api_request", "cli"
				lines = append(lines, base)
			case 1: // a server draws ids from a small range
				base.response, base.trace, base.id, base.span, base.scope = pick("r", 3), fmt.Sprint("t", n), pick("s", 4), true, "sdk"
				lines = append(lines, base)
			case 2: // spans and logs within them
				base.response, base.trace, base.id = pick("r", 3), fmt.Sprint("t", n), pick("s", 4)
				logged := base
				base.span, base.scope = true, "sdk"
				logged.event, logged.uid, logged.scope = "details", base.uid+"b", "logger"
				lines = append(lines, base, logged)
			case 3: // many calls of one trace, told by two instrumentations
				base.response, base.trace, base.id, base.span, base.scope = fmt.Sprint("r", n), pick("t", 2), fmt.Sprint("s", n), true, "sdk"
				outer := base
				outer.id, outer.uid, outer.scope = base.id+"o", base.uid+"o", "framework"
				base.parent = outer.id
				lines = append(lines, base, outer)
			}
		}
		random.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
		inEachOrder(t, lines, func(r *auditlog.Reader) { counts(t, r, int64(calls), 0) })
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// TestPartsOfTokensAreSummed includes calls that are told twice, of which one telling has
// the parts.
func TestPartsOfTokensAreSummed(t *testing.T) {
	parts := `,"input_t":100,"output_t":20,"cache_read_t":40,"cache_write_t":30,"cache_write_1h_t":10,"reasoning_t":5`
	r := putLog(t, map[string]string{activeName: told{span: true, trace: "t", id: "a", tokens: parts, response: "r"}.String() +
		told{trace: "t", id: "a", tokens: `,"input_t":100,"output_t":20`, response: "r", uid: "u"}.String() +
		told{uid: "v", tokens: parts, failed: true}.String() +
		told{uid: "w", failed: true, tokens: `,"input_t":0,"output_t":0`}.String() +
		`{"event":"foreign","input_t":1,"cache_read_t":1,"failed":true}` + "\n"})
	got, err := r.Spend(t.Context(), auditlog.Filter{}, auditlog.ByNothing)
	want := auditlog.Totals{
		Events: 4, Unpriced: 3, Calls: 4, Failed: 2, InputTokens: 201, OutputTokens: 40,
		CacheReadTokens: 81, CacheWriteTokens: 60, CacheWriteHourTokens: 20, ReasoningTokens: 10,
	}
	if err != nil || got.Total != want {
		t.Errorf("got %+v, %v\nwant %+v", got.Total, err, want)
	}
	sameAsSpend(t, r, auditlog.Filter{})
}

// sessionsOf returns the number of calls by session.
func sessionsOf(t *testing.T, r *auditlog.Reader) map[string]int64 {
	t.Helper()
	got, err := r.Spend(t.Context(), auditlog.Filter{}, auditlog.BySession)
	if err != nil {
		t.Fatal(err)
	}
	calls := map[string]int64{}
	for _, g := range got.Groups {
		calls[g.Key] = g.Calls
		// A filter by session, and a budget of it, count the same.
		filtered, err := r.Spend(t.Context(), auditlog.Filter{Session: g.Key})
		if err != nil || filtered.Total.Calls != g.Calls {
			t.Errorf("session %q: got %+v, %v, want %d calls", g.Key, filtered.Total, err, g.Calls)
		}
		listed := int64(0)
		for e, err := range r.Query(t.Context(), auditlog.Filter{Session: g.Key}) {
			if err != nil {
				t.Fatal(err)
			}
			if event, err := e.Event(); err == nil && event.Name == "chat" {
				listed++
			}
		}
		if listed != g.Events {
			t.Errorf("session %q: Query yields %d, want %d", g.Key, listed, g.Events)
		}
	}
	return calls
}

// TestSessionsAreCompletedByAncestorsAndByTheirTrace has lines in both orders: a parent may
// be logged after its children.
func TestSessionsAreCompletedByAncestorsAndByTheirTrace(t *testing.T) {
	unnamed := told{span: true, trace: "t1", id: "c", parent: "b", tokens: tenTokens, session: "process", defaultSession: true, model: "m", uid: "u1"}
	record := told{span: true, trace: "t1", id: "b", event: "otelaudit.span", noCall: true, session: "process", defaultSession: true, parent: "a", uid: "u2"}
	agent := told{span: true, trace: "t1", id: "a", event: "otelaudit.span", noCall: true, session: "conv-1", uid: "u3"}
	other := told{span: true, trace: "t1", id: "z", event: "otelaudit.span", noCall: true, session: "conv-2", uid: "u4"}
	with := func(l told, change func(*told)) told {
		change(&l)
		return l
	}
	for name, test := range map[string]struct {
		lines []told
		want  map[string]int64
	}{
		"nothing names one":            {[]told{unnamed, record}, map[string]int64{"process": 1}},
		"the one session of the trace": {[]told{unnamed, agent}, map[string]int64{"conv-1": 1}},
		"two sessions, and a chain":    {[]told{unnamed, record, agent, other}, map[string]int64{"conv-1": 1}},
		"two sessions, and no chain":   {[]told{unnamed, agent, other}, map[string]int64{"process": 1}},
		"the nearest ancestor": {[]told{
			unnamed, with(record, func(l *told) { l.session, l.defaultSession = "conv-3", false }), agent,
		}, map[string]int64{"conv-3": 1}},
		"a log in a span": {[]told{
			{event: "chat", trace: "t1", id: "b", tokens: tenTokens, session: "process", defaultSession: true, uid: "u5"}, record, agent, other,
		}, map[string]int64{"conv-1": 1}},
		"another trace":              {[]told{unnamed, with(agent, func(l *told) { l.trace = "t2" })}, map[string]int64{"process": 1}},
		"no trace":                   {[]told{{tokens: tenTokens, session: "process", defaultSession: true, uid: "u5"}, agent}, map[string]int64{"process": 1}},
		"a line that names its own":  {[]told{with(unnamed, func(l *told) { l.session, l.defaultSession = "own", false }), agent, record}, map[string]int64{"own": 1}},
		"a span id of two sessions":  {[]told{unnamed, record, agent, with(agent, func(l *told) { l.session, l.uid = "conv-2", "u6" })}, map[string]int64{"process": 1}},
		"a span id of two parents":   {[]told{unnamed, record, with(record, func(l *told) { l.parent, l.uid = "z", "u7" }), agent, other}, map[string]int64{"process": 1}},
		"a cycle":                    {[]told{unnamed, record, with(record, func(l *told) { l.id, l.parent, l.uid = "a", "b", "u8" }), other, with(other, func(l *told) { l.id, l.session, l.uid = "y", "conv-3", "u9" })}, map[string]int64{"process": 1}},
		"a session that is too long": {[]told{unnamed, with(agent, func(l *told) { l.session = strings.Repeat("x", 300) })}, map[string]int64{"process": 1}},
		"of a call told twice": {[]told{
			{tokens: tenTokens + `,"cost":1`, session: "process", defaultSession: true, response: "r", model: "m", uid: "u5", scope: "y"},
			with(unnamed, func(l *told) { l.response = "r" }), agent,
		}, map[string]int64{"conv-1": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			inEachOrder(t, test.lines, func(r *auditlog.Reader) {
				if name == "of a call told twice" { // a filter sees one of the two only
					got, err := r.Spend(t.Context(), auditlog.Filter{}, auditlog.BySession)
					if err != nil || len(got.Groups) != 1 || got.Groups[0].Key != "conv-1" {
						t.Errorf("got %+v, %v", got.Groups, err)
					}
					return
				}
				got := sessionsOf(t, r)
				for session, calls := range test.want {
					if got[session] != calls {
						t.Errorf("got %v, want %v", got, test.want)
					}
				}
			})
		})
	}
}

// TestALongChainOfSpansIsWalkedOnce has a default session at each of many spans of a chain, in
// a trace of two sessions.
func TestALongChainOfSpansIsWalkedOnce(t *testing.T) {
	const spans = 100_000
	var b strings.Builder
	for i := range spans {
		b.WriteString(told{span: true, trace: "t", id: fmt.Sprint("s", i+1), parent: fmt.Sprint("s", i), tokens: tenTokens, session: "p", defaultSession: true}.String())
	}
	b.WriteString(told{span: true, trace: "t", id: "s0", session: "root", noCall: true, event: "otelaudit.span"}.String())
	b.WriteString(told{span: true, trace: "t", id: "x", session: "other", noCall: true, event: "otelaudit.span"}.String())
	r := putLog(t, map[string]string{activeName: b.String()})
	got, err := r.Spend(t.Context(), auditlog.Filter{}, auditlog.BySession)
	if err != nil || len(got.Groups) != 1 || got.Groups[0].Key != "root" || got.Total.Calls != spans {
		t.Errorf("got %+v in %d groups, %v", got.Total, len(got.Groups), err)
	}
}

// TestABudgetOfASessionCountsWhatItsTraceNamesLater appends the line that names the session
// after those of the calls.
func TestABudgetOfASessionCountsWhatItsTraceNamesLater(t *testing.T) {
	path := filepath.Join(t.TempDir(), activeName)
	appendText(t, path, `{"event":"session.started"}`+"\n")
	r, err := auditlog.NewReader(path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := auditlog.NewBudget(r, auditlog.WithMaxPerDay(1), auditlog.WithBudgetSession("conv-1"))
	if err != nil {
		t.Fatal(err)
	}
	check := func(calls int64, cost float64) {
		t.Helper()
		periods, err := b.Periods(t.Context())
		if err != nil || periods[0].Spent.Calls != calls || periods[0].Spent.Cost != cost {
			t.Errorf("got %+v, %v, want %d calls and cost %v", periods, err, calls, cost)
		}
	}
	line := func(l told) {
		t.Helper()
		appendText(t, path, strings.Replace(l.String(), "2026-02-13T14:30:22.000Z", time.Now().UTC().Format(time.RFC3339Nano), 1))
	}
	call := told{span: true, trace: "t1", id: "c", parent: "a", tokens: tenTokens + `,"cost":0.25`, session: "process", defaultSession: true, model: "m", uid: "u1"}
	line(call)
	check(0, 0)
	line(told{span: true, trace: "t1", id: "a", event: "otelaudit.span", noCall: true, session: "conv-1", uid: "u2"})
	check(1, 0.25)
	call.uid, call.id = "u3", "d"
	line(call)
	check(2, 0.5)
	line(call) // a repeated line
	check(2, 0.5)
	call.trace, call.uid = "t2", "u4"
	line(call)
	check(2, 0.5)
	again, err := auditlog.NewBudget(r, auditlog.WithMaxPerDay(1), auditlog.WithBudgetSession("conv-1"))
	if err != nil {
		t.Fatal(err)
	}
	b = again
	check(2, 0.5)
}

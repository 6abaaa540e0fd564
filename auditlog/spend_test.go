package auditlog_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/otelaudit/otelaudit/auditlog"
)

// spendLog has one event of every kind that sums tell apart.
func spendLog(t *testing.T) *auditlog.Reader {
	t.Helper()
	return putLog(t, map[string]string{
		archiveName: `{"ts":"2026-02-13T14:10:00.000Z","event":"nav","session_id":"s1","model":"m1","cost":1,"input_t":10,"output_t":1,"calls":2,"failed":0,"cache_read_t":0,"cache_write_t":0,"cache_write_1h_t":0,"reasoning_t":0}` + "\n" +
			`{"cost":9,"session_id":"s9","model":"m9","ts":"2026-02-13T15:20:00.000+01:00","event":"nav","session_id":"s1","model":"m1","cost":1.0}` + "\n",
		activeName: `{"ts":"2026-02-13T15:00:00.000Z","event":"brief","session_id":"s2","model":"m2","cost":0,"input_t":0}` + "\n" +
			`{"ts":"2026-02-14T00:00:00.000Z","event":"nav","session_id":"s2","model":"m\u0032","cost":0.5}` + "\n" +
			// unpriced
			`{"ts":"2026-02-14T00:10:00.000Z","event":"nav","session_id":"s2","model":"m2","input_t":5}` + "\n" +
			`{"ts":"2026-02-14T00:10:00.000Z","event":"nav","session_id":"s2","model":"m2","output_t":0,"cost":null}` + "\n" +
			`{"event":"nav","output_t":7.0,"cost":"0.25"}` + "\n" +
			// neither priced nor a call
			`{"event":"skip"}` + "\n" + `{"event":"skip","input_t":"5","output_t":-1,"cost":1e999}` + "\n" + `{}` + "\n",
	})
}

func TestSpendSumsCostsAndCountsUnpricedCalls(t *testing.T) {
	r := spendLog(t)
	total := auditlog.Totals{Events: 10, Calls: 7, Unpriced: 3, Cost: 2.5, InputTokens: 15, OutputTokens: 8}
	none := auditlog.Totals{Events: 4, Calls: 1, Unpriced: 1, OutputTokens: 7}
	m1 := auditlog.Totals{Events: 2, Calls: 2, Cost: 2, InputTokens: 10, OutputTokens: 1}
	m2 := auditlog.Totals{Events: 4, Calls: 4, Unpriced: 2, Cost: 0.5, InputTokens: 5}
	group := func(key string, totals auditlog.Totals) auditlog.Group {
		return auditlog.Group{Key: key, Totals: totals}
	}
	period := func(key, start string, totals auditlog.Totals) auditlog.Group {
		at, err := time.Parse(time.RFC3339, start)
		if err != nil {
			t.Fatal(err)
		}
		return auditlog.Group{Key: key, Totals: totals, Start: at}
	}
	friday := auditlog.Totals{Events: 3, Calls: 3, Cost: 2, InputTokens: 10, OutputTokens: 1}
	saturday := auditlog.Totals{Events: 3, Calls: 3, Unpriced: 2, Cost: 0.5, InputTokens: 5}
	both := auditlog.Totals{Events: 6, Calls: 6, Unpriced: 2, Cost: 2.5, InputTokens: 15, OutputTokens: 1}
	for by, want := range map[auditlog.GroupBy][]auditlog.Group{
		auditlog.ByNothing: {},
		auditlog.ByModel:   {group("m1", m1), group("m2", m2), group("", none)},
		auditlog.BySession: {group("s1", m1), group("s2", m2), group("", none)},
		auditlog.ByEvent: {
			group("nav", auditlog.Totals{Events: 6, Calls: 6, Unpriced: 3, Cost: 2.5, InputTokens: 15, OutputTokens: 8}),
			group("", auditlog.Totals{Events: 1}), group("brief", auditlog.Totals{Events: 1, Calls: 1}), group("skip", auditlog.Totals{Events: 2}),
		},
		auditlog.ByHour: {
			group("", none), period("2026-02-13T14:00:00Z", "2026-02-13T14:00:00Z", m1),
			period("2026-02-13T15:00:00Z", "2026-02-13T15:00:00Z", auditlog.Totals{Events: 1, Calls: 1}),
			period("2026-02-14T00:00:00Z", "2026-02-14T00:00:00Z", saturday),
		},
		auditlog.ByDay: {
			group("", none), period("2026-02-13", "2026-02-13T00:00:00Z", friday), period("2026-02-14", "2026-02-14T00:00:00Z", saturday),
		},
		auditlog.ByWeek:  {group("", none), period("2026-02-09", "2026-02-09T00:00:00Z", both)},
		auditlog.ByMonth: {group("", none), period("2026-02", "2026-02-01T00:00:00Z", both)},
	} {
		got, err := r.Spend(t.Context(), auditlog.Filter{}, by)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(auditlog.Spend{Total: total, Untimed: 4, Groups: want}, got); diff != "" {
			t.Errorf("by %d: -want +got:\n%s", by, diff)
		}
	}
	for _, by := range []auditlog.GroupBy{-1, auditlog.ByMonth + 1} {
		if _, err := r.Spend(t.Context(), auditlog.Filter{}, auditlog.ByModel, by); err == nil {
			t.Errorf("%d is no error", by)
		}
	}
}

func TestGroupsAreDividedIntoGroups(t *testing.T) {
	spend, err := spendLog(t).Spend(t.Context(), auditlog.Filter{}, auditlog.ByDay, auditlog.ByModel, auditlog.ByEvent)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	var walk func(indent string, groups []auditlog.Group)
	walk = func(indent string, groups []auditlog.Group) {
		for _, g := range groups {
			got = append(got, fmt.Sprintf("%s%s %d %v %d %d", indent, g.Key, g.Events, g.Cost, g.InputTokens, g.OutputTokens))
			walk(indent+" ", g.Groups)
		}
	}
	walk("", spend.Groups)
	want := []string{
		" 4 0 0 7", "  4 0 0 7", "   1 0 0 0", "  nav 1 0 0 7", "  skip 2 0 0 0",
		"2026-02-13 3 2 10 1", " m1 2 2 10 1", "  nav 2 2 10 1", " m2 1 0 0 0", "  brief 1 0 0 0",
		"2026-02-14 3 0.5 5 0", " m2 3 0.5 5 0", "  nav 3 0.5 5 0",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
}

// In a zone, an event belongs to the day on the clock there, and the hour that
// a clock shows twice is two.
func TestHoursAndDaysAreThoseOfTheTimeZone(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	r := putLog(t, map[string]string{activeName: `{"ts":"2026-10-25T01:10:00Z","cost":4}
{"ts":"2026-10-25T00:10:00Z","cost":2}
{"ts":"2026-10-24T22:10:00Z","cost":1}
{"ts":"2026-10-24T21:59:59.999Z","cost":0.5}
{"ts":"2026-10-31T23:00:00Z","cost":8}
`})
	for by, want := range map[auditlog.GroupBy]string{
		auditlog.ByHour: "2026-10-24T23:00:00+02:00 0.5, 2026-10-25T00:00:00+02:00 1, 2026-10-25T02:00:00+02:00 2, " +
			"2026-10-25T02:00:00+01:00 4, 2026-11-01T00:00:00+01:00 8, ",
		auditlog.ByDay:   "2026-10-24 0.5, 2026-10-25 7, 2026-11-01 8, ",
		auditlog.ByWeek:  "2026-10-19 7.5, 2026-10-26 8, ",
		auditlog.ByMonth: "2026-10 7.5, 2026-11 8, ",
	} {
		spend, err := r.Spend(t.Context(), auditlog.Filter{TimeZone: berlin}, by)
		if err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		for _, g := range spend.Groups {
			fmt.Fprintf(&got, "%s %v, ", g.Key, g.Cost)
			if g.Start.IsZero() || g.Start.Location() != berlin {
				t.Errorf("by %d: %s has the start %v", by, g.Key, g.Start)
			}
		}
		if got.String() != want {
			t.Errorf("by %d: got %s want %s", by, &got, want)
		}
	}
}

// What is said twice may say only together to which group it belongs.
func TestACallThatIsToldTwiceBelongsToOneOfTheInnerGroups(t *testing.T) {
	r := putLog(t, map[string]string{activeName: `{"session_id":"s1","event":"llm","cost":1,"input_t":7,"gen_ai.response.id":"r"}
{"event":"chat","model":"m","input_t":7,"gen_ai.response.id":"r","otelaudit.span.name":"chat m"}
`})
	spend, err := r.Spend(t.Context(), auditlog.Filter{}, auditlog.BySession, auditlog.ByModel)
	if err != nil {
		t.Fatal(err)
	}
	totals := auditlog.Totals{Events: 1, Calls: 1, Cost: 1, InputTokens: 7}
	want := auditlog.Spend{Total: totals, Untimed: 2, Groups: []auditlog.Group{
		{Key: "s1", Totals: totals, Groups: []auditlog.Group{{Key: "m", Totals: totals}}},
	}}
	if diff := cmp.Diff(want, spend); diff != "" {
		t.Errorf("spend (-want +got):\n%s", diff)
	}
}

func TestSpendIsTheJSONOfTheCommand(t *testing.T) {
	spend, err := spendLog(t).Spend(t.Context(), auditlog.Filter{Model: "m1"}, auditlog.ByModel)
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(spend)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"total":{"events":2,"unpriced":0,"cost":2,"input_t":10,"output_t":1,"calls":2,"failed":0,"cache_read_t":0,"cache_write_t":0,"cache_write_1h_t":0,"reasoning_t":0},` +
		`"groups":[{"key":"m1","events":2,"unpriced":0,"cost":2,"input_t":10,"output_t":1,"calls":2,"failed":0,"cache_read_t":0,"cache_write_t":0,"cache_write_1h_t":0,"reasoning_t":0}]}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestSumsKeepTheirDigits(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		lines string
		want  auditlog.Totals
	}{
		"tenths": {strings.Repeat("{\"cost\":0.1}\n", 1_000_000), auditlog.Totals{Events: 1_000_000, Calls: 1_000_000, Cost: 100_000}},
		"small beside large": {
			"{\"cost\":1e100}\n{\"cost\":1}\n{\"cost\":-1e100}\n", auditlog.Totals{Events: 3, Calls: 3, Cost: 1},
		},
		"too large for JSON": {
			"{\"cost\":1e308}\n{\"cost\":1e308}\n", auditlog.Totals{Events: 2, Calls: 2, Cost: math.MaxFloat64},
		},
		"too small for JSON": {
			"{\"cost\":-1e308}\n{\"cost\":-1e308}\n", auditlog.Totals{Events: 2, Calls: 2, Cost: -math.MaxFloat64},
		},
	} {
		spend, err := putLog(t, map[string]string{activeName: test.lines}).Spend(t.Context(), auditlog.Filter{}, auditlog.ByNothing)
		if err != nil {
			t.Fatal(err)
		}
		if spend.Total != test.want {
			t.Errorf("%s: got %+v, want %+v", name, spend.Total, test.want)
		}
	}
}

// TestAFailedCallThatUsedNothingIsNotUnpriced: there is nothing to price.
func TestAFailedCallThatUsedNothingIsNotUnpriced(t *testing.T) {
	t.Parallel()
	spend, err := putLog(t, map[string]string{activeName: `{"input_t":0,"output_t":0,"failed":true,"call_id":"u1","otel":{"derived":["failed","call_id"]}}
{"input_t":5,"output_t":0,"failed":true,"call_id":"u2","otel":{"derived":["failed","call_id"]}}
{"input_t":0,"output_t":0,"failed":true}
{"input_t":0,"output_t":0}
`}).Spend(t.Context(), auditlog.Filter{}, auditlog.ByNothing)
	if err != nil {
		t.Fatal(err)
	}
	if want := (auditlog.Totals{Events: 4, Unpriced: 3, InputTokens: 5, Calls: 4, Failed: 2}); spend.Total != want {
		t.Errorf("got %+v, want %+v", spend.Total, want)
	}
}

func TestHourlySpendBeginsAtTheStartOfAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(14*time.Hour + 30*time.Minute) // 2000-01-01T14:30:00Z in the bubble
		r := putLog(t, map[string]string{activeName: `{"ts":"2000-01-01T11:59:59.999Z","cost":1}
{"ts":"2000-01-01T12:00:00.000Z","cost":2}
{"ts":"2000-01-01T12:59:59.999Z","cost":4}
{"ts":"2000-01-01T18:30:00.000+05:30","cost":8}
{"ts":"2000-01-01T14:30:00.000Z","cost":16}
{"ts":"2000-01-01T15:00:00.000Z","cost":32}
{"cost":64}
`})
		// The last two have no usable time, and count at 14:30.
		for hours, want := range map[int]float64{1: 8 + 16 + 32 + 64, 2: 2 + 4 + 8 + 16 + 32 + 64, 3: 127} {
			got, err := r.HourlySpend(t.Context(), hours)
			if err != nil || got.Cost != want {
				t.Errorf("%d hours: got %v, %v, want %v", hours, got.Cost, err, want)
			}
		}
		for _, hours := range []int{0, -1, math.MaxInt} {
			if _, err := r.HourlySpend(t.Context(), hours); err == nil {
				t.Errorf("%d hours: no error", hours)
			}
		}
	})
}

func TestAccuracyIsThatOfTheFirstReader(t *testing.T) {
	nav, fail := `{"ts":"2026-02-13T14:30:22.123Z","event":"nav"}`+"\n", `{"ts":"2026-02-13T14:30:22.123Z","event":"validation_fail"}`+"\n"
	for name, test := range map[string]struct {
		lines string
		since time.Time
		want  string
	}{
		"nothing":      {"{}\n", time.Time{}, `{"total_nav":0,"validation_fail_count":0,"accuracy_pct":100}`},
		"no nav":       {fail, time.Time{}, `{"total_nav":0,"validation_fail_count":1,"accuracy_pct":100}`},
		"thirds":       {nav + nav + nav + fail, time.Time{}, `{"total_nav":3,"validation_fail_count":1,"accuracy_pct":66.67}`},
		"more fails":   {nav + fail + fail, time.Time{}, `{"total_nav":1,"validation_fail_count":2,"accuracy_pct":-100}`},
		"all fail":     {nav + fail, time.Time{}, `{"total_nav":1,"validation_fail_count":1,"accuracy_pct":0}`},
		"since":        {nav + fail, time.Date(2026, 2, 13, 14, 30, 22, 123e6, time.UTC), `{"total_nav":1,"validation_fail_count":1,"accuracy_pct":0}`},
		"since later":  {nav + fail, time.Date(2026, 2, 13, 14, 30, 22, 124e6, time.UTC), `{"total_nav":0,"validation_fail_count":0,"accuracy_pct":100}`},
		"a nav in one": {`{"event":"brief","note":{"event":"nav"}}` + "\n", time.Time{}, `{"total_nav":0,"validation_fail_count":0,"accuracy_pct":100}`},
	} {
		a, err := putLog(t, map[string]string{activeName: test.lines}).AccuracyMetrics(t.Context(), test.since)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := json.Marshal(a); err != nil || string(got) != test.want {
			t.Errorf("%s: got %s, %v, want %s", name, got, err, test.want)
		}
	}
}

func TestGatesAreThoseOfTheFirstReader(t *testing.T) {
	const (
		pass     = `{"ts":"2026-02-13T14:00:01.000Z","event":"gate_compress","confidence":90}` + "\n"
		pass2    = `{"ts":"2026-02-13T14:00:03.000Z","event":"gate_compress","confidence":85,"reason":"fine"}` + "\n"
		pass3    = `{"ts":"2026-02-13T14:00:04.000Z","event":"gate_compress","confidence":0,"reason":null}` + "\n"
		stale    = `{"ts":"2026-02-13T14:00:02.000Z","event":"gate_compress","confidence":10,"reason":"stale_cascade"}` + "\n"
		escalate = `{"ts":"2026-02-13T13:00:05.000-01:00","event":"gate_escalate","confidence":20,"reason":"parse_fail"}` + "\n"
		neither  = `{"event":"gate_compress"}` + "\n" + `{"event":"gate_compress","confidence":null}` + "\n" +
			`{"event":"gate_compress","confidence":"90"}` + "\n" + `{"event":"gate_compress","confidence":101}` + "\n" +
			`{"event":"gate_compress","confidence":90,"reason":"parse_fail"}` + "\n" +
			`{"event":"gate_compress","confidence":90,"reason":"api_error"}` + "\n" + `{"event":"nav","confidence":90}` + "\n"
		passed    = `{"outcome":"pass","reason":null}`
		staled    = `{"outcome":"escalate","reason":"stale_cache"}`
		escalated = `{"outcome":"escalate","reason":"low_confidence"}`
	)
	counts := `{"pass_count":3,"escalate_count":2,"total":5,"pass_rate_pct":60,"avg_confidence":0.58,"escalate_rate_pct":40,"last_queries":[`
	for name, test := range map[string]struct {
		lines string
		since time.Time
		lastN int
		want  string
	}{
		"nothing": {neither, time.Time{}, 10, `{"pass_count":0,"escalate_count":0,"total":0,"pass_rate_pct":0,"avg_confidence":0,"escalate_rate_pct":0,"last_queries":[]}`},
		"all": {
			escalate + pass3 + neither + pass2 + stale + pass, time.Time{}, 10,
			counts + strings.Join([]string{passed, staled, passed, passed, escalated}, ",") + `]}`,
		},
		"the last two in time": {escalate + pass3 + pass2 + stale + pass, time.Time{}, 2, counts + passed + "," + escalated + `]}`},
		"in file order too":    {pass + stale + pass2 + pass3 + escalate, time.Time{}, 3, counts + passed + "," + passed + "," + escalated + `]}`},
		"none of them":         {escalate + pass3 + pass2 + stale + pass, time.Time{}, 0, counts + `]}`},
		"fewer than none":      {escalate + pass3 + pass2 + stale + pass, time.Time{}, -1, counts + `]}`},
		"since": {
			escalate + pass3 + pass2 + stale + pass, time.Date(2026, 2, 13, 14, 0, 4, 0, time.UTC), 9,
			`{"pass_count":1,"escalate_count":1,"total":2,"pass_rate_pct":50,"avg_confidence":0,"escalate_rate_pct":50,"last_queries":[` + passed + "," + escalated + `]}`,
		},
		"equal times keep their order, none is the oldest": {
			`{"event":"gate_escalate","ts":"2026-02-13T14:00:01.000Z"}` + "\n" + pass + `{"event":"gate_compress","reason":"stale_cascade"}` + "\n", time.Time{}, 3,
			`{"pass_count":1,"escalate_count":2,"total":3,"pass_rate_pct":33.3,"avg_confidence":0.9,"escalate_rate_pct":66.7,"last_queries":[` +
				staled + "," + escalated + "," + passed + `]}`,
		},
	} {
		g, err := putLog(t, map[string]string{activeName: test.lines}).GateMetrics(t.Context(), test.since, test.lastN)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := json.Marshal(g); err != nil || string(got) != test.want {
			t.Errorf("%s: %v\ngot  %s\nwant %s", name, err, got, test.want)
		}
	}
}

func TestEverySumNeedsALog(t *testing.T) {
	r, err := auditlog.NewReader(t.TempDir() + "/none.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	_, err1 := r.Spend(t.Context(), auditlog.Filter{}, auditlog.ByDay)
	_, err2 := r.HourlySpend(t.Context(), 1)
	_, err3 := r.AccuracyMetrics(t.Context(), time.Time{})
	_, err4 := r.GateMetrics(t.Context(), time.Time{}, 1)
	_, err5 := r.Verify(t.Context(), nil)
	for i, err := range []error{err1, err2, err3, err4, err5} {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%d: got %v, want fs.ErrNotExist", i, err)
		}
	}
}

package auditlog_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/scan"
	"github.com/otelaudit/otelaudit/internal/spend"
	"github.com/otelaudit/otelaudit/internal/trials"
)

// spent sums a log in each way that there is and fails unless all agree.
func spent(t *testing.T, r *auditlog.Reader) auditlog.Totals {
	t.Helper()
	var want auditlog.Totals
	check := func(name string, got auditlog.Totals, err error) {
		t.Helper()
		if err != nil || got != want {
			t.Errorf("%s: got %+v, %v, want %+v", name, got, err, want)
		}
	}
	all, err := r.Spend(t.Context(), auditlog.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	want = all.Total
	for _, by := range []auditlog.GroupBy{auditlog.ByEvent, auditlog.BySession, auditlog.ByHour} {
		groups, err := r.Spend(t.Context(), auditlog.Filter{}, by)
		check("Spend in groups", groups.Total, err)
		var sum auditlog.Totals
		for _, g := range groups.Groups {
			plus(&sum, g.Totals)
		}
		check("the groups of Spend", sum, nil)
	}
	sameAsSpend(t, r, auditlog.Filter{})
	sameAsSpend(t, r, auditlog.Filter{NoDedup: true})
	var list []scan.Entry
	for e, err := range r.Query(t.Context(), auditlog.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, scan.Entry(e.Clone()))
	}
	of, err := spend.Of(list, nil)
	check("spend.Of", auditlog.Totals(of.Total), err)
	hours, err := r.HourlySpend(t.Context(), 30*24)
	check("HourlySpend", hours, err)
	b, err := auditlog.NewBudget(r, auditlog.WithMaxPerDay(1e9))
	if err != nil {
		t.Fatal(err)
	}
	periods, err := b.Periods(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	check("Budget", periods[0].Spent, nil)
	everything, err := r.Spend(t.Context(), auditlog.Filter{NoDedup: true})
	if err != nil || everything.Total.Events != int64(len(list)) {
		t.Errorf("NoDedup: got %+v, %v, want %d events", everything.Total, err, len(list))
	}
	return want
}

// identified returns a line of today with that uid.
func identified(uid string, more ...string) string {
	return fmt.Sprintf(`{"ts":"%s","event":"e","log.record.uid":%q%s}`, time.Now().UTC().Truncate(time.Hour).Format(time.RFC3339), uid, strings.Join(more, "")) + "\n"
}

func TestALineThatStandsTwiceIsOneEvent(t *testing.T) {
	const dollar, tokens = `,"cost":1`, `,"input_t":10,"output_t":1`
	line := identified("a", dollar, tokens)
	for name, test := range map[string]struct {
		lines    []string
		events   int64
		cost     float64
		repeated int64
	}{
		"the same line":               {[]string{line, line}, 1, 1, 1},
		"three times":                 {[]string{line, line, line}, 1, 1, 2},
		"without cost and tokens":     {[]string{identified("a"), identified("a")}, 1, 0, 1},
		"tokens and no cost":          {[]string{identified("a", tokens), identified("a", tokens)}, 1, 0, 1},
		"a long uid with escapes":     {[]string{identified("019c5a50-7b5e-7e58-8000-00000000000a"), strings.Replace(identified("019c5a50-7b5e-7e58-8000-00000000000a"), "8000", `\u0038000`, 1)}, 1, 0, 1},
		"spelled in another way":      {[]string{line, strings.NewReplacer(`"cost":1`, `"cost": 1.0`, `"a"`, `"\u0061"`, `Z"`, `.000+00:00"`).Replace(line)}, 1, 1, 1},
		"with other attributes":       {[]string{line, identified("a", dollar, tokens, `,"session_id":"t"`)}, 1, 1, 1},
		"another cost":                {[]string{line, identified("a", `,"cost":2`, tokens)}, 2, 3, 0},
		"a cost of 0 and none":        {[]string{identified("a", `,"cost":0`), identified("a")}, 2, 0, 0},
		"other tokens":                {[]string{line, identified("a", dollar, `,"input_t":11,"output_t":1`)}, 2, 2, 0},
		"tokens the other way around": {[]string{line, identified("a", dollar, `,"input_t":1,"output_t":10`)}, 2, 2, 0},
		"no tokens and 0":             {[]string{identified("a"), identified("a", `,"input_t":0`)}, 2, 0, 0},
		"another event":               {[]string{line, strings.Replace(line, `"e"`, `"f"`, 1)}, 2, 2, 0},
		"another time":                {[]string{line, strings.Replace(line, `00Z"`, `01Z"`, 1)}, 2, 2, 0},
		"another uid":                 {[]string{line, identified("b", dollar, tokens)}, 2, 2, 0},
		"other values between":        {[]string{line, identified("a", `,"cost":2`), line, identified("a", `,"cost":2`)}, 2, 3, 2},
		"no uid":                      {[]string{`{"ts":"` + time.Now().UTC().Format(time.RFC3339) + `","cost":1}` + "\n", identified("", dollar), identified("", dollar)}, 3, 3, 0},
		"a uid that is no text":       {[]string{strings.Replace(line, `"a"`, "1", 1), strings.Replace(line, `"a"`, "1", 1)}, 2, 2, 0},
		"beside a pair of span and log": {[]string{
			identified("a", dollar, tokens, `,"request_id":"q"`), identified("a", dollar, tokens, `,"request_id":"q"`),
			identified("b", tokens, `,"request_id":"q"`, spanMade), identified("b", tokens, `,"request_id":"q"`, spanMade),
		}, 1, 1, 2},
	} {
		t.Run(name, func(t *testing.T) {
			for border := range len(test.lines) {
				files := map[string]string{activeName: strings.Join(test.lines[border:], "")}
				if border > 0 {
					files[archiveName] = strings.Join(test.lines[:border], "")
				}
				r := putLog(t, files)
				if name == "beside a pair of span and log" {
					// HourlySpend does not look for pairs.
					got, err := r.Spend(t.Context(), auditlog.Filter{})
					if err != nil || got.Total.Events != test.events || got.Total.Cost != test.cost {
						t.Errorf("got %+v, %v", got.Total, err)
					}
					sameAsSpend(t, r, auditlog.Filter{})
				} else if got := spent(t, r); got.Events != test.events || got.Cost != test.cost {
					t.Errorf("got %+v, want %d events and cost %v", got, test.events, test.cost)
				}
				v, err := r.Verify(t.Context(), nil)
				if err != nil || v.Repeated != test.repeated {
					t.Errorf("Verify: %d repeated events, %v, want %d", v.Repeated, err, test.repeated)
				}
			}
		})
	}
}

// TestRepeatedLinesAreFoundWithinTheWindow has many lines, each there twice, at
// some distance. Verify finds all of them.
func TestRepeatedLinesAreFoundWithinTheWindow(t *testing.T) {
	const lines, window = 10_000, 4096
	for distance, want := range map[int]int64{1: lines, 1000: lines, window: lines, window + 1: 2 * lines, lines: 2 * lines} {
		if trials.Few() && (distance == 1000 || distance == lines) {
			continue
		}
		files := map[string]string{}
		var content strings.Builder
		// Blocks of distance lines, each twice in a row.
		for from := 0; from < lines; from += distance {
			for range 2 {
				for n := from; n < min(from+distance, lines); n++ {
					content.WriteString(identified(fmt.Sprint("u-", n), `,"cost":1`))
				}
			}
			if from <= lines/2 && from+distance > lines/2 {
				files[archiveName] = content.String()
				content.Reset()
			}
		}
		files[activeName] = content.String()
		r := putLog(t, files)
		if distance == window+1 { // the last block is shorter
			want -= int64(lines % distance)
		}
		if got := spent(t, r); got.Events != want || got.Cost != float64(want) {
			t.Errorf("distance %d: got %+v, want %d events", distance, got, want)
		}
		if v, err := r.Verify(t.Context(), nil); err != nil || v.Repeated != lines {
			t.Errorf("distance %d: Verify finds %d, %v, want %d", distance, v.Repeated, err, lines)
		}
	}
}

// TestBudgetsMeetARepeatedLineLater sums a log that grows, through a rotation.
func TestBudgetsMeetARepeatedLineLater(t *testing.T) {
	r := putLog(t, map[string]string{activeName: identified("a", `,"cost":1`)})
	b, err := auditlog.NewBudget(r, auditlog.WithMaxPerDay(1e9))
	if err != nil {
		t.Fatal(err)
	}
	want := func(events int64) {
		t.Helper()
		periods, err := b.Periods(t.Context())
		if err != nil || periods[0].Spent.Events != events {
			t.Errorf("Budget: got %+v, %v, want %d events", periods, err, events)
		}
		hours, err := r.HourlySpend(t.Context(), 2)
		if err != nil || hours.Events != events {
			t.Errorf("HourlySpend: got %+v, %v, want %d events", hours, err, events)
		}
	}
	want(1)
	appendText(t, r.Path(), identified("a", `,"cost":1`)+identified("b", `,"cost":1`))
	want(2)
	appendText(t, r.Path(), identified("b", `,"cost":1`)+identified("b", `,"cost":2`))
	want(3)
}

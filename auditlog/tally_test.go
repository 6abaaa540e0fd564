package auditlog_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/scan"
	"github.com/otelaudit/otelaudit/internal/spend"
)

// adder is a Tally that sums up what Spend does, and checks that it is told
// only of what was added before.
type adder struct {
	t     *testing.T
	total auditlog.Totals
	live  map[*spend.Usage]bool
}

func (a *adder) count(u spend.Usage, sign int64) {
	a.total.Events += sign
	a.total.Cost += float64(sign) * u.Cost
	a.total.InputTokens += sign * u.InputTokens
	a.total.OutputTokens += sign * u.OutputTokens
	if u.Unpriced() {
		a.total.Unpriced += sign
	}
	if u.IsCall() {
		a.total.Calls += sign
	}
	if u.Failed {
		a.total.Failed += sign
	}
	a.total.CacheReadTokens += sign * u.Parts.CacheRead
	a.total.CacheWriteTokens += sign * u.Parts.CacheWrite
	a.total.CacheWriteHourTokens += sign * u.Parts.CacheWriteHour
	a.total.ReasoningTokens += sign * u.Parts.Reasoning
}

func (a *adder) Add(_ scan.Entry, u spend.Usage) any {
	a.count(u, 1)
	a.live[&u] = true
	return &u
}

func (a *adder) Join(kept, other, joined spend.Usage) any {
	for _, u := range []spend.Usage{kept, other} {
		added, ok := u.Tag.(*spend.Usage)
		if !ok || !a.live[added] {
			a.t.Errorf("joined a usage that is not counted: %+v", u)
			continue
		}
		delete(a.live, added)
		u.Tag = nil
		if diff := cmp.Diff(*added, u); diff != "" {
			a.t.Errorf("the tag is that of another usage (-added +joined):\n%s", diff)
		}
		a.count(u, -1)
	}
	return a.Add(scan.Entry{}, joined)
}

// plus adds totals of events that have no cost or costs of few digits.
func plus(sum *auditlog.Totals, t auditlog.Totals) {
	sum.Events += t.Events
	sum.Unpriced += t.Unpriced
	sum.Cost += t.Cost
	sum.InputTokens += t.InputTokens
	sum.OutputTokens += t.OutputTokens
	sum.Calls += t.Calls
	sum.Failed += t.Failed
	sum.CacheReadTokens += t.CacheReadTokens
	sum.CacheWriteTokens += t.CacheWriteTokens
	sum.CacheWriteHourTokens += t.CacheWriteHourTokens
	sum.ReasoningTokens += t.ReasoningTokens
}

// sameAsSpend holds the totals of Tally, and those that its calls make, against
// those of Spend.
func sameAsSpend(t *testing.T, r *auditlog.Reader, filter auditlog.Filter) {
	t.Helper()
	want, err := r.Spend(t.Context(), filter, auditlog.ByNothing)
	if err != nil {
		t.Fatal(err)
	}
	a := &adder{t: t, live: make(map[*spend.Usage]bool)}
	log, selected := auditlog.HistoryOf(r), scan.Filter{Since: filter.Since, Session: filter.Session}
	total, _, err := spend.TallyOf(t.Context(), log, selected, filter.NoDedup, a)
	got := auditlog.Totals(total)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.Total, got); diff != "" {
		t.Errorf("Tally (-spend +tally):\n%s", diff)
	}
	if diff := cmp.Diff(want.Total, a.total); diff != "" {
		t.Errorf("what Tally told of (-spend +told):\n%s", diff)
	}
}

func TestTallyTellsOfEachEventInOrderAndCountsDamage(t *testing.T) {
	r := putLog(t, map[string]string{
		archiveName: `{"event":"a","ts":"2026-02-13T14:30:22Z"}` + "\nbroken\n" + `{"event":"b","cost":2}` + "\n",
		activeName:  `{"event":"c","input_t":3}` + "\n" + strings.Repeat("{\n", 300) + `{"event":"d"}` + "\n",
	})
	order := &recorder{}
	var damage []int64
	_, damaged, err := spend.TallyOf(t.Context(), auditlog.HistoryOf(r), scan.Filter{OnDamage: func(d *scan.DamageError) { damage = append(damage, d.Line) }}, false, order)
	if err != nil {
		t.Fatal(err)
	}
	if damaged != 301 || len(damage) != 301 || damage[0] != 2 || damage[300] != 301 {
		t.Errorf("got %d damaged lines, told of %d, want 301", damaged, len(damage))
	}
	want := []string{`{"event":"a","ts":"2026-02-13T14:30:22Z"} false false`, `{"event":"b","cost":2} true false`, `{"event":"c","input_t":3} true true`, `{"event":"d"} false false`}
	if diff := cmp.Diff(want, order.told); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// recorder notes what it is told.
type recorder struct{ told []string }

func (r *recorder) Add(e scan.Entry, u spend.Usage) any {
	text := map[bool]string{true: " true", false: " false"}
	r.told = append(r.told, string(e.Raw)+text[u.IsCall()]+text[u.Unpriced()])
	return nil
}

func (r *recorder) Join(_, _, _ spend.Usage) any { return nil }

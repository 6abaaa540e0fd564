package auditlog_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/audittest"
)

func newBudget(t *testing.T, r *auditlog.Reader, opts ...auditlog.BudgetOption) *auditlog.Budget {
	t.Helper()
	b, err := auditlog.NewBudget(r, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func appendEvents(t *testing.T, log *auditlog.Log, events ...auditlog.Event) {
	t.Helper()
	if err := log.Append(t.Context(), events...); err != nil {
		t.Fatal(err)
	}
}

// breach returns the BudgetError of a Check that has to fail.
func breach(t *testing.T, b *auditlog.Budget) *auditlog.BudgetError {
	t.Helper()
	err := b.Check(t.Context())
	e, ok := errors.AsType[*auditlog.BudgetError](err)
	if !ok {
		t.Fatalf("got %v, want a *BudgetError", err)
	}
	return e
}

func TestBudgetIsSpentWhenItsLimitIsReached(t *testing.T) {
	log := audittest.Open(t, filepath.Join(t.TempDir(), "audit.jsonl"))
	b := newBudget(t, log.Reader, auditlog.WithMaxPerDay(0.3))
	for _, cost := range []float64{0, 0.1, 0.1} {
		appendEvents(t, log, auditlog.Event{Name: "llm.call", Cost: &cost})
		if err := b.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	appendEvents(t, log, auditlog.Event{Name: "llm.call", Cost: new(0.15), InputTokens: new(int64(7))})
	got := breach(t, b)
	start := time.Now().UTC().Truncate(24 * time.Hour)
	want := &auditlog.BudgetError{Reason: "daily_budget_exhausted", Period: auditlog.BudgetPeriod{
		Name: "day", Start: start, End: start.Add(24 * time.Hour), Limit: 0.3,
		Spent: auditlog.Totals{Events: 4, Calls: 4, Cost: 0.35, InputTokens: 7},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want, got:\n%s", diff)
	}
}

func TestBudgetErrorSaysWhatIsSpentAndUntilWhen(t *testing.T) {
	period := auditlog.BudgetPeriod{
		Name: "hour", Start: time.Date(2026, 2, 13, 14, 0, 0, 0, time.UTC), End: time.Date(2026, 2, 13, 15, 0, 0, 0, time.UTC),
		Limit: 5, Spent: auditlog.Totals{Cost: 5.0123456789, Unpriced: 2},
	}
	one := period
	one.Spent.Unpriced = 1
	for _, test := range []struct {
		err  auditlog.BudgetError
		want string
	}{
		{
			auditlog.BudgetError{Period: period, Reason: auditlog.BudgetHourExhausted},
			"auditlog: the budget of 5.00 USD per hour is spent: 5.012346 USD since 2026-02-13 14:00 UTC; the next hour begins at 2026-02-13 15:00 UTC",
		},
		{
			auditlog.BudgetError{Period: period, Session: "s-1", Reason: auditlog.BudgetUnpriced},
			`auditlog: 2 calls report tokens and no cost since 2026-02-13 14:00 UTC, so that the budget of session "s-1" of 5.00 USD per hour cannot be kept; make the costs known, or wait for the next hour`,
		},
		{
			auditlog.BudgetError{Period: one, Reason: auditlog.BudgetUnpriced},
			"auditlog: 1 call reports tokens and no cost since 2026-02-13 14:00 UTC, so that the budget of 5.00 USD per hour cannot be kept; make the costs known, or wait for the next hour",
		},
	} {
		if got := test.err.Error(); got != test.want {
			t.Errorf("got\n%s, want\n%s", got, test.want)
		}
	}
}

func TestBudgetOfASessionCountsNoOther(t *testing.T) {
	log := audittest.Open(t, filepath.Join(t.TempDir(), "audit.jsonl"))
	mine := newBudget(t, log.Reader, auditlog.WithMaxPerDay(1e-9), auditlog.WithBudgetSession("mine"))
	appendEvents(t, log, auditlog.Event{Name: "llm.call", SessionID: "another", Cost: new(9.0)})
	if err := mine.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	appendEvents(t, log, auditlog.Event{Name: "llm.call", SessionID: "mine", Cost: new(0.5)})
	if got := breach(t, mine); got.Session != "mine" || got.Period.Spent.Cost != 0.5 {
		t.Errorf("got %+v", got)
	}
}

func TestUnpricedCallIsABreachOnlyIfAskedFor(t *testing.T) {
	log := audittest.Open(t, filepath.Join(t.TempDir(), "audit.jsonl"))
	lenient := newBudget(t, log.Reader, auditlog.WithMaxPerDay(1))
	strict := newBudget(t, log.Reader, auditlog.WithMaxPerDay(1), auditlog.WithUnpricedBreach())
	appendEvents(t, log, auditlog.Event{Name: "llm.call", OutputTokens: new(int64(1))})
	if err := lenient.Check(t.Context()); err != nil {
		t.Error(err)
	}
	periods, err := lenient.Periods(t.Context())
	if err != nil || len(periods) != 1 || periods[0].Spent.Unpriced != 1 {
		t.Errorf("got %+v, %v, want one unpriced call", periods, err)
	}
	if got := breach(t, strict); got.Reason != "unpriced_call" {
		t.Errorf("got %+v", got)
	}
	appendEvents(t, log, auditlog.Event{Name: "llm.call", Cost: new(2.0)})
	if got := breach(t, strict); got.Reason != "daily_budget_exhausted" {
		t.Errorf("what is spent is spent: got %+v", got)
	}
}

// TestBudgetEventIsOnDiskOnceForEachPeriod asks often.
func TestBudgetEventIsOnDiskOnceForEachPeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "audit.jsonl")
		log := audittest.Open(t, path)
		b := newBudget(t, log.Reader, auditlog.WithMaxPerHour(1), auditlog.WithBudgetSession("s-1"), auditlog.WithBudgetEvents(log))
		var want strings.Builder
		for hour := range 2 {
			if err := b.Check(t.Context()); err != nil {
				t.Fatal(err)
			}
			at := time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
			appendEvents(t, log, auditlog.Event{Name: "llm.call", SessionID: "s-1", Cost: new(1.5)})
			for range 3 {
				_ = breach(t, b)
			}
			if n := auditlog.Unsynced(log); n != 0 {
				t.Errorf("%d lines are unsynced", n)
			}
			fmt.Fprintf(&want, `{"ts":%q,"event":"llm.call","session_id":"s-1","cost":1.5}`+"\n", at)
			fmt.Fprintf(&want, `{"ts":%q,"event":"budget","session_id":"s-1","reason":"hourly_budget_exhausted","budget_limit":1.0,"budget_period":"hour",`+
				`"budget_spent":1.5,"budget_start":"2000-01-01T0%d:00:00Z","budget_unpriced":0}`+"\n", at, hour)
			time.Sleep(time.Hour)
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.String(), string(got)); diff != "" {
			t.Errorf("want, got:\n%s", diff)
		}
	})
}

// TestBudgetWhoseEventCannotBeWrittenSaysBoth closes the log of the events.
func TestBudgetWhoseEventCannotBeWrittenSaysBoth(t *testing.T) {
	log := audittest.Open(t, filepath.Join(t.TempDir(), "audit.jsonl"))
	appendEvents(t, log, auditlog.Event{Name: "llm.call", Cost: new(1.0)})
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	b := newBudget(t, log.Reader, auditlog.WithMaxPerDay(1), auditlog.WithBudgetEvents(log))
	for range 2 {
		err := b.Check(t.Context())
		if _, ok := errors.AsType[*auditlog.BudgetError](err); !ok || !errors.Is(err, auditlog.ErrClosed) {
			t.Errorf("got %v, want a *BudgetError and ErrClosed", err)
		}
	}
}

func TestBudgetOfALogThatIsNotThereYetIsNotSpent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "later", "audit.jsonl")
	r, err := auditlog.NewReader(path)
	if err != nil {
		t.Fatal(err)
	}
	b := newBudget(t, r, auditlog.WithMaxPerDay(1))
	if err := b.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	log := audittest.Open(t, path)
	appendEvents(t, log, auditlog.Event{Name: "llm.call", Cost: new(1.0)})
	_ = breach(t, b)
	// A log that somebody removes has spent nothing any more.
	if err := errors.Join(log.Close(), os.Remove(path)); err != nil {
		t.Fatal(err)
	}
	if err := b.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestBudgetThatCannotReadTheLogIsAnErrorAndNoBreach(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	r, err := auditlog.NewReader(path)
	if err != nil {
		t.Fatal(err)
	}
	b := newBudget(t, r, auditlog.WithMaxPerDay(1))
	err = b.Check(t.Context())
	if _, ok := errors.AsType[*auditlog.BudgetError](err); ok || err == nil {
		t.Errorf("got %v, want an error of reading", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := b.Check(t.Context()); err != nil {
		t.Errorf("after it was cured: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	audittest.Open(t, path)
	if err := b.Check(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func TestBudgetWithoutAUsableLimitIsRefused(t *testing.T) {
	r := putLog(t, nil)
	for _, opts := range [][]auditlog.BudgetOption{
		nil,
		{auditlog.WithUnpricedBreach()},
		{auditlog.WithMaxPerHour(0)},
		{auditlog.WithMaxPerDay(1), auditlog.WithMaxPerDay(-1)},
		{auditlog.WithMaxPerDay(math.NaN())},
		{auditlog.WithMaxPerDay(math.Inf(1))},
	} {
		if b, err := auditlog.NewBudget(r, opts...); err == nil {
			t.Errorf("got %+v, want an error", b)
		}
	}
}

func TestBudgetOfManyCallersStopsAllOfThem(t *testing.T) {
	log := audittest.Open(t, filepath.Join(t.TempDir(), "audit.jsonl"), auditlog.WithMaxFileSize(2000))
	b := newBudget(t, log.Reader, auditlog.WithMaxPerDay(100), auditlog.WithBudgetEvents(log))
	const callers = 4
	var g sync.WaitGroup
	for range callers {
		g.Go(func() {
			for {
				err := b.Check(t.Context())
				if _, ok := errors.AsType[*auditlog.BudgetError](err); ok {
					return
				}
				if err == nil {
					err = log.Append(t.Context(), auditlog.Event{Name: "llm.call", Cost: new(1.0)})
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	g.Wait()
	spend, err := log.Spend(t.Context(), auditlog.Filter{}, auditlog.ByEvent)
	if err != nil {
		t.Fatal(err)
	}
	// Each of them may have been between its Check and its Append.
	if spend.Total.Cost < 100 || spend.Total.Cost > 100+callers-1 {
		t.Errorf("got a cost of %v, want 100 and what was on its way", spend.Total.Cost)
	}
	for _, g := range spend.Groups {
		if g.Key == auditlog.EventBudget && g.Events != 1 {
			t.Errorf("got %d budget events, want 1", g.Events)
		}
	}
}

// TestTimesThatSayNothingDoNotTurnABudgetOff asks a Budget, HourlySpend and SpentIn,
// which must agree, of one event each. It is there before the log is read, or
// arrives afterwards.
func TestTimesThatSayNothingDoNotTurnABudgetOff(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC()
	for name, test := range map[string]struct {
		ts             string // raw
		there, arrived float64
	}{
		"now":               {now.Format(`"` + time.RFC3339 + `"`), 10, 10},
		"without a zone":    {now.Format(`"2006-01-02T15:04:05.000000"`), 10, 10},
		"a zone of 4":       {now.In(time.FixedZone("", 3600)).Format(`"2006-01-02T15:04:05-0700"`), 10, 10},
		"a space":           {now.Format(`"2006-01-02 15:04:05"`), 10, 10},
		"seconds":           {strconv.FormatInt(now.Unix(), 10), 10, 10},
		"fraction":          {strconv.FormatFloat(float64(now.UnixMicro())/1e6, 'f', 6, 64), 10, 10},
		"milliseconds":      {strconv.FormatInt(now.UnixMilli(), 10), 10, 10},
		"nanoseconds":       {`"` + strconv.FormatInt(now.UnixNano(), 10) + `"`, 10, 10},
		"30 years ahead":    {now.AddDate(30, 0, 0).Format(`"` + time.RFC3339 + `"`), 0, 10},
		"10 minutes ahead":  {now.Add(10 * time.Minute).Format(`"` + time.RFC3339 + `"`), 0, 10},
		"milliseconds 2054": {"2668375473000", 0, 10},
		"a word":            {`"yesterday"`, 0, 10},
		"null":              {"null", 0, 10},
		"zero":              {"0", 0, 10},
		"two days ago":      {now.AddDate(0, 0, -2).Format(`"` + time.RFC3339 + `"`), 0, 0},
	} {
		for _, before := range []float64{-1, 0, 7} { // the cost of an event with a time; -1: there is none
			lines := ""
			there := test.there
			if before >= 0 {
				lines = fmt.Sprintf(`{"ts":%q,"cost":%v}`+"\n", now.Format(time.RFC3339), before)
				if name != "two days ago" {
					there = 10
				}
				there += before
			}
			line := fmt.Sprintf(`{"cost":10,"ts":%s,"session_id":"s"}`+"\n"+`{"cost":-1000,"ts":%[1]s,"session_id":"s"}`+"\n", test.ts)
			check := func(what string, r *auditlog.Reader, b *auditlog.Budget, want float64) {
				t.Helper()
				day := time.Now().UTC().Truncate(24 * time.Hour)
				spent, err := r.SpentIn(t.Context(), time.Now(), nil, auditlog.Period{Start: day, End: day.AddDate(0, 0, 1)})
				hourly, err2 := r.HourlySpend(t.Context(), 24)
				periods, err3 := b.Periods(t.Context())
				if err := errors.Join(err, err2, err3); err != nil {
					t.Fatal(err)
				}
				if what == "there" && spent[0].Cost != want || hourly.Cost != want || periods[0].Spent.Cost != want {
					t.Errorf("%s, %s, before %v: SpentIn %v, HourlySpend %v, Budget %v, want %v", name, what, before, spent[0].Cost, hourly.Cost, periods[0].Spent.Cost, want)
				}
			}
			r := putLog(t, map[string]string{activeName: lines + line})
			check("there", r, newBudget(t, r, auditlog.WithMaxPerDay(1e9)), there)

			r = putLog(t, map[string]string{activeName: lines})
			b := newBudget(t, r, auditlog.WithMaxPerDay(1e9))
			check("empty", r, b, max(before, 0))
			f, err := os.OpenFile(r.Path(), os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				t.Fatal(err)
			}
			_, err = f.WriteString(line)
			if err := errors.Join(err, f.Close()); err != nil {
				t.Fatal(err)
			}
			check("arrived", r, b, max(before, 0)+test.arrived)
			// Reading all of it again does not move what has arrived.
			older := filepath.Join(filepath.Dir(r.Path()), "audit_20200101_000000.jsonl")
			if err := os.WriteFile(older, []byte(`{"ts":"2020-01-01T00:00:00Z"}`+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			f, err = os.OpenFile(r.Path(), os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				t.Fatal(err)
			}
			_, err = f.WriteString("{\"event\":\"x\"}\n")
			if err := errors.Join(err, f.Close()); err != nil {
				t.Fatal(err)
			}
			check("read again", r, b, max(before, 0)+test.arrived)
		}
	}
}

// TestArrivedIsWhatWasWrittenWhateverItsTime is of a session, and of any.
func TestArrivedIsWhatWasWrittenWhateverItsTime(t *testing.T) {
	t.Parallel()
	for _, line := range []string{`{"ts":"2020-01-01T00:00:00Z","session_id":"mine"}` + "\n", `{"session_id":"mine"}` + "\n", `{"session_id":"mine"}`} {
		r := putLog(t, map[string]string{activeName: `{"session_id":"mine"}` + "\n"})
		all, mine := newBudget(t, r, auditlog.WithMaxPerDay(1)), newBudget(t, r, auditlog.WithMaxPerDay(1), auditlog.WithBudgetSession("mine"))
		arrived := func(b *auditlog.Budget) bool {
			t.Helper()
			is, err := b.Arrived(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return is
		}
		write := func(text string) {
			t.Helper()
			f, err := os.OpenFile(r.Path(), os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				t.Fatal(err)
			}
			_, err = f.WriteString(text)
			if err := errors.Join(err, f.Close()); err != nil {
				t.Fatal(err)
			}
		}
		if arrived(all) || arrived(mine) {
			t.Error("nothing was written")
		}
		write("{\"session_id\":\"another\"}\n")
		if !arrived(all) || arrived(mine) {
			t.Error("an event of another session was written")
		}
		write(line)
		if !arrived(mine) {
			t.Errorf("%q was written", line)
		}
	}
}

func ExampleBudget() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "auditlog")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir) //nolint:errcheck // of the example
	log, err := auditlog.Open(filepath.Join(dir, "audit.jsonl"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer log.Close() //nolint:errcheck // of the example

	budget, err := auditlog.NewBudget(log.Reader, auditlog.WithMaxPerHour(0.50), auditlog.WithMaxPerDay(5), auditlog.WithBudgetEvents(log))
	if err != nil {
		fmt.Println(err)
		return
	}
	for i := range 10 {
		if err := budget.Check(ctx); err != nil {
			if breach, ok := errors.AsType[*auditlog.BudgetError](err); ok {
				fmt.Printf("stopped after %d calls, %.2f USD: %s\n", i, breach.Period.Spent.Cost, breach.Reason)
			} else {
				fmt.Println(err) // nobody knows what is spent
			}
			return
		}
		// … call the model …
		if err := log.Append(ctx, auditlog.Event{Name: "llm.call", Cost: new(0.125), Model: "gpt-4o"}); err != nil {
			fmt.Println(err)
			return
		}
	}
	// Output: stopped after 4 calls, 0.50 USD: hourly_budget_exhausted
}

package auditlog

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otelaudit/otelaudit/internal/trials"
)

// TestBudgetKnowsWhatAWholeReadKnows asks a Budget, after each of many things
// that happen to a log, and wants what a Spend says that reads all of it.
func TestBudgetKnowsWhatAWholeReadKnows(t *testing.T) {
	t.Parallel()
	for seed := range uint64(trials.Of(12)) {
		m := newHourlyModel(t, seed)
		m.twice = true
		m.append(m.lines(50))
		session := ""
		if seed%3 == 0 {
			session = "s1"
		}
		r := newReader(m.path, newReaderConfig(nil))
		r.log.SectionSize = 700
		// Days that begin at each quarter of an hour, hours at some.
		zone := time.FixedZone("somewhere", int(seed)*15*60)
		b, err := NewBudget(r, WithMaxPerHour(1), WithMaxPerDay(1), WithBudgetSession(session), WithBudgetTimeZone(zone))
		m.must(err)
		var steps []string
		for range 60 {
			steps = append(steps, m.step())
			got, err := b.Periods(t.Context())
			m.must(err)
			all := m.usable(time.Now(), len(steps) > 1)
			for _, p := range got {
				want, err := all.Spend(t.Context(), Filter{Since: p.Start, Until: p.End, Session: session}, ByNothing)
				m.must(err)
				if p.Spent != want.Total {
					t.Fatalf("seed %d, %q: %s: got\n%+v, want\n%+v", seed, steps, p.Name, p.Spent, want.Total)
				}
			}
		}
	}
}

func TestBudgetIsThereAgainInTheNextPeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newHourlyModel(t, 1)
		b, err := NewBudget(newReader(m.path, newReaderConfig(nil)), WithMaxPerHour(2), WithMaxPerDay(30))
		m.must(err)
		// A dollar each half hour spends an hour at its second half, and the day
		// with the 30th, at 14:30.
		for i := range 60 {
			m.append(fmt.Sprintf(`{"ts":%q,"cost":1}`+"\n", time.Now().Format(time.RFC3339Nano)))
			want := ""
			switch ofDay := i % 48; {
			case ofDay%2 == 1:
				want = BudgetHourExhausted
			case ofDay >= 29:
				want = BudgetDayExhausted
			}
			err := b.Check(t.Context())
			got := ""
			if breach, ok := err.(*BudgetError); ok { //nolint:errorlint // nothing else is wanted
				got = breach.Reason
			} else {
				m.must(err)
			}
			if got != want {
				t.Errorf("at %v: got %q, want %q", time.Now().UTC(), got, want)
			}
			time.Sleep(30 * time.Minute)
		}
	})
}

func TestDaysOfABudgetAreThoseOfItsTimeZone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newHourlyModel(t, 1)
		india := time.FixedZone("IST", int((5*time.Hour + 30*time.Minute).Seconds()))
		b, err := NewBudget(newReader(m.path, newReaderConfig(nil)), WithMaxPerHour(100), WithMaxPerDay(100), WithBudgetTimeZone(india))
		m.must(err)
		// It is midnight UTC, and the day of India ends in 18 hours and a half.
		for quarter := range 4 * 24 {
			m.append(fmt.Sprintf(`{"ts":%q,"cost":1}`+"\n", time.Now().Format(time.RFC3339Nano)))
			periods, err := b.Periods(t.Context())
			m.must(err)
			hour, day := 1+(quarter+2)%4, 1+quarter
			if quarter < 2 {
				hour = 1 + quarter // the hour began before the log
			}
			if quarter >= 74 {
				day = 1 + quarter - 74
			}
			if periods[0].Spent.Cost != float64(hour) || periods[1].Spent.Cost != float64(day) {
				t.Fatalf("at %v: got %+v, want %d and %d", time.Now().In(india), periods, hour, day)
			}
			time.Sleep(15 * time.Minute)
		}
	})
}

func BenchmarkBudgetCheck(b *testing.B) {
	path := filepath.Join(b.TempDir(), "audit.jsonl")
	line := fmt.Sprintf(`{"ts":%q,"event":"llm.call","cost":0.0041,"input_t":1500,"output_t":250,"span_id":"eee19b7ec3c1b174","x":%q}`+"\n",
		time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), strings.Repeat("x", 190))
	if err := os.WriteFile(path, []byte(strings.Repeat(line, 10_000)), 0o600); err != nil {
		b.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Dir(path), old, old); err != nil {
		b.Fatal(err)
	}
	for _, lines := range []int{0, 1, 1000} {
		b.Run(fmt.Sprintf("new=%d", lines), func(b *testing.B) {
			budget, err := NewBudget(newReader(path, newReaderConfig(nil)), WithMaxPerHour(1e9), WithMaxPerDay(1e9))
			if err != nil {
				b.Fatal(err)
			}
			if err := budget.Check(b.Context()); err != nil {
				b.Fatal(err)
			}
			f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close() //nolint:errcheck // a benchmark
			more := strings.Repeat(line, lines)
			b.ReportAllocs()
			for b.Loop() {
				if lines > 0 {
					b.StopTimer()
					if _, err := f.WriteString(more); err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
				}
				if err := budget.Check(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

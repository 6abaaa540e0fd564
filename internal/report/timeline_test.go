package report

import (
	"testing"
	"time"
	_ "time/tzdata" // the zones are the same on every machine

	"github.com/google/go-cmp/cmp"
)

func at(t *testing.T, text string) time.Time {
	t.Helper()
	parsed, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func berlin(t *testing.T) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

// Steps lie side by side, hold what asked for them, and those of a day begin and
// end with it, also where clocks are turned.
func TestStepsLeaveNoGap(t *testing.T) {
	for _, from := range []string{"2026-03-28T00:00:00+01:00", "2026-10-24T00:00:00+02:00", "2026-02-13T00:00:00+01:00"} {
		for s := minute; s <= year; s++ {
			instant := at(t, from).In(berlin(t))
			p := s.period(instant)
			for range 400 {
				for _, within := range []time.Time{p.Start, p.End.Add(-1)} {
					if got := s.period(within); !got.Start.Equal(p.Start) || !got.End.Equal(p.End) {
						t.Fatalf("step %d: %v is in %v, want %v", s, within, got, p)
					}
				}
				next := s.period(p.End)
				if !next.Start.Equal(p.End) {
					t.Fatalf("step %d: %v is behind %v", s, next, p)
				}
				if length := p.End.Sub(p.Start); length <= 0 || s <= week && (length < lengths[s]*5/6-1 || length > lengths[s]*7/6+1) {
					t.Fatalf("step %d: %v is %v long", s, p, length)
				}
				p = next
			}
		}
	}
}

func TestAnAxisHasBarsThatFit(t *testing.T) {
	for _, test := range []struct {
		name    string
		times   []string // each of one event
		many    string   // of a thousand
		step    step
		bars    int
		first   string
		outside int64
	}{
		{"one event", []string{"2026-02-13T14:30:22+01:00"}, "", minute, 12, "2026-02-13T14:24:00+01:00", 0},
		{"an hour", []string{"2026-02-13T14:00:00+01:00", "2026-02-13T14:59:59+01:00"}, "", minute, 60, "2026-02-13T14:00:00+01:00", 0},
		{"a day", []string{"2026-02-13T00:00:00+01:00", "2026-02-13T23:59:59+01:00"}, "", hour, 24, "2026-02-13T00:00:00+01:00", 0},
		{"a day of 25 hours", []string{"2026-10-25T00:00:00+02:00", "2026-10-25T23:59:59+01:00"}, "", hour, 25, "2026-10-25T00:00:00+02:00", 0},
		{"a week", []string{"2026-02-09T08:00:00+01:00", "2026-02-15T17:00:00+01:00"}, "", sixHours, 26, "2026-02-09T06:00:00+01:00", 0},
		{"a month", []string{"2026-02-01T00:00:00+01:00", "2026-02-28T17:00:00+01:00"}, "", day, 28, "2026-02-01T00:00:00+01:00", 0},
		{"a year", []string{"2026-01-01T00:00:00+01:00", "2026-12-31T17:00:00+01:00"}, "", week, 53, "2025-12-29T00:00:00+01:00", 0},
		{"five years", []string{"2021-01-01T00:00:00+01:00", "2025-12-31T17:00:00+01:00"}, "", month, 60, "2021-01-01T00:00:00+01:00", 0},
		{"all years", []string{"1000-01-01T00:00:00Z", "2025-12-31T17:00:00+01:00"}, "", year, 62, "1964-01-01T00:00:00+01:00", 1},
		{"a clock that was wrong", []string{"1970-01-01T00:00:00Z", "2026-02-13T14:00:00+01:00", "2026-02-13T14:10:00+01:00"}, "2026-02-13T14:05:00+01:00", minute, 12, "2026-02-13T13:59:00+01:00", 1},
		{"another one", []string{"2222-01-01T00:00:00Z", "2026-02-13T14:00:00+01:00"}, "2026-02-13T14:05:00+01:00", minute, 12, "2026-02-13T13:57:00+01:00", 1},
	} {
		l := newTimeline(berlin(t))
		for _, text := range test.times {
			l.mark(at(t, text)).events++
		}
		if test.many != "" {
			l.mark(at(t, test.many)).events += 1000
		}
		a := l.axis()
		if a.step != test.step || len(a.starts) != test.bars || a.outside != test.outside || !a.starts[0].Equal(at(t, test.first)) {
			t.Errorf("%s: got %d bars of step %d from %v, %d outside, want %d of step %d from %s, %d outside", test.name,
				len(a.starts), a.step, a.starts[0], a.outside, test.bars, test.step, test.first, test.outside)
		}
		for _, text := range test.times {
			if i := a.bar(at(t, text).Unix(), l.zone); i < 0 && a.outside == 0 {
				t.Errorf("%s: %s has no bar", test.name, text)
			}
		}
	}
}

func TestNoEventsHaveNoAxis(t *testing.T) {
	if diff := cmp.Diff(0, len(newTimeline(time.UTC).axis().starts)); diff != "" {
		t.Error(diff)
	}
}

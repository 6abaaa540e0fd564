package calendar_test

import (
	"testing"
	"time"
	_ "time/tzdata" // the zones are the same on every machine

	"github.com/otelaudit/otelaudit/internal/calendar"
)

func load(t *testing.T, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

// The table has the nights in which clocks are turned, and how.
func TestADayBeginsAtItsFirstInstant(t *testing.T) {
	for _, test := range []struct{ zone, day, want string }{
		{"UTC", "2026-02-13", "2026-02-13T00:00:00Z"},
		{"Europe/Berlin", "2026-02-13", "2026-02-13T00:00:00+01:00"},
		{"Europe/Berlin", "2026-07-01", "2026-07-01T00:00:00+02:00"},
		{"Europe/Berlin", "2026-03-29", "2026-03-29T00:00:00+01:00"}, // forward at 2
		{"Europe/Berlin", "2026-03-30", "2026-03-30T00:00:00+02:00"},
		{"Asia/Kolkata", "2026-02-13", "2026-02-13T00:00:00+05:30"},
		{"America/Santiago", "2022-09-11", "2022-09-11T01:00:00-03:00"}, // forward at 0: there is no midnight
		{"America/Santiago", "2022-04-03", "2022-04-03T00:00:00-04:00"}, // back at 24: 23 o'clock comes twice
		{"America/Havana", "2022-11-06", "2022-11-06T00:00:00-04:00"},   // back at 1: midnight comes twice
		{"Africa/Cairo", "2014-07-31", "2014-07-31T00:00:00+02:00"},
		{"Pacific/Apia", "2011-12-30", "2011-12-31T00:00:00+14:00"},  // there was no such day
		{"Europe/Berlin", "2041-01-01", "2041-01-01T00:00:00+01:00"}, // after a leap year
		{"Europe/Berlin", "2040-12-31", "2040-12-31T00:00:00+01:00"},
		{"Pacific/Kiritimati", "2026-02-13", "2026-02-13T00:00:00+14:00"},
		{"UTC", "0000-05-01", "0000-05-01T00:00:00Z"}, // before the zero time
		{"UTC", "0001-01-01", "0001-01-01T00:00:00Z"},
		{"Africa/Monrovia", "0000-05-01", "0000-05-01T00:00:00-00:43"},
		{"UTC", "9999-12-31", "9999-12-31T00:00:00Z"},
	} {
		day, err := time.Parse(time.DateOnly, test.day)
		if err != nil {
			t.Fatal(err)
		}
		got := calendar.DayStart(day.Year(), day.Month(), day.Day(), load(t, test.zone))
		if got := got.Format(time.RFC3339); got != test.want {
			t.Errorf("%s in %s: got %s, want %s", test.day, test.zone, got, test.want)
		}
	}
}

func TestPeriodsHoldTheirInstant(t *testing.T) {
	for _, test := range []struct {
		name   string
		period func(time.Time) calendar.Period
		zone   string
		at     string
		want   string
	}{
		{"hour", calendar.Hour, "UTC", "2026-02-13T14:30:22Z", "2026-02-13T14:00:00Z 2026-02-13T15:00:00Z"},
		{"hour before 1970", calendar.Hour, "UTC", "1969-12-31T23:59:59Z", "1969-12-31T23:00:00Z 1970-01-01T00:00:00Z"},
		{"hour off UTC's", calendar.Hour, "Asia/Kolkata", "2026-02-13T14:10:00Z", "2026-02-13T19:00:00+05:30 2026-02-13T20:00:00+05:30"},
		{"first 2 o'clock", calendar.Hour, "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T02:00:00+02:00 2026-10-25T02:00:00+01:00"},
		{"second 2 o'clock", calendar.Hour, "Europe/Berlin", "2026-10-25T01:30:00Z", "2026-10-25T02:00:00+01:00 2026-10-25T03:00:00+01:00"},
		{"clock turned by half an hour", calendar.Hour, "Australia/Lord_Howe", "2026-04-04T15:05:00Z", "2026-04-05T01:30:00+10:30 2026-04-05T02:00:00+10:30"},
		{"last day of a leap year", calendar.Hour, "Europe/Berlin", "2040-12-31T05:10:00Z", "2040-12-31T06:00:00+01:00 2040-12-31T07:00:00+01:00"},
		{"day of 23 hours", calendar.Day, "Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-29T00:00:00+01:00 2026-03-30T00:00:00+02:00"},
		{"week over the new year", calendar.Week, "UTC", "2026-01-01T00:00:00Z", "2025-12-29T00:00:00Z 2026-01-05T00:00:00Z"},
		{"a Sunday's week", calendar.Week, "UTC", "2026-02-15T23:59:59Z", "2026-02-09T00:00:00Z 2026-02-16T00:00:00Z"},
		{"a Monday's week", calendar.Week, "UTC", "2026-02-16T00:00:00Z", "2026-02-16T00:00:00Z 2026-02-23T00:00:00Z"},
		{"December", calendar.Month, "Europe/Berlin", "2025-12-31T22:59:59Z", "2025-12-01T00:00:00+01:00 2026-01-01T00:00:00+01:00"},
	} {
		at, err := time.Parse(time.RFC3339, test.at)
		if err != nil {
			t.Fatal(err)
		}
		p := test.period(at.In(load(t, test.zone)))
		if got := p.Start.Format(time.RFC3339) + " " + p.End.Format(time.RFC3339); got != test.want {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
	}
}

// Whatever the zone, periods lie side by side and each holds what asked for it.
func TestPeriodsLeaveNoGap(t *testing.T) {
	for _, zone := range []string{"UTC", "Europe/Berlin", "America/Santiago", "America/Havana", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia"} {
		loc := load(t, zone)
		for name, period := range map[string]func(time.Time) calendar.Period{
			"hour": calendar.Hour, "day": calendar.Day, "week": calendar.Week, "month": calendar.Month,
		} {
			last := calendar.Period{}
			for at := time.Date(2011, 12, 1, 0, 7, 0, 0, loc); at.Year() < 2013; at = at.Add(29 * time.Minute) {
				p := period(at)
				if at.Before(p.Start) || !at.Before(p.End) {
					t.Fatalf("%s in %s: %v is not from %v to %v", name, zone, at, p.Start, p.End)
				}
				if !last.End.IsZero() && !p.Start.Equal(last.Start) && !p.Start.Equal(last.End) {
					t.Fatalf("%s in %s: one ends at %v, the next begins at %v", name, zone, last.End, p.Start)
				}
				last = p
			}
		}
	}
}

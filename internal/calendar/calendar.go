// Package calendar has the hours, days, weeks and months of a time zone as the
// instants at which they begin and end, also where clocks are turned.
package calendar

import "time"

// Period is a part of a calendar: the instants from Start on and before End,
// both in the time zone of the calendar.
type Period struct{ Start, End time.Time }

// Hour returns the hour of the clock that t is in, in t's time zone. It ends
// where the clock is turned, so that an hour that a clock shows twice is two.
func Hour(t time.Time) Period {
	_, offset := t.Zone()
	local := t.Unix() + int64(offset)
	start := t.Unix() - (local%3600+3600)%3600
	p := Period{time.Unix(start, 0).In(t.Location()), time.Unix(start+3600, 0).In(t.Location())}
	turned, next := t.ZoneBounds()
	if !turned.IsZero() && p.Start.Before(turned) {
		p.Start = turned
	}
	if next.After(t) && next.Before(p.End) { // see DayStart
		p.End = next
	}
	return p
}

// Day returns the day that t is in, in t's time zone.
func Day(t time.Time) Period { return days(t, 0, 1) }

// Week returns the week that t is in, in t's time zone. It begins on a Monday,
// as ISO 8601 says.
func Week(t time.Time) Period {
	sinceMonday := (int(t.Weekday()) + 6) % 7
	return days(t, -sinceMonday, 7)
}

// Month returns the month that t is in, in t's time zone.
func Month(t time.Time) Period {
	year, month, _ := t.Date()
	return Period{DayStart(year, month, 1, t.Location()), DayStart(year, month+1, 1, t.Location())}
}

// days returns n days from the one that is first days after t's.
func days(t time.Time, first, n int) Period {
	year, month, day := t.Date()
	return Period{DayStart(year, month, day+first, t.Location()), DayStart(year, month, day+first+n, t.Location())}
}

// DayStart returns the first instant of a day in a time zone. That is midnight,
// unless the clock is turned then: where it goes forward there is no midnight,
// and where it goes back there may be two. Days and months out of their range
// are normalised as time.Date does.
func DayStart(year int, month time.Month, day int, loc *time.Location) time.Time {
	first, _ := Instants(time.Date(year, month, day, 0, 0, 0, 0, time.UTC), loc)
	return first
}

// Instants returns the first and the last instant at which the clock of a time zone
// shows the date and the time of day of wall, whose own zone is UTC. They are the
// same unless the clock goes back over it. A time that a clock skips is the instant
// at which it is turned.
func Instants(wall time.Time, loc *time.Location) (first, last time.Time) {
	const most = 26 * time.Hour // that clocks differ from UTC by, and more
	found := false
	// In the order of time: each span in which the clock is not turned. The first one
	// has no start, which is the zero time.
	for at := wall.Add(-most).In(loc); !at.After(wall.Add(most)); {
		start, end := at.ZoneBounds()
		_, offset := at.Zone()
		shown := wall.Add(-time.Duration(offset) * time.Second).In(loc)
		switch {
		case !start.IsZero() && shown.Before(start):
			if !found { // the clock was turned forward over it
				return start, start
			}
		// A span that ends before an instant in it is what the standard library
		// says of the last day of a leap year that only the rule of the zone knows.
		case end.IsZero() || shown.Before(end) || !end.After(at):
			if !found {
				first, found = shown, true
			}
			last = shown
		}
		if end.IsZero() || !end.After(at) {
			break
		}
		at = end
	}
	return first, last
}

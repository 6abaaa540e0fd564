package main

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/otelaudit/otelaudit/internal/calendar"
	"github.com/otelaudit/otelaudit/internal/visible"
)

// timeHelp stands in the help of verbs that take times.
const timeHelp = `Times are RFC 3339 (2026-02-13T14:30:00Z), a date with or without a time of day
(2026-02-13, "2026-02-13 14:30", 14:30), a day (today, yesterday, monday, "monday
9:00"), now, or a duration back from now (90m, 24h, 7d, 2w, 1d12h). What has no zone
is meant in that of --timezone; a day alone is its beginning; monday is the last one,
today included. Of a time that comes twice, where clocks go back, --until means the last
and all others the first; one that they skip is when they are turned. An event without a valid ts has no time: it is left out when one is
asked for.`

var errTime = errors.New(`want RFC 3339 such as 2026-02-13T14:30:00Z, a date such as 2026-02-13 or "2026-02-13 14:30", a time of today such as 14:30, ` +
	"now, today, yesterday, a weekday such as monday, or a duration back from now such as 90m, 24h, 7d, 2w or 1d12h")

// timeFlag is the value of a flag that is an instant. Which one it is can
// depend on --timezone, so that it is not known before all flags are.
type timeFlag struct {
	text  string
	clock *clock
	last  bool // of an hour that comes twice the last is meant
}

func (f *timeFlag) String() string { return f.text }
func (f *timeFlag) Type() string   { return "TIME" }

func (f *timeFlag) Set(text string) error {
	if _, err := parseTime(text, f.clock.now, f.last); err != nil {
		return err
	}
	f.text = text
	return nil
}

// time returns the zero time if the flag is not there.
func (f *timeFlag) time() time.Time {
	if f.text == "" {
		return time.Time{}
	}
	t, err := parseTime(f.text, f.clock.shown(f.clock.now), f.last)
	if err != nil {
		return time.Time{} // not after Set; a zone makes no text wrong
	}
	if t.IsZero() {
		return t.Add(-1) // the beginning of the year 1 is a bound, and the zero time none
	}
	return t
}

// timeFlag adds a flag.
func (a *app) timeFlag(cmd *cobra.Command, name, usage string) *timeFlag {
	f := &timeFlag{clock: &a.clock}
	cmd.Flags().Var(f, name, usage)
	completeWords(cmd, name, "now", "today", "yesterday", "monday", "1h", "24h", "7d")
	return f
}

func (a *app) sinceFlag(cmd *cobra.Command) *timeFlag {
	return a.timeFlag(cmd, "since", "only events at this time and later")
}

func (a *app) untilFlag(cmd *cobra.Command) *timeFlag {
	f := a.timeFlag(cmd, "until", "only events before this time")
	f.last = true
	return f
}

// period returns the instants of --since and --until.
func period(since, until *timeFlag) (from, to time.Time, err error) {
	from, to = since.time(), until.time()
	if !from.IsZero() && !to.IsZero() && !from.Before(to) {
		return from, to, usagef("--since %s is not before --until %s: no event can match; exchange them or leave one out", visible.Excerpt(since.text), visible.Excerpt(until.text))
	}
	return from, to, nil
}

// parseTime reads what timeHelp says. Its zone is that of now. Of a time of day that
// comes twice, where clocks go back, it returns the first, or the last.
func parseTime(text string, now time.Time, last bool) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	text = strings.TrimSpace(text)
	if strings.EqualFold(text, "now") {
		return now, nil
	}
	if age, ok := parseAge(text); ok {
		return now.Add(-age), nil
	}
	day, clock, hasClock := strings.Cut(text, " ")
	if !hasClock {
		// As RFC 3339 without its zone, which nobody but people leaves out.
		day, clock, hasClock = strings.Cut(text, "T")
	}
	if !hasClock && strings.Contains(text, ":") {
		day, clock, hasClock = "today", text, true
	}
	year, month, dayOfMonth, ok := parseDay(day, now)
	if !ok {
		return time.Time{}, errTime
	}
	if !hasClock {
		return calendar.DayStart(year, month, dayOfMonth, now.Location()), nil
	}
	hour, minute, second, ok := parseClock(strings.TrimSpace(clock))
	if !ok {
		return time.Time{}, errTime
	}
	from, to := calendar.Instants(time.Date(year, month, dayOfMonth, hour, minute, second, 0, time.UTC), now.Location())
	if last {
		return to, nil
	}
	return from, nil
}

// parseDay reads a date, or a word for one of the last days.
func parseDay(text string, now time.Time) (year int, month time.Month, day int, ok bool) {
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		year, month, day = t.Date()
		return year, month, day, true
	}
	year, month, day = now.Date()
	switch text = strings.ToLower(text); text {
	case "today":
		return year, month, day, true
	case "yesterday":
		return year, month, day - 1, true
	}
	for back := range 7 {
		name := strings.ToLower(((now.Weekday() + 7 - time.Weekday(back)) % 7).String())
		if text == name || text == name[:3] {
			return year, month, day - back, true
		}
	}
	return 0, 0, 0, false
}

// parseClock reads a time of day.
func parseClock(text string) (hour, minute, second int, ok bool) {
	for _, layout := range []string{"15:04", "15:04:05"} {
		if t, err := time.Parse(layout, text); err == nil {
			hour, minute, second = t.Clock()
			return hour, minute, second, true
		}
	}
	return 0, 0, 0, false
}

// parseAge reads a duration with weeks and days in front: those of
// time.ParseDuration end at hours.
func parseAge(text string) (age time.Duration, ok bool) {
	const day = 24 * time.Hour
	if !startsWithDigit(text) {
		return 0, false // no signs
	}
	for _, unit := range []struct {
		name   string
		length time.Duration
	}{{"w", 7 * day}, {"d", day}} {
		number, rest, there := strings.Cut(text, unit.name)
		if !there {
			continue
		}
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil || n > int64((math.MaxInt64-age)/unit.length) {
			return 0, false
		}
		age, text = age+time.Duration(n)*unit.length, rest
		if text == "" {
			return age, true
		}
		if !startsWithDigit(text) {
			return 0, false
		}
	}
	rest, err := time.ParseDuration(text)
	if err != nil || rest > math.MaxInt64-age {
		return 0, false
	}
	return age + rest, true
}

func startsWithDigit(text string) bool {
	return text != "" && text[0] >= '0' && text[0] <= '9'
}

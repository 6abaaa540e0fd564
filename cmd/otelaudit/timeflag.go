package main

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// timeHelp stands in the help of verbs that take times.
const timeHelp = `Times are RFC 3339 (2026-02-13T14:30:00Z), a date (2026-02-13, its beginning in
UTC), or a duration back from now (90m, 24h, 7d, 1d12h). An event without a valid
ts has no time: it is left out when one is asked for.`

// timeFlag is the value of a flag that is an instant.
type timeFlag struct {
	time time.Time // zero if the flag is not there
	text string
	now  time.Time
}

func (f *timeFlag) String() string { return f.text }
func (f *timeFlag) Type() string   { return "TIME" }

func (f *timeFlag) Set(text string) (err error) {
	f.text = text
	f.time, err = parseTime(text, f.now)
	return err
}

// timeFlag adds a flag.
func (a *app) timeFlag(cmd *cobra.Command, name, usage string) *timeFlag {
	f := &timeFlag{now: a.now}
	cmd.Flags().Var(f, name, usage)
	return f
}

func (a *app) sinceFlag(cmd *cobra.Command) *timeFlag {
	return a.timeFlag(cmd, "since", "only events at this time and later")
}

func parseTime(text string, now time.Time) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return t, nil
	}
	if age, ok := parseAge(text); ok {
		return now.Add(-age), nil
	}
	return time.Time{}, errors.New("want RFC 3339 such as 2026-02-13T14:30:00Z, a date such as 2026-02-13 (UTC), " +
		"or a duration back from now such as 90m, 24h, 7d or 1d12h")
}

// parseAge reads a duration with days in front: those of time.ParseDuration
// end at hours.
func parseAge(text string) (time.Duration, bool) {
	const day = 24 * time.Hour
	if text == "" || text[0] < '0' || text[0] > '9' {
		return 0, false // no signs
	}
	var age time.Duration
	if days, rest, ok := strings.Cut(text, "d"); ok {
		n, err := strconv.ParseInt(days, 10, 64)
		if err != nil || n > math.MaxInt64/int64(day) {
			return 0, false
		}
		age, text = time.Duration(n)*day, rest
		if text == "" {
			return age, true
		}
		if text[0] < '0' || text[0] > '9' {
			return 0, false
		}
	}
	rest, err := time.ParseDuration(text)
	if err != nil || rest > math.MaxInt64-age {
		return 0, false
	}
	return age + rest, true
}

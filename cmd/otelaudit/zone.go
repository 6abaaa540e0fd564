package main

import (
	"errors"
	"os"
	"strings"
	"time"
	_ "time/tzdata" // names of zones are known everywhere, in containers and on Windows too
)

// zone is the value of --timezone.
type zone struct {
	loc  *time.Location
	text string
}

func (z *zone) String() string { return z.text }
func (z *zone) Type() string   { return "ZONE" }

func (z *zone) Set(text string) error {
	switch strings.ToLower(text) {
	case "local":
		z.loc = time.Local
	case "utc", "z":
		z.loc = time.UTC
	default:
		loc, err := time.LoadLocation(text)
		if err != nil || text == "" {
			return errors.New("there is no such time zone; want a name such as Europe/Berlin, or UTC, or local")
		}
		z.loc = loc
	}
	z.text = text
	return nil
}

// unknownTZ returns the value of $TZ if it names no zone: Go then takes UTC for the
// local time zone. Windows does not use the variable.
func unknownTZ() (name string, unknown bool) {
	name = os.Getenv("TZ")
	switch strings.TrimPrefix(name, ":") {
	case "", "UTC", "UTC0":
		return "", false
	}
	return name, time.Local.String() == "UTC"
}

// clock says what the times are that people write and read.
type clock struct {
	now  time.Time
	zone zone
}

// shown returns t as it is shown to people.
func (c *clock) shown(t time.Time) time.Time { return t.In(c.zone.loc) }

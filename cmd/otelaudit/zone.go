package main

import (
	"errors"
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

// clock says what the times are that people write and read.
type clock struct {
	now  time.Time
	zone zone
}

// shown returns t as it is shown to people.
func (c *clock) shown(t time.Time) time.Time { return t.In(c.zone.loc) }

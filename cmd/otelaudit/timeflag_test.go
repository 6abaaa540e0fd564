package main

import (
	"testing"
	"time"
)

func TestTimesMeanWhatTheHelpSays(t *testing.T) {
	berlin := loadZone(t, "Europe/Berlin")
	// A Friday; 15:30 in Berlin.
	now := time.Date(2026, 2, 13, 14, 30, 0, 0, time.UTC)
	for _, test := range []struct {
		text string
		zone *time.Location
		want string // empty: an error
	}{
		{"2026-02-13T14:30:00Z", berlin, "2026-02-13T14:30:00Z"},
		{"2026-02-13T14:30:00.5+01:00", time.UTC, "2026-02-13T13:30:00.5Z"},
		{"2026-02-13", time.UTC, "2026-02-13T00:00:00Z"},
		{"2026-02-13", berlin, "2026-02-12T23:00:00Z"},
		{"2026-07-01", berlin, "2026-06-30T22:00:00Z"},
		{"2026-02-13 14:00", time.UTC, "2026-02-13T14:00:00Z"},
		{"2026-02-13 14:00", berlin, "2026-02-13T13:00:00Z"},
		{"2026-02-13 14:00:07", berlin, "2026-02-13T13:00:07Z"},
		{"2026-02-13T14:00", berlin, "2026-02-13T13:00:00Z"},
		{"2026-02-13T14:30:00", berlin, "2026-02-13T13:30:00Z"},
		{"2026-02-13  9:05", time.UTC, "2026-02-13T09:05:00Z"},
		{"9:05", time.UTC, "2026-02-13T09:05:00Z"},
		{"14:00", berlin, "2026-02-13T13:00:00Z"},
		{"now", berlin, "2026-02-13T14:30:00Z"},
		{"today", time.UTC, "2026-02-13T00:00:00Z"},
		{"today", berlin, "2026-02-12T23:00:00Z"},
		{"Yesterday", time.UTC, "2026-02-12T00:00:00Z"},
		{"yesterday 18:00", time.UTC, "2026-02-12T18:00:00Z"},
		{"friday", time.UTC, "2026-02-13T00:00:00Z"}, // today is one
		{"thursday", time.UTC, "2026-02-12T00:00:00Z"},
		{"monday", time.UTC, "2026-02-09T00:00:00Z"},
		{"Mon 9:00", time.UTC, "2026-02-09T09:00:00Z"},
		{"saturday", time.UTC, "2026-02-07T00:00:00Z"},
		{"sunday", berlin, "2026-02-07T23:00:00Z"},
		{"90m", time.UTC, "2026-02-13T13:00:00Z"},
		{"24h", berlin, "2026-02-12T14:30:00Z"},
		{"7d", time.UTC, "2026-02-06T14:30:00Z"},
		{"2w", time.UTC, "2026-01-30T14:30:00Z"},
		{"1w2d3h", time.UTC, "2026-02-04T11:30:00Z"},
		{"1d12h", time.UTC, "2026-02-12T02:30:00Z"},
		{"1h30m", time.UTC, "2026-02-13T13:00:00Z"},
		{"0s", time.UTC, "2026-02-13T14:30:00Z"},

		{"", time.UTC, ""},
		{"d", time.UTC, ""},
		{"7", time.UTC, ""},
		{"-7d", time.UTC, ""},
		{"+7d", time.UTC, ""},
		{"7d-1h", time.UTC, ""},
		{"1d1d", time.UTC, ""},
		{"1d1w", time.UTC, ""},
		{"1.5d", time.UTC, ""},
		{"106751d24h", time.UTC, ""}, // more than a time.Duration holds
		{"15250w7d", time.UTC, ""},
		{"200000d", time.UTC, ""},
		{"2026-02-30", time.UTC, ""},
		{"2026-02-13 25:00", time.UTC, ""},
		{"2026-02-13 ", time.UTC, "2026-02-13T00:00:00Z"},
		{"2026-02-13 noon", time.UTC, ""},
		{"2026-02-13 14:00 UTC", time.UTC, ""},
		{"tomorrow", time.UTC, ""},
		{"last monday", time.UTC, ""},
		{"mond", time.UTC, ""},
		{"24:00", time.UTC, ""},
		{"99999999999999999999999999999", time.UTC, ""},
	} {
		t.Run(test.text, func(t *testing.T) {
			got, err := parseTime(test.text, now.In(test.zone), false)
			if (err != nil) != (test.want == "") {
				t.Fatalf("got %v and the error %v, want one: %v", got, err, test.want == "")
			}
			if err == nil && got.UTC().Format(time.RFC3339Nano) != test.want {
				t.Errorf("in %v: got %v, want %s", test.zone, got.UTC(), test.want)
			}
		})
	}
}

// Where clocks go forward at midnight, a day begins at one o'clock.
func TestADateIsTheBeginningOfItsDay(t *testing.T) {
	now := time.Date(2022, 9, 13, 12, 0, 0, 0, loadZone(t, "America/Santiago"))
	for text, want := range map[string]string{
		"2022-09-11":       "2022-09-11T01:00:00-03:00",
		"sunday":           "2022-09-11T01:00:00-03:00",
		"2022-09-11 00:30": "2022-09-11T01:00:00-03:00",
		"2022-09-11 09:00": "2022-09-11T09:00:00-03:00",
	} {
		got, err := parseTime(text, now, false)
		if err != nil {
			t.Fatal(err)
		}
		if got := got.Format(time.RFC3339); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

// TestARepeatedHourIsWhole asks for the hour that comes twice, where clocks go back,
// in zones on both sides of UTC, and one that turns its clock by half an hour.
func TestARepeatedHourIsWhole(t *testing.T) {
	for _, test := range []struct{ zone, text, first, last string }{
		{"Europe/Berlin", "2026-10-25 02:30", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"},
		{"Europe/Berlin", "2026-10-25 03:00", "2026-10-25T02:00:00Z", "2026-10-25T02:00:00Z"},
		{"America/New_York", "2026-11-01 01:00", "2026-11-01T05:00:00Z", "2026-11-01T06:00:00Z"},
		{"America/New_York", "2026-11-01 02:00", "2026-11-01T07:00:00Z", "2026-11-01T07:00:00Z"},
		{"America/New_York", "2026-03-08 02:30", "2026-03-08T07:00:00Z", "2026-03-08T07:00:00Z"},
		{"Australia/Lord_Howe", "2026-04-05 01:45", "2026-04-04T14:45:00Z", "2026-04-04T15:15:00Z"},
		{"America/Havana", "2026-11-01 00:00", "2026-11-01T04:00:00Z", "2026-11-01T05:00:00Z"},
		{"America/Havana", "2026-11-01", "2026-11-01T04:00:00Z", "2026-11-01T04:00:00Z"},
		{"Pacific/Apia", "2011-12-30 12:00", "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z"},
		{"UTC", "2026-10-25 02:30", "2026-10-25T02:30:00Z", "2026-10-25T02:30:00Z"},
	} {
		now := time.Date(2026, 12, 1, 0, 0, 0, 0, loadZone(t, test.zone))
		for last, want := range map[bool]string{false: test.first, true: test.last} {
			got, err := parseTime(test.text, now, last)
			if err != nil || got.UTC().Format(time.RFC3339) != want {
				t.Errorf("%s in %s, last %v: got %v, %v, want %s", test.text, test.zone, last, got.UTC(), err, want)
			}
		}
	}
}

func loadZone(t *testing.T, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

package main

import (
	"testing"
	"time"
)

func TestHoursCountFromTheStartOfAnHourOfUTC(t *testing.T) {
	india := time.FixedZone("IST", 5*3600+1800)
	now := time.Date(2026, 2, 13, 20, 15, 30, 5, india) // 14:45 UTC
	for hours, want := range map[int64]string{
		1:  "2026-02-13T13:00:00Z",
		24: "2026-02-12T14:00:00Z",
	} {
		if got := hourStart(now, hours).UTC().Format(time.RFC3339Nano); got != want {
			t.Errorf("%d hours before %v: got %s, want %s", hours, now, got, want)
		}
	}
}

package main

import (
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/otelaudit/otelaudit/bridge"
)

func TestTheBarSaysHowFarAReplayIs(t *testing.T) {
	for _, tc := range []struct {
		now     bridge.Progress
		elapsed time.Duration
		width   int
		want    string
	}{
		{bridge.Progress{TotalBytes: 100}, 0, 80, "replaying   0% |                    | 0 B of 100 B, 0 B/s"},
		{bridge.Progress{Bytes: 3 << 20, TotalBytes: 4 << 20}, 2 * time.Second, 80, "replaying  75% |███████████████     | 3.0 MiB of 4.0 MiB, 1.5 MiB/s, 1s left"},
		{bridge.Progress{Bytes: 1536}, time.Second, 80, "replaying 1.5 KiB, 1.5 KiB/s"},
		// The total is an estimate.
		{bridge.Progress{Bytes: 300, TotalBytes: 200}, time.Second, 80, "replaying 100% |████████████████████| 300 B of 200 B, 300 B/s"},
		{bridge.Progress{Bytes: 3 << 20, TotalBytes: 4 << 20}, time.Second, 20, "replaying  75% |███"},
		{bridge.Progress{Bytes: 1, TotalBytes: math.MaxInt64}, time.Hour, 80, "replaying   0% |                    | 1 B of 8.0 EiB, 0 B/s"},
	} {
		if got := progressLine(tc.now, tc.elapsed, tc.width); got != tc.want {
			t.Errorf("%+v: got %q, want %q", tc.now, got, tc.want)
		}
	}
}

// TestTheBarFitsTheTerminal of any width, and is one line.
func TestTheBarFitsTheTerminal(t *testing.T) {
	for width := range 120 {
		for _, total := range []int64{0, 1 << 40} {
			line := progressLine(bridge.Progress{Bytes: 1 << 30, TotalBytes: total}, time.Minute, width)
			if n := utf8.RuneCountInString(line); n > max(0, width-1) || strings.ContainsAny(line, "\r\n") {
				t.Errorf("%d columns: got %q", width, line)
			}
		}
	}
}

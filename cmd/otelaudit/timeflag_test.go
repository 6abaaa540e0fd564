package main

import (
	"testing"
	"time"
)

func TestTimesMeanWhatTheHelpSays(t *testing.T) {
	now := time.Date(2026, 2, 13, 14, 30, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"2026-02-13T14:30:00Z":          "2026-02-13T14:30:00Z",
		"2026-02-13T14:30:00.5+01:00":   "2026-02-13T13:30:00.5Z",
		"2026-02-13":                    "2026-02-13T00:00:00Z",
		"90m":                           "2026-02-13T13:00:00Z",
		"24h":                           "2026-02-12T14:30:00Z",
		"7d":                            "2026-02-06T14:30:00Z",
		"1d12h":                         "2026-02-12T02:30:00Z",
		"1h30m":                         "2026-02-13T13:00:00Z",
		"0s":                            "2026-02-13T14:30:00Z",
		"":                              "",
		"d":                             "",
		"7":                             "",
		"-7d":                           "",
		"+7d":                           "",
		"7d-1h":                         "",
		"1d1d":                          "",
		"1.5d":                          "",
		"106751d24h":                    "", // more than a time.Duration holds
		"200000d":                       "",
		"2026-02-30":                    "",
		"2026-02-13T14:30:00":           "", // no zone
		"99999999999999999999999999999": "",
	} {
		t.Run(text, func(t *testing.T) {
			got, err := parseTime(text, now)
			if (err != nil) != (want == "") {
				t.Fatalf("got error %v, want one: %v", err, want == "")
			}
			if err == nil && got.UTC().Format(time.RFC3339Nano) != want {
				t.Errorf("got %v, want %s", got, want)
			}
		})
	}
}

package jsonline

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestTimesAreThoseOfTheStandardLibrary goes through every day that RFC 3339
// can say.
func TestTimesAreThoseOfTheStandardLibrary(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for day := time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC); day.Year() <= 9999; day = day.AddDate(0, 0, 1) {
		want := day.Add(time.Duration(random.Int64N(int64(24 * time.Hour))))
		text := want.AppendFormat(nil, time.RFC3339Nano)
		if got, ok := parseTime(text); !ok || !got.Equal(want) || got.Location() != time.UTC {
			t.Fatalf("parseTime(%s) = %v, %v", text, got, ok)
		}
	}
	for year := range 10_000 {
		for month := time.January; month <= time.December; month++ {
			behind := time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day() + 1
			text := time.Date(year, month, 1, 0, 0, 0, 0, time.UTC).AppendFormat(nil, time.RFC3339)
			text[8], text[9] = byte('0'+behind/10), byte('0'+behind%10)
			if got, ok := parseTime(text); ok {
				t.Fatalf("parseTime(%s) = %v, want false", text, got)
			}
		}
	}
}

func BenchmarkParseTime(b *testing.B) {
	text := []byte("2026-02-13T14:30:22.123Z")
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := parseTime(text); !ok {
			b.Fatal("no time")
		}
	}
}

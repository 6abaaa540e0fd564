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

// TestTimesOfOtherWritersAreRead has the forms of FORMAT.md section 7, and what is
// so near to one that it could be taken for a time.
func TestTimesOfOtherWritersAreRead(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 2, 13, 12, 0, 0, 0, time.UTC)
	exact := noon.Add(123456789)
	micros := noon.Add(123456 * time.Microsecond)
	millis := noon.Add(123 * time.Millisecond)
	for _, test := range []struct {
		lit  string
		want time.Time // zero: it is no time
	}{
		{`"2026-02-13T12:00:00.123456"`, micros},
		{`"2026-02-13 12:00:00.123456"`, micros},
		{`"2026-02-13 12:00:00"`, noon},
		{`"2026-02-13T13:00:00+0100"`, noon},
		{`"2026-02-13T13:00:00+01"`, noon},
		{`"2026-02-13 17:30:00 +0530"`, noon},
		{`"2026-02-13 17:30:00 +05:30"`, noon},
		{`"2026-02-13 12:00:00 UTC"`, noon},
		{`"2026-02-13T12:00:00UTC"`, noon},
		{`"2026-02-13T12:00:00 Z"`, noon},
		{`"2026-02-13T12:00Z"`, noon},
		{`"2026-02-13T12:00"`, noon},
		{`"2026-02-13T12:00:00,123456789Z"`, exact},
		{`"2026-02-13T12:00\u003a00Z"`, noon},
		{`1770984000`, noon},
		{`1770984000.123456789`, exact},
		{`1770984000123`, millis},
		{`1770984000123.456`, micros},
		{`1770984000123456`, micros},
		{`1770984000123456789`, exact},
		{`1770984000123456789.99`, exact},
		{`1.770984e9`, noon},
		{`1.770984E+12`, noon},
		{`"1770984000"`, noon},
		{`"1770984000.123456"`, micros},
		{`"1770984000123"`, millis},
		{`"1770984000123456789"`, exact},
		{`"2026-02-13 12:00:00,123"`, millis},
		{`"2026-02-13 17:30:00,123 +0530"`, millis},
		{`631152000`, time.Unix(631152000, 0)},
		{`9999999999`, time.Unix(9999999999, 0)},
		{`631152000000`, time.Unix(631152000, 0)},
		{`9999999999999`, time.UnixMilli(9999999999999)},

		{lit: `0`}, {lit: `-1770984000`}, {lit: `99999999`}, {lit: `20260213`}, {lit: `20260213120000`},
		{lit: `631151999`}, {lit: `631151999999`}, {lit: `391231235959`}, {lit: `"202602131200"`}, {lit: `202602131200`}, {lit: `260213120000`}, {lit: `260213120000123`},
		{lit: `"260213120000123456"`}, {lit: `"1770984000,123"`}, {lit: `"2026-02-13 12:00:00,"`},
		{lit: `10000000000`}, {lit: `20260213120000000`}, {lit: `17709840001234567890`}, {lit: `1e999999999`},
		{lit: `1e-999999999`}, {lit: `-1.770984e9`}, {lit: `"1770984000."`}, {lit: `"1770984000.x"`}, {lit: `"17709x4000"`},
		{lit: `"+1770984000"`}, {lit: `" 1770984000"`}, {lit: `"01770984000"`}, {lit: `"1.770984e9"`}, {lit: `"1770984000.1.2"`},
		{lit: `"2026-02-13"`}, {lit: `"2026-02-13T12"`}, {lit: `"2026-02-13T12:00:"`}, {lit: `"2026-02-13T12:00:00."`},
		{lit: `"2026-02-13T12:00:00 "`}, {lit: `"2026-02-13T12:00:00  Z"`}, {lit: `"2026-02-13T12:00:00+"`},
		{lit: `"2026-02-13T12:00:00+1"`}, {lit: `"2026-02-13T12:00:00+2400"`}, {lit: `"2026-02-13T12:00:00+00:60"`},
		{lit: `"2026-02-13T12:00:00+01:0"`}, {lit: `"2026-02-13T12:00:00CET"`}, {lit: `"2026-02-13T12:00.5Z"`},
		{lit: `"2026-02-30T12:00:00"`}, {lit: `"2026-13-13T12:00:00"`}, {lit: `"2026-02-13T24:00:00"`},
		{lit: `"13 Feb 2026"`}, {lit: `""`}, {lit: `null`}, {lit: `true`}, {lit: `[1770984000]`}, {lit: `{}`}, {lit: ``},
	} {
		got, ok := ParseTime([]byte(test.lit))
		if ok == test.want.IsZero() || !got.Equal(test.want) || ok && got.Location() != time.UTC {
			t.Errorf("ParseTime(%s) = %v, %v, want %v", test.lit, got, ok, test.want)
		}
	}
}

// FuzzParseTime wants a time that a line can say, and the same time of the line
// that says it.
func FuzzParseTime(f *testing.F) {
	for _, lit := range []string{`"2026-02-13T12:00:00+0100"`, `1770984000.5`, `1.7e9`, `"1770984000123"`, `"2026-02-13 12:00"`, `"0000-01-01T00:00:00+23:59"`} {
		f.Add([]byte(lit))
	}
	f.Fuzz(func(t *testing.T, lit []byte) {
		if EachElement(append(append([]byte{'['}, lit...), ']'), func([]byte) bool { return true }) != nil {
			return
		}
		at, ok := ParseTime(lit)
		if !ok || at.Year() < 0 || at.Year() > 9999 {
			return
		}
		again, ok := ParseTime(AppendTime(nil, at))
		if !ok || !again.Equal(at.Truncate(time.Millisecond)) {
			t.Errorf("%s is %v, and written %v, %v", lit, at, again, ok)
		}
	})
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

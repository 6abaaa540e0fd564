package jsonline_test

import (
	"bytes"
	"encoding/hex"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// spelledByStrconv is FORMAT.md section 3 for a float64 that is finite.
func spelledByStrconv(f float64) string {
	text := strconv.FormatFloat(f, 'g', -1, 64)
	if !strings.ContainsAny(text, ".e") {
		text += ".0"
	}
	return text
}

// TestFloatsAreThoseOfStrconv tries numbers of few decimals, their neighbours,
// and any others.
func TestFloatsAreThoseOfStrconv(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	check := func(f float64) {
		if got, want := string(jsonline.AppendFloat(nil, f)), spelledByStrconv(f); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
	for range 50_000 {
		f := float64(random.Int64N(int64(math.Pow10(1+random.IntN(17))))) / math.Pow10(random.IntN(12))
		for _, f := range []float64{f, -f, math.Nextafter(f, 0), math.Nextafter(f, math.Inf(1))} {
			check(f)
		}
		if f := math.Float64frombits(random.Uint64()); !math.IsNaN(f) && !math.IsInf(f, 0) {
			check(f)
		}
	}
	for _, f := range []float64{0, math.Copysign(0, -1), 1e-4, 1e6, 0.99999e-4, 999999.9999999, 0.29, 0.1 + 0.2, 1e21, math.MaxFloat64, 5e-324} {
		check(f)
		check(math.Nextafter(f, 1))
	}
}

func TestIntsAreThoseOfStrconv(t *testing.T) {
	for exponent := range 16 {
		power := int64(math.Pow10(exponent))
		for n := power - 1100; n < power+1100; n++ {
			if got, want := string(jsonline.AppendInt(nil, n)), strconv.FormatInt(n, 10); got != want {
				t.Fatalf("got %s, want %s", got, want)
			}
		}
	}
}

func TestHexDigitsAreThoseOfTheStandardLibrary(t *testing.T) {
	all := make([]byte, 256+3)
	for i := range all {
		all[i] = byte(i)
	}
	for n := range 20 {
		for start := 0; start+n < len(all); start++ {
			b := all[start : start+n]
			if got, want := string(jsonline.AppendHex([]byte("x"), b)), "x"+hex.EncodeToString(b); got != want {
				t.Fatalf("got %s, want %s", got, want)
			}
		}
	}
}

// TestAClockSaysWhatATimeDoesWithoutOne goes through times of which some have
// the second of the one before, and some no clock knows.
func TestAClockSaysWhatATimeDoesWithoutOne(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var clock jsonline.Clock
	second := int64(0)
	for range 30_000 {
		switch random.IntN(4) {
		case 0:
			second = random.Int64N(20_000_000_000) - 5_000_000_000
		case 1:
			second += random.Int64N(3) - 1
		case 2:
			second = []int64{0, -1, 999_999_999, 1_000_000_000, 9_999_999_999, 10_000_000_000, math.MaxInt32}[random.IntN(7)]
		}
		at := time.Unix(second, random.Int64N(1e9)).In(time.FixedZone("", random.IntN(7200)-3600))
		if got, want := clock.AppendTime(nil, at), jsonline.AppendTime(nil, at); !bytes.Equal(got, want) {
			t.Fatalf("got %s, want %s", got, want)
		}
		if got, want := clock.AppendUnixNano(nil, at), jsonline.AppendUnixNano(nil, at); !bytes.Equal(got, want) {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
}

// TestAByteIsEscapedWhereverItStands puts each byte at each place of strings of
// all short lengths, and two of them into one.
func TestAByteIsEscapedWhereverItStands(t *testing.T) {
	for length := 1; length < 27; length++ {
		for place := range length {
			for c := range 256 {
				text := bytes.Repeat([]byte{'~'}, length)
				text[place] = byte(c)
				check(t, string(text))
				text[(place*7+3)%length] = '"'
				check(t, string(text))
			}
		}
	}
}

func check(t *testing.T, s string) {
	t.Helper()
	plain := true
	want := []byte{'"'}
	for _, c := range []byte(s) {
		if c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			plain = false
		}
		if c < 0x80 {
			// Of one byte that stands alone AppendString is the oracle.
			one := jsonline.AppendString(nil, string(rune(c)))
			want = append(want, one[1:len(one)-1]...)
		} else {
			want = append(want, "\uFFFD"...)
		}
	}
	if want = append(want, '"'); !bytes.Equal(jsonline.AppendString(nil, s), want) {
		t.Fatalf("got %s, want %s", jsonline.AppendString(nil, s), want)
	}
	if got := jsonline.IsPlain(s); got != plain {
		t.Fatalf("IsPlain(%q) is %v", s, got)
	}
}

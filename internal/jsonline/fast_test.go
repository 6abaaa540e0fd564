package jsonline_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

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

// longest is longer than any string that is taken eight bytes at a time, and than
// the two of them that follow each other behind that.
const longest = 64 + 2*8 + 1

// spelled is FORMAT.md section 3 for a string, rune by rune.
func spelled(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, `\n`...)
		case r == '\r':
			dst = append(dst, `\r`...)
		case r == '\t':
			dst = append(dst, `\t`...)
		case unicode.Is(escaped, r):
			dst = fmt.Appendf(dst, `\u%04x`, r)
		default:
			dst = utf8.AppendRune(dst, r) // of an invalid byte it is U+FFFD
		}
		i += size
	}
	return append(dst, '"')
}

// escaped are the characters that FORMAT.md lists.
var escaped = &unicode.RangeTable{R16: []unicode.Range16{
	{Lo: 0x0000, Hi: 0x001f, Stride: 1},
	{Lo: 0x007f, Hi: 0x009f, Stride: 1},
	{Lo: 0x061c, Hi: 0x061c, Stride: 1},
	{Lo: 0x200e, Hi: 0x200f, Stride: 1},
	{Lo: 0x2028, Hi: 0x202e, Stride: 1},
	{Lo: 0x2066, Hi: 0x2069, Stride: 1},
	{Lo: 0xfeff, Hi: 0xfeff, Stride: 1},
}}

// spelling holds AppendString to the spelling of FORMAT.md, in memory that was used
// before and behind what is there.
type spelling struct{ got, want, plain []byte }

func (c *spelling) check(t *testing.T, s string) {
	t.Helper()
	c.got = jsonline.AppendString(append(c.got[:0], "[1,"...), s)
	c.want = spelled(append(c.want[:0], "[1,"...), s)
	if !bytes.Equal(c.got, c.want) {
		t.Fatalf("AppendString(%q) is %s, want %s", s, c.got, c.want)
	}
	c.plain = append(append(append(c.plain[:0], `[1,"`...), s...), '"')
	if got, want := jsonline.IsPlain(s), bytes.Equal(c.plain, c.want) && isASCII(s); got != want {
		t.Fatalf("IsPlain(%q) is %v", s, got)
	}
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// TestAByteIsEscapedWhereverItStands puts each byte at each place of strings of
// all lengths.
func TestAByteIsEscapedWhereverItStands(t *testing.T) {
	var c spelling
	c.check(t, "")
	text := bytes.Repeat([]byte{'~'}, longest)
	for length := 1; length <= longest; length++ {
		for place := range length {
			for b := range 256 {
				text[place] = byte(b)
				c.check(t, string(text[:length]))
			}
			text[place] = '~'
		}
	}
}

// TestCharactersAreSpelledWhereverTheyStand puts two of them, some of which are cut
// off, at each two places of strings of all lengths.
func TestCharactersAreSpelledWhereverTheyStand(t *testing.T) {
	special := []string{
		"\x00", "\x1f", "\"", "\\", "\n", "\x7f", "\xff", "\x80", "!", "#", " ",
		"\u0085", "\u00a0", "é", "\u061c", "\u2027", "\u2028", "\u202e", "\u2069", "\u206a", "\ufeff", "\ufffd", "😀",
		"\xc3", "\xe2\x80", "\xf0\x9f\x98", // cut off
		"\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", // too long, a surrogate, too large
	}
	var c spelling
	text := make([]byte, 0, longest+8)
	turn := 0
	for length := range longest {
		for first := range length + 1 {
			for second := first; second <= length; second++ {
				// Each pair of them has its turn somewhere.
				one, other := special[turn%len(special)], special[turn/len(special)%len(special)]
				turn++
				text = append(text[:0], strings.Repeat("~", first)...)
				text = append(text, one...)
				text = append(text, strings.Repeat("}", second-first)...)
				text = append(text, other...)
				text = append(text, strings.Repeat("~", length-second)...)
				c.check(t, string(text))
			}
		}
	}
	for _, one := range special {
		for length := range longest {
			for place := range length + 1 {
				c.check(t, strings.Repeat("x", place)+one+strings.Repeat("x", length-place))
			}
		}
	}
}

package jsonline

import (
	"math/big"
	"strconv"
	"time"
)

// AppendTime appends t as a line's ts: a JSON string with RFC 3339 in UTC,
// exactly three decimals (truncated towards the past, not rounded) and Z.
// Years are clamped to 0000–9999, the range that RFC 3339 can say.
func AppendTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	switch year := t.Year(); {
	case year < 0:
		t = time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)
	case year > 9999:
		t = time.Date(9999, 12, 31, 23, 59, 59, 999_000_000, time.UTC)
	}
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	ms := t.Nanosecond() / 1e6
	return append(dst, '"',
		digit(year/1000), digit(year/100), digit(year/10), digit(year), '-',
		digit(int(month)/10), digit(int(month)), '-', digit(day/10), digit(day), 'T',
		digit(hour/10), digit(hour), ':', digit(minute/10), digit(minute), ':',
		digit(second/10), digit(second), '.', digit(ms/100), digit(ms/10), digit(ms), 'Z', '"')
}

// Clock appends times, most of which have the second of the one before: of each
// record of a batch, for example. It is not safe for concurrent use.
type Clock struct {
	known  bool
	second int64                                // since 1970
	text   [len("2006-01-02T15:04:05") + 1]byte // with a quote before it
	unix   [10]byte                             // the digits of second
}

// Seconds of ten digits, whose years have four.
const (
	firstTenDigits = 1_000_000_000
	lastTenDigits  = 9_999_999_999
)

// show makes c know the second of t. It reports false for one before 2001 or
// behind 2286.
func (c *Clock) show(second int64) bool {
	if c.known && c.second == second {
		return true
	}
	if second < firstTenDigits || second > lastTenDigits {
		return false
	}
	var text [40]byte
	copy(c.text[:], AppendTime(text[:0], time.Unix(second, 0)))
	strconv.AppendInt(c.unix[:0], second, 10)
	c.known, c.second = true, second
	return true
}

// AppendTime appends what [AppendTime] does.
func (c *Clock) AppendTime(dst []byte, t time.Time) []byte {
	if !c.show(t.Unix()) {
		return AppendTime(dst, t)
	}
	ms := t.Nanosecond() / 1e6
	dst = append(dst, c.text[:]...)
	return append(dst, '.', digit(ms/100), digit(ms/10), digit(ms), 'Z', '"')
}

// AppendUnixNano appends what [AppendUnixNano] does.
func (c *Clock) AppendUnixNano(dst []byte, t time.Time) []byte {
	if !c.show(t.Unix()) {
		return AppendUnixNano(dst, t)
	}
	start := len(dst)
	dst = extend(dst, len(c.unix)+11)
	text := dst[start:]
	text[0] = '"'
	copy(text[1:], c.unix[:])
	putDigits(text[1+len(c.unix):len(text)-1], uint32(t.Nanosecond())) //nolint:gosec // below 1e9
	text[len(text)-1] = '"'
	return dst
}

func digit(n int) byte { return byte('0' + n%10) } //nolint:gosec // n%10 is one digit

// safeSeconds bounds the Unix seconds whose nanoseconds fit an int64.
const safeSeconds = 9_000_000_000

// AppendUnixNano appends, as a JSON string, the exact decimal nanoseconds
// between 1970 and t: negative or of any size, never wrapped around.
func AppendUnixNano(dst []byte, t time.Time) []byte {
	dst = append(dst, '"')
	if s := t.Unix(); s > -safeSeconds && s < safeSeconds {
		dst = strconv.AppendInt(dst, t.UnixNano(), 10)
	} else {
		n := new(big.Int).Mul(big.NewInt(s), big.NewInt(1e9))
		dst = n.Add(n, big.NewInt(int64(t.Nanosecond()))).Append(dst, 10)
	}
	return append(dst, '"')
}

// ParseUnixNano reads what AppendUnixNano writes, without the quotes. The time
// is in UTC. It reports false for anything that is not a canonical decimal
// integer, or that time.Time cannot hold.
func ParseUnixNano(s string) (time.Time, bool) {
	digits := s
	if digits != "" && digits[0] == '-' {
		digits = digits[1:]
	}
	if digits == "" || len(digits) > 32 || digits[0] == '0' && s != "0" {
		return time.Time{}, false
	}
	for _, c := range []byte(digits) {
		if c < '0' || c > '9' {
			return time.Time{}, false
		}
	}
	if len(digits) <= 19 {
		// The times of this century are among them, and few others are too long.
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return time.Unix(0, n).UTC(), true
		}
	}
	n, ok := new(big.Int).SetString(s, 10)
	if !ok {
		return time.Time{}, false
	}
	// DivMod is Euclidean: the remainder is never negative.
	seconds, nanos := new(big.Int).DivMod(n, big.NewInt(1e9), new(big.Int))
	if !seconds.IsInt64() {
		return time.Time{}, false
	}
	t := time.Unix(seconds.Int64(), nanos.Int64()).UTC()
	// time.Time counts seconds from the year 1 in an int64, so the far ends
	// of Unix seconds wrap around in it.
	if t.Unix() != seconds.Int64() {
		return time.Time{}, false
	}
	return t, true
}

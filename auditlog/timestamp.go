package auditlog

import (
	"time"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// parseTimeLiteral reads the raw value of ts; nil is none.
func parseTimeLiteral(lit []byte) (time.Time, bool) {
	if jsonline.KindOf(lit) != jsonline.String {
		return time.Time{}, false
	}
	text := lit[1 : len(lit)-1]
	if t, ok := parseTime(text); ok {
		return t, true
	}
	for _, c := range text {
		if c == '\\' {
			return parseTime(jsonline.AppendUnquoted(nil, lit))
		}
	}
	return time.Time{}, false
}

// parseTime reads an RFC 3339 time of any zone, with any number of decimals
// (those after the ninth are cut off), letters of either case, and a space for
// the T, as its section 5.6 allows. It returns the instant in UTC. It is
// time.Parse for the hot path of reading.
func parseTime(s []byte) (time.Time, bool) {
	const short = "2006-01-02T15:04:05"
	if len(s) <= len(short) || s[4] != '-' || s[7] != '-' || s[13] != ':' || s[16] != ':' ||
		s[10] != 'T' && s[10] != 't' && s[10] != ' ' {
		return time.Time{}, false
	}
	year, ok0 := number(s[0:4])
	month, ok1 := number(s[5:7])
	day, ok2 := number(s[8:10])
	hour, ok3 := number(s[11:13])
	minute, ok4 := number(s[14:16])
	second, ok5 := number(s[17:19])
	if !ok0 || !ok1 || !ok2 || !ok3 || !ok4 || !ok5 || month < 1 || month > 12 || day < 1 || day > 31 ||
		hour > 23 || minute > 59 || second > 60 { // 60 is a leap second
		return time.Time{}, false
	}
	nanos, rest, ok := decimals(s[len(short):])
	if !ok {
		return time.Time{}, false
	}
	offset, ok := zone(rest)
	if !ok {
		return time.Time{}, false
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, nanos, time.UTC)
	if day > 28 && t.Add(-time.Duration(hour)*time.Hour-time.Duration(minute)*time.Minute-time.Duration(second)*time.Second).Day() != day {
		return time.Time{}, false // 30 February
	}
	return t.Add(-offset), true
}

func number(digits []byte) (n int, ok bool) {
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

// decimals reads the fraction of a second, if there is one.
func decimals(s []byte) (nanos int, rest []byte, ok bool) {
	if len(s) == 0 || s[0] != '.' && s[0] != ',' {
		return 0, s, true
	}
	i := 1
	unit := int(time.Second) / 10
	for ; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
		nanos += int(s[i]-'0') * unit
		unit /= 10
	}
	return nanos, s[i:], i > 1
}

func zone(s []byte) (offset time.Duration, ok bool) {
	if len(s) == 1 && (s[0] == 'Z' || s[0] == 'z') {
		return 0, true
	}
	if len(s) != len("+00:00") || s[3] != ':' || s[0] != '+' && s[0] != '-' {
		return 0, false
	}
	hours, ok0 := number(s[1:3])
	minutes, ok1 := number(s[4:6])
	if !ok0 || !ok1 || hours > 23 || minutes > 59 {
		return 0, false
	}
	offset = time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if s[0] == '-' {
		offset = -offset
	}
	return offset, true
}

package jsonline

import (
	"bytes"
	"slices"
	"strconv"
	"time"
)

// ParseTime reads a raw value that is a time, the ts of a line; nil is none.
// FORMAT.md section 7 lists the forms that it reads.
func ParseTime(lit []byte) (time.Time, bool) {
	switch KindOf(lit) {
	case String:
	case NumberValue:
		return parseEpochNumber(lit)
	default:
		return time.Time{}, false
	}
	text := lit[1 : len(lit)-1]
	if t, ok := parseTime(text); ok {
		return t, true
	}
	if slices.Contains(text, '\\') {
		text = AppendUnquoted(nil, lit)
		if t, ok := parseTime(text); ok {
			return t, true
		}
	}
	return parseEpoch(text)
}

// TimeChecker reports which values [ParseTime] reads. Most lines of a log have the
// minute of the one before, which takes a comparison. It is not safe for concurrent use.
type TimeChecker struct {
	minute [len(`"2026-02-13T14:30:`)]byte // of the last time that was like a line's
	known  bool
}

// IsTime reports whether ParseTime reads lit.
func (c *TimeChecker) IsTime(lit []byte) bool {
	const length, minute = len(`"2026-02-13T14:30:22.123Z"`), len(c.minute)
	usual := len(lit) == length && lit[length-2] == 'Z' && lit[minute+2] == '.'
	if usual && c.known && string(lit[:minute]) == string(c.minute[:]) {
		seconds := pair(lit[minute], lit[minute+1])
		if seconds >= 0 && seconds < 60 && pair(lit[minute+3], lit[minute+4]) >= 0 && pair(lit[minute+4], lit[minute+5]) >= 0 {
			return true
		}
	}
	_, ok := ParseTime(lit)
	if ok && usual && lit[minute-1] == ':' && bytes.IndexByte(lit, '\\') < 0 {
		c.minute, c.known = [len(c.minute)]byte(lit), true
	}
	return ok
}

// parseEpochNumber reads a JSON number, whose exponent parseEpoch does not read.
func parseEpochNumber(lit []byte) (time.Time, bool) {
	if !bytes.ContainsAny(lit, "eE") {
		return parseEpoch(lit)
	}
	f, err := strconv.ParseFloat(string(lit), 64)
	const tooLarge = 1e19 // 20 digits
	if err != nil || !(f > 0 && f < tooLarge) {
		return time.Time{}, false
	}
	return parseEpoch(strconv.AppendFloat(nil, f, 'f', -1, 64))
}

// parseEpoch reads the digits of a time since 1970, with or without a fraction.
// The number of digits before the point tells the unit: 9 or 10 are seconds, 12
// or 13 milliseconds, 15 or 16 microseconds, 18 or 19 nanoseconds. All of these are
// times from 1990 to 2286-11-20. Any other number is no time: what would be one of
// the years before may be a date without separators, 202602131430 or 260213143022.
func parseEpoch(s []byte) (time.Time, bool) {
	whole, fraction, pointed := bytes.Cut(s, []byte{'.'})
	const fewest, most, group = 9, 19, 3
	if len(whole) < fewest || len(whole) > most || len(whole)%group == group-1 || whole[0] == '0' || pointed && len(fraction) == 0 {
		return time.Time{}, false
	}
	scale := (len(whole) - fewest) / group * group // 0 for seconds, 3 for milliseconds …
	const earliest = 631_152_000                   // 1990-01-01
	seconds, ok := number(whole[:len(whole)-scale])
	if !ok || seconds < earliest {
		return time.Time{}, false
	}
	nanos, unit := 0, int(time.Second)
	for _, digits := range [2][]byte{whole[len(whole)-scale:], fraction} {
		for _, c := range digits {
			if c < '0' || c > '9' {
				return time.Time{}, false
			}
			unit /= 10
			nanos += int(c-'0') * unit
		}
	}
	return time.Unix(int64(seconds), int64(nanos)).UTC(), true
}

// parseTime reads a date and a time of day: RFC 3339 with any number of decimals
// (those after the ninth are cut off), letters of either case and a space for the
// T, as its section 5.6 allows. It also reads what other writers make of it: no
// seconds, and any zone that zone reads. It returns the instant in UTC. It is
// time.Parse for the hot path of reading.
func parseTime(s []byte) (time.Time, bool) {
	const short, shortest = "2006-01-02T15:04:05", "2006-01-02T15:04"
	if len(s) < len(shortest) || s[4] != '-' || s[7] != '-' || s[13] != ':' ||
		s[10] != 'T' && s[10] != 't' && s[10] != ' ' {
		return time.Time{}, false
	}
	year := 100*pair(s[0], s[1]) + pair(s[2], s[3])
	month, day, hour, minute := pair(s[5], s[6]), pair(s[8], s[9]), pair(s[11], s[12]), pair(s[14], s[15])
	second, nanos, rest := 0, 0, s[len(shortest):]
	if len(s) >= len(short) && s[16] == ':' {
		second = pair(s[17], s[18])
		var ok bool
		if nanos, rest, ok = decimals(s[len(short):]); !ok {
			return time.Time{}, false
		}
	}
	if year < 0 || month < 1 || month > 12 || day < 1 || day > 31 || hour < 0 || hour > 23 ||
		minute < 0 || minute > 59 || second < 0 || second > 60 { // 60 is a leap second
		return time.Time{}, false
	}
	offset, ok := zone(rest)
	if !ok {
		return time.Time{}, false
	}
	if day > 28 && day > daysIn(year, month) {
		return time.Time{}, false // 30 February
	}
	seconds := unixDay(year, month, day)*86400 + int64(hour*3600+minute*60+second-offset)
	return time.Unix(seconds, int64(nanos)).UTC(), true
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// unixDay counts the days from 1970 to a day of the Gregorian calendar. Years
// are counted from March on, so that a leap day is the last of its year, and
// months then follow a line; see https://howardhinnant.github.io/date_algorithms.html.
func unixDay(year, month, day int) int64 {
	const unixEpoch = 719468 // of the days since 1 March of the year 0
	if month <= 2 {
		year--
		month += 12
	}
	era := year / 400
	if year < 0 {
		era = -1
	}
	yearOfEra := year - era*400
	dayOfYear := (153*(month-3)+2)/5 + day - 1
	return int64(era*146097 + yearOfEra*365 + yearOfEra/4 - yearOfEra/100 + dayOfYear - unixEpoch)
}

// pair returns the number of two digits, and a negative one, also beside another
// pair, if they are none.
func pair(tens, ones byte) int {
	tens -= '0'
	ones -= '0'
	if tens > 9 || ones > 9 {
		return -100_000
	}
	return 10*int(tens) + int(ones)
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

// zone returns the seconds east of UTC of Z, UTC, +01:00, +0100 and +01, each with
// or without a space before it. No zone is UTC: Python's utcnow and SQL's timestamps
// have none.
func zone(s []byte) (offset int, ok bool) {
	if len(s) == 0 || len(s) == 1 && (s[0] == 'Z' || s[0] == 'z') {
		return 0, true
	}
	if s[0] == ' ' {
		s = s[1:]
	}
	if string(s) == "Z" || string(s) == "z" || string(s) == "UTC" {
		return 0, true
	}
	if len(s) < len("+00") || s[0] != '+' && s[0] != '-' {
		return 0, false
	}
	hours, minutes := pair(s[1], s[2]), 0
	switch {
	case len(s) == len("+00"):
	case len(s) == len("+0000"):
		minutes = pair(s[3], s[4])
	case len(s) == len("+00:00") && s[3] == ':':
		minutes = pair(s[4], s[5])
	default:
		return 0, false
	}
	if hours < 0 || hours > 23 || minutes < 0 || minutes > 59 {
		return 0, false
	}
	offset = hours*3600 + minutes*60
	if s[0] == '-' {
		offset = -offset
	}
	return offset, true
}

package jsonline

import (
	"slices"
	"time"
)

// ParseTime reads a raw value that is a time, the ts of a line; nil is none.
func ParseTime(lit []byte) (time.Time, bool) {
	if KindOf(lit) != String {
		return time.Time{}, false
	}
	text := lit[1 : len(lit)-1]
	if t, ok := parseTime(text); ok {
		return t, true
	}
	if slices.Contains(text, '\\') {
		return parseTime(AppendUnquoted(nil, lit))
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

// zone returns the seconds east of UTC.
func zone(s []byte) (offset int, ok bool) {
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
	offset = hours*3600 + minutes*60
	if s[0] == '-' {
		offset = -offset
	}
	return offset, true
}

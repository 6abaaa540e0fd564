package main

import (
	"math"
	"strconv"
	"strings"
)

func decimals(f float64, n int) string { return strconv.FormatFloat(f, 'f', n, 64) }

// amount returns US dollars as tables show them. What would be too wide, or 0
// although it is not, has an exponent.
func amount(usd float64, digits int) string {
	const tooWide = 1e12
	text := decimals(usd, digits)
	if math.Abs(usd) >= tooWide || usd != 0 && strings.Trim(text, "-0.") == "" {
		return strconv.FormatFloat(usd, 'e', 3, 64)
	}
	return thousands(text)
}

// count returns a whole number as tables show it.
func count(n int64) string { return thousands(strconv.FormatInt(n, 10)) }

// thousands puts commas into a decimal number.
func thousands(number string) string {
	sign, digits := "", number
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	whole, fraction, hasFraction := strings.Cut(digits, ".")
	var b strings.Builder
	b.WriteString(sign)
	for i, digit := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(digit)
	}
	if hasFraction {
		b.WriteString("." + fraction)
	}
	return b.String()
}

// shortCount is count for narrow tables: four digits at most, and k for
// thousands, M for millions, and so on.
func shortCount(n int64) string {
	const exact = 10_000
	if n > -exact && n < exact {
		return count(n)
	}
	value, units := float64(n), "kMGTPE"
	for i, unit := range units {
		value /= 1000
		digits := 1
		if math.Abs(value) >= 99.95 {
			digits = 0
		}
		// 999.6 is 1.0 of the next unit.
		if math.Abs(value) < 999.5 || i == len(units)-1 {
			return decimals(value, digits) + string(unit)
		}
	}
	return count(n)
}

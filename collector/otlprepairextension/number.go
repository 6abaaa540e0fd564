package otlprepairextension

import (
	"math"
	"strconv"
	"strings"
)

// decimal is a number in decimal notation, without the zeros that say nothing:
// 0.digits × 10^exponent. Zero has no digits.
type decimal struct {
	negative bool
	digits   string
	exponent int
}

// parseDecimal takes what JSON takes as a number. It reports false for anything
// else, and for exponents that no number of OTLP has.
func parseDecimal(text string) (d decimal, ok bool) {
	text, d.negative = strings.CutPrefix(text, "-")
	mantissa, exponent, hasExponent := strings.Cut(strings.ToLower(text), "e")
	if hasExponent {
		n, err := strconv.Atoi(exponent)
		if err != nil || n < -10000 || n > 10000 {
			return d, false
		}
		d.exponent = n
	}
	whole, fraction, hasPoint := strings.Cut(mantissa, ".")
	if whole == "" || hasPoint && fraction == "" || strings.Trim(whole+fraction, "0123456789") != "" {
		return d, false
	}
	d.exponent += len(whole)
	d.digits = whole + fraction
	leading := len(d.digits) - len(strings.TrimLeft(d.digits, "0"))
	d.exponent -= leading
	d.digits = strings.TrimRight(d.digits[leading:], "0")
	if d.digits == "" {
		d.exponent = 0
	}
	return d, true
}

// integer returns d without point and exponent, if it is a whole number of at
// most 20 digits, as many as 64 bits hold.
func (d decimal) integer() (string, bool) {
	switch {
	case d.digits == "":
		return "0", !d.negative // -0 is a number of a double only
	case d.exponent < len(d.digits) || d.exponent > 20:
		return "", false
	}
	text := d.digits + strings.Repeat("0", d.exponent-len(d.digits))
	if d.negative {
		text = "-" + text
	}
	return text, true
}

// double returns the float64 that has just the digits of d.
func (d decimal) double(text string) (string, bool) {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(f, 0) {
		return "", false
	}
	short := strconv.FormatFloat(f, 'g', -1, 64)
	same, ok := parseDecimal(short)
	return short, ok && same == d
}

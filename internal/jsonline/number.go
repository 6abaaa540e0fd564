package jsonline

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"
)

// AppendInt appends n as FORMAT.md section 3 spells an int64: a JSON integer,
// or {"intValue":"…"} when |n| is 2^53 or more.
func AppendInt(dst []byte, n int64) []byte {
	if n >= 0 && n < 1e6 {
		return appendSmall(dst, uint32(n))
	}
	if n > -MaxExactInt && n < MaxExactInt {
		return strconv.AppendInt(dst, n, 10)
	}
	dst = append(dst, `{"intValue":"`...)
	dst = strconv.AppendInt(dst, n, 10)
	return append(dst, `"}`...)
}

// appendSmall appends a number below a million, as most counts and durations are.
func appendSmall(dst []byte, n uint32) []byte {
	switch {
	case n < 10:
		return append(dst, byte('0'+n))
	case n < 100:
		return append(dst, pairs[n][0], pairs[n][1])
	case n < 1000:
		low := n % 100
		return append(dst, byte('0'+n/100), pairs[low][0], pairs[low][1])
	case n < 10000:
		high, low := n/100, n%100
		return append(dst, pairs[high][0], pairs[high][1], pairs[low][0], pairs[low][1])
	default:
		high, low := n/10000, n%10000
		dst = appendSmall(dst, high) // below 100
		return append(dst, pairs[low/100][0], pairs[low/100][1], pairs[low%100][0], pairs[low%100][1])
	}
}

// pairs are the digits of the numbers below 100.
var pairs = func() (p [100][2]byte) {
	for n := range p {
		p[n] = [2]byte{digit(n / 10), digit(n)}
	}
	return p
}()

// putDigits fills text with the lowest digits of n.
func putDigits(text []byte, n uint32) {
	i := len(text)
	for ; i >= 2; i -= 2 {
		pair := &pairs[n%100]
		n /= 100
		text[i-2], text[i-1] = pair[0], pair[1]
	}
	if i > 0 {
		text[0] = byte('0' + n%10)
	}
}

// AppendFloat appends f as FORMAT.md section 3 spells a float64: always with a
// point or an exponent (1.0, 3e-06, -0.0), or {"doubleValue":"NaN"},
// {"doubleValue":"Infinity"}, {"doubleValue":"-Infinity"}.
func AppendFloat(dst []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, `{"doubleValue":"NaN"}`...)
	case math.IsInf(f, 1):
		return append(dst, `{"doubleValue":"Infinity"}`...)
	case math.IsInf(f, -1):
		return append(dst, `{"doubleValue":"-Infinity"}`...)
	}
	if dst, ok := appendShortFloat(dst, f); ok {
		return dst
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, f, 'g', -1, 64)
	for _, c := range dst[start:] {
		if c == '.' || c == 'e' {
			return dst
		}
	}
	return append(dst, ".0"...)
}

// maxShortDecimals is how many decimals appendShortFloat writes at most.
const maxShortDecimals = 7

// appendShortFloat appends the numbers that audit lines are made of, costs and
// temperatures: those of few decimals that strconv would write without exponent.
// A decimal number of at most 15 digits is the only one of that many that its
// float64 stands for, so the one with the fewest decimals is what strconv writes.
func appendShortFloat(dst []byte, f float64) ([]byte, bool) {
	if !(f >= 1e-4 && f < 1e6) {
		return dst, false // negative or 0 too: -0.0 has a sign
	}
	const power = 1e7          // 10^maxShortDecimals
	n := int64(f*power + 0.5)  // below 1e13
	if float64(n)/power != f { // the quotient of exact numbers is the float64 next to it
		return dst, false
	}
	whole, part := uint32(n/power), uint32(n%power) //nolint:gosec // below 1e6, as f is, and 1e7
	dst = append(appendSmall(dst, whole), '.')
	if part == 0 {
		return append(dst, '0'), true
	}
	decimals := maxShortDecimals
	if part%1000 == 0 {
		part, decimals = part/1000, decimals-3
	}
	for part%10 == 0 {
		part, decimals = part/10, decimals-1
	}
	start := len(dst)
	dst = extend(dst, decimals)
	putDigits(dst[start:], part)
	return dst, true
}

// AppendHex appends the digits of b, of which it takes eight bytes at a time.
func AppendHex(dst, b []byte) []byte {
	start := len(dst)
	dst = extend(dst, 2*len(b))
	text := dst[start:]
	for len(b) >= 8 && len(text) >= 16 {
		n := binary.BigEndian.Uint64(b)
		binary.BigEndian.PutUint64(text, hexOf(uint32(n>>32)))
		binary.BigEndian.PutUint64(text[8:], hexOf(uint32(n))) //nolint:gosec // the lower half
		b, text = b[8:], text[16:]
	}
	for i, c := range b {
		text[2*i], text[2*i+1] = hexDigits[c>>4], hexDigits[c&0xf]
	}
	return dst
}

// hexOf returns the eight digits of n, the first one in the highest byte. It
// spreads n to half a byte in each byte, and then adds to all of them at once.
func hexOf(n uint32) uint64 {
	const ones = 0x0101010101010101
	x := uint64(n)
	x = (x | x<<16) & 0x0000ffff0000ffff
	x = (x | x<<8) & 0x00ff00ff00ff00ff
	x = (x | x<<4) & 0x0f0f0f0f0f0f0f0f
	letters := (x + 6*ones) >> 4 & ones // 1 in each byte above 9
	return x + '0'*ones + letters*('a'-'0'-10)
}

// AppendBytes appends {"bytesValue":"<base64>"}.
func AppendBytes(dst, b []byte) []byte {
	dst = append(dst, `{"bytesValue":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, b)
	return append(dst, `"}`...)
}

// NumberKind says how a JSON number is to be held.
type NumberKind int

const (
	// OutOfRange is a number that neither int64 nor a finite float64 holds.
	OutOfRange NumberKind = iota
	// Int is a number without point and exponent that fits int64.
	Int
	// Float is any other number.
	Float
)

// Number is a JSON number as FORMAT.md section 7 reads it.
type Number struct {
	Kind  NumberKind
	Int   int64   // when Kind is Int
	Float float64 // when Kind is Float
}

// ParseNumber reads the JSON number lit, which must have passed the scanner.
func ParseNumber(lit []byte) Number {
	if n, ok := parseFast(lit); ok {
		return n
	}
	integer := true
	for _, c := range lit {
		if c == '.' || c == 'e' || c == 'E' {
			integer = false
			break
		}
	}
	// -0 has no int64 that keeps its sign.
	if integer && string(lit) != "-0" {
		if n, ok := parseInt(lit); ok {
			return Number{Kind: Int, Int: n}
		}
	}
	f, err := strconv.ParseFloat(string(lit), 64)
	if err != nil {
		return Number{Kind: OutOfRange}
	}
	return Number{Kind: Float, Float: f}
}

// exactPowers are the powers of ten that a float64 holds exactly.
var exactPowers = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// parseUsual reads the numbers that audit lines are made of in one pass: those
// of at most 15 digits and without exponent. Both the digits and the power of
// ten are then exact as float64, so their quotient is the number next to the
// true one (Clinger, How to read floating point numbers accurately).
func parseFast(lit []byte) (Number, bool) {
	digits := lit
	negative := len(digits) > 0 && digits[0] == '-'
	if negative {
		digits = digits[1:]
	}
	if len(digits) == 0 || len(digits) > len(exactPowers) {
		return Number{}, false
	}
	var n int64
	point := -1
	for i, c := range digits {
		switch {
		case c-'0' < 10:
			n = n*10 + int64(c-'0')
		case c == '.':
			point = i
		default:
			return Number{}, false
		}
	}
	switch {
	case point < 0 && negative && n == 0:
		return Number{}, false // -0 has no int64 that keeps its sign
	case point < 0 && negative:
		return Number{Kind: Int, Int: -n}, true
	case point < 0:
		return Number{Kind: Int, Int: n}, true
	}
	f := float64(n) / exactPowers[len(digits)-1-point]
	if negative {
		f = -f
	}
	return Number{Kind: Float, Float: f}, true
}

// parseInt spares the conversion to string for the numbers that audit lines
// are made of.
func parseInt(lit []byte) (int64, bool) {
	digits := lit
	if len(digits) > 0 && digits[0] == '-' {
		digits = digits[1:]
	}
	if len(digits) == 0 {
		return 0, false
	}
	if len(digits) > 18 {
		n, err := strconv.ParseInt(string(lit), 10, 64)
		return n, err == nil
	}
	var n int64
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	if len(digits) != len(lit) {
		n = -n
	}
	return n, true
}

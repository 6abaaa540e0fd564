package jsonline

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// AppendString appends s as a JSON string in the spelling of FORMAT.md
// section 3. Besides what JSON asks for, it escapes what a terminal would act
// on: DEL, the C1 controls, the line separators and the bidirectional
// controls. Each byte outside a valid UTF-8 sequence becomes one U+FFFD.
func AppendString(dst []byte, s string) []byte {
	if len(s) > longText {
		return appendLong(dst, s)
	}
	start := len(dst)
	dst = extend(dst, len(s)+2)
	text := dst[start:]
	text[0], text[len(text)-1] = '"', '"'
	// Most strings of a line are so short that to look and to copy at once is
	// faster than a memmove behind the look.
	to := text[1 : len(text)-1]
	rest := s
	for len(rest) > 8 && len(to) > 8 {
		w := load64(rest)
		if special(w) != 0 {
			return appendEscaped(dst[:start], s)
		}
		binary.LittleEndian.PutUint64(to, w)
		rest, to = rest[8:], to[8:]
	}
	switch {
	case len(s) >= 8:
		w := load64(s[len(s)-8:]) // overlaps what is done
		if special(w) != 0 {
			return appendEscaped(dst[:start], s)
		}
		binary.LittleEndian.PutUint64(text[len(text)-9:], w)
	case len(s) >= 4:
		first, last := load32(s), load32(s[len(s)-4:])
		if special(uint64(first)|uint64(last)<<32) != 0 {
			return appendEscaped(dst[:start], s)
		}
		binary.LittleEndian.PutUint32(to, first)
		binary.LittleEndian.PutUint32(to[len(to)-4:], last)
	default:
		for i := 0; i < len(s) && i < len(to); i++ {
			if isSpecial(s[i]) {
				return appendEscaped(dst[:start], s)
			}
			to[i] = s[i]
		}
	}
	return dst
}

// longText is from where on a memmove is faster than eight bytes at a time.
const longText = 64

// appendLong is AppendString for a long string.
func appendLong(dst []byte, s string) []byte {
	if plainPrefix(s) < len(s) {
		return appendEscaped(dst, s)
	}
	return AppendPlain(dst, s)
}

// AppendPlainMember appends the beginning of a member: a comma, the key, which
// IsPlain, and a colon.
func AppendPlainMember(dst []byte, key string) []byte {
	start := len(dst)
	dst = extend(dst, len(key)+4)
	text := dst[start:]
	text[0], text[1] = ',', '"'
	copy(text[2:], key)
	text[len(key)+2], text[len(key)+3] = '"', ':'
	return dst
}

// AppendPlain is AppendString for a string that IsPlain.
func AppendPlain(dst []byte, s string) []byte {
	start := len(dst)
	dst = extend(dst, len(s)+2)
	text := dst[start:]
	text[0], text[len(text)-1] = '"', '"'
	copy(text[1:], s)
	return dst
}

// IsPlain reports whether s stands for itself between quotes: it is printable
// ASCII, and holds neither quote nor backslash.
func IsPlain(s string) bool { return plainPrefix(s) == len(s) }

// extend makes dst longer by n bytes. One check of the room for all that is to
// come is what it is for.
func extend(dst []byte, n int) []byte {
	if len(dst)+n > cap(dst) {
		dst = slices.Grow(dst, n)
	}
	return dst[:len(dst)+n]
}

// appendEscaped is AppendString for a string that does not stand for itself.
func appendEscaped(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for {
		n := plainPrefix(s)
		dst = append(dst, s[:n]...)
		if n == len(s) {
			return append(dst, '"')
		}
		s = s[n:]
		if s[0] < utf8.RuneSelf {
			dst = appendEscapedASCII(dst, s[0])
			s = s[1:]
			continue
		}
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && size == 1:
			dst = append(dst, "\uFFFD"...)
		case mustEscape(r):
			dst = append(dst, '\\', 'u',
				hexDigits[r>>12&0xf], hexDigits[r>>8&0xf], hexDigits[r>>4&0xf], hexDigits[r&0xf])
		default:
			dst = append(dst, s[:size]...)
		}
		s = s[size:]
	}
}

// plainPrefix returns the length of the longest prefix of s that is printable
// ASCII without quote and backslash. It looks at eight bytes at a time:
// strings are most of a line. The last look overlaps the one before it.
func plainPrefix(s string) int {
	if len(s) < 8 {
		return shortPlainPrefix(s)
	}
	rest := s
	for len(rest) > 8 {
		if found := special(load64(rest)); found != 0 {
			return len(s) - len(rest) + bits.TrailingZeros64(found)/8
		}
		rest = rest[8:]
	}
	if found := special(load64(s[len(s)-8:])); found != 0 {
		return len(s) - 8 + bits.TrailingZeros64(found)/8
	}
	return len(s)
}

func shortPlainPrefix(s string) int {
	i := 0
	if len(s) >= 4 {
		w := uint64(load32(s)) | ' '<<32 | ' '<<40 | ' '<<48 | ' '<<56
		if found := special(w); found != 0 {
			return bits.TrailingZeros64(found) / 8
		}
		i = 4
	}
	for ; i < len(s); i++ {
		if isSpecial(s[i]) {
			break
		}
	}
	return i
}

// load64 returns the first eight bytes of s, the first one lowest. The compiler
// makes one load of it.
func load64(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// load32 is load64 for four bytes.
func load32(s string) uint32 {
	_ = s[3]
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}

// special returns a number whose lowest bit that is set is in the lowest byte
// of w that does not stand for itself: one whose high bit is set, DEL, one that is
// below 0x20 or a quote (0x22, and only these are below 0x21 with bit 1 turned), a
// backslash. Each term sets the high bit of such a byte. What it carries or borrows
// goes to bytes above it, so above the lowest one it means nothing.
func special(w uint64) uint64 {
	const (
		ones  = 0x0101010101010101
		highs = 0x8080808080808080
	)
	return (w | (w + ones) | ((w ^ 0x02*ones) - 0x21*ones) | ((w ^ '\\'*ones) - ones)) & highs
}

// isSpecial is special for one byte.
func isSpecial(c byte) bool { return c < 0x20 || c == '"' || c == '\\' || c >= 0x7f }

func appendEscapedASCII(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
}

// mustEscape reports whether the non-ASCII rune r is written as an escape.
func mustEscape(r rune) bool {
	switch {
	case r < 0xa0: // C1 controls, U+0085 (next line) among them.
		return true
	case r == 0x061c, r == 0x200e, r == 0x200f, r == 0xfeff:
		return true
	case r >= 0x2028 && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
		return true
	}
	return false
}

// Unquote returns the string that the JSON string literal lit stands for, its
// quotes included. A lone surrogate and a byte outside valid UTF-8 become
// U+FFFD. lit must have passed the scanner.
func Unquote(lit []byte) string {
	if len(lit) < 2 {
		return ""
	}
	if isPlain(lit[1 : len(lit)-1]) {
		return string(lit[1 : len(lit)-1])
	}
	return string(AppendUnquoted(nil, lit))
}

// isPlain reports whether b stands for itself in a JSON string.
func isPlain(b []byte) bool {
	ascii := true
	for _, c := range b {
		if c == '\\' {
			return false
		}
		ascii = ascii && c < utf8.RuneSelf
	}
	return ascii || utf8.Valid(b)
}

// AppendUnquoted appends what Unquote returns.
func AppendUnquoted(dst, lit []byte) []byte {
	if len(lit) < 2 {
		return dst
	}
	for s := lit[1 : len(lit)-1]; len(s) > 0; {
		switch c := s[0]; {
		case c == '\\' && len(s) > 1:
			var r rune
			r, s = unescape(s)
			dst = utf8.AppendRune(dst, r)
		case c < utf8.RuneSelf:
			n := 1
			for n < len(s) && s[n] < utf8.RuneSelf && s[n] != '\\' {
				n++
			}
			dst = append(dst, s[:n]...)
			s = s[n:]
		default:
			// utf8.RuneError is U+FFFD, and AppendRune writes it for an
			// invalid byte.
			r, size := utf8.DecodeRune(s)
			dst = utf8.AppendRune(dst, r)
			s = s[size:]
		}
	}
	return dst
}

// Unescaped returns what Unquote returns. Without an escape and with ASCII only,
// that is a part of lit, else it is appended to dst.
func Unescaped(dst, lit []byte) []byte {
	if len(lit) >= 2 && !isEscaped(lit) {
		return lit[1 : len(lit)-1]
	}
	return AppendUnquoted(dst, lit)
}

// unescape decodes the escape at the start of s and returns what follows it.
func unescape(s []byte) (r rune, rest []byte) {
	switch s[1] {
	case 'b':
		return '\b', s[2:]
	case 'f':
		return '\f', s[2:]
	case 'n':
		return '\n', s[2:]
	case 'r':
		return '\r', s[2:]
	case 't':
		return '\t', s[2:]
	case 'u':
		r = hex4(s[2:])
		s = s[6:]
		if r >= 0xd800 && r < 0xe000 {
			if r < 0xdc00 && len(s) >= 6 && s[0] == '\\' && s[1] == 'u' {
				if low := hex4(s[2:]); low >= 0xdc00 && low < 0xe000 {
					return (r-0xd800)<<10 | (low - 0xdc00) + 0x10000, s[6:]
				}
			}
			return utf8.RuneError, s
		}
		return r, s
	}
	return rune(s[1]), s[2:] // quote, backslash, slash
}

// hex4 reads four hexadecimal digits; the scanner has seen that they are.
func hex4(s []byte) rune {
	var r rune
	for _, c := range s[:4] {
		r = r<<4 | rune(hexValue(c))
	}
	return r
}

func hexValue(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 0xff
}

// KeyIs reports whether the JSON string literal lit stands for key, character by
// character: escapes count as what they stand for, and a byte outside valid UTF-8
// counts as U+FFFD on both sides. It does not allocate.
func KeyIs(lit []byte, key string) bool {
	if len(lit) < 2 {
		return false
	}
	text := lit[1 : len(lit)-1]
	if string(text) == key {
		return bytes.IndexByte(text, '\\') < 0 // an escape is longer than what it stands for
	}
	if len(text) == 0 || len(key) == 0 || text[0] != key[0] && text[0] != '\\' && text[0] < utf8.RuneSelf || hasOnlyASCII(text) {
		return false
	}
	for len(text) > 0 {
		var got rune
		got, text = nextRune(text)
		want, size := utf8.DecodeRuneInString(key)
		if size == 0 || got != want {
			return false
		}
		key = key[size:]
	}
	return key == ""
}

// nextRune returns the first character of the inside of a literal, which is not
// empty, and what follows it.
func nextRune(text []byte) (r rune, rest []byte) {
	if text[0] == '\\' && len(text) > 1 {
		return unescape(text)
	}
	r, size := utf8.DecodeRune(text)
	return r, text[size:]
}

// hasOnlyASCII reports whether text holds neither an escape nor a byte outside of
// ASCII: then each byte stands for itself. It reads eight bytes at a time.
func hasOnlyASCII(text []byte) bool {
	for ; len(text) >= 8; text = text[8:] {
		w := binary.LittleEndian.Uint64(text)
		slash := w ^ '\\'*eachByte
		if ((slash-eachByte)&^slash|w)&highBits != 0 {
			return false
		}
	}
	return !isEscaped(text)
}

func isEscaped(lit []byte) bool {
	for _, c := range lit {
		if c == '\\' || c >= utf8.RuneSelf {
			return true
		}
	}
	return false
}

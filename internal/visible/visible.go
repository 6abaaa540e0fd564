// Package visible makes texts of a log, of files and of flags fit for a terminal.
package visible

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text returns s with an escape for every character that is not seen, that
// changes how others are seen, or that a terminal would act on, and for every byte
// that is not UTF-8.
func Text(s string) string {
	clean := 0
	for clean < len(s) {
		r, size := utf8.DecodeRuneInString(s[clean:])
		if !isVisible(r, size) {
			break
		}
		clean += size
	}
	if clean == len(s) {
		return s
	}
	var b strings.Builder
	b.WriteString(s[:clean])
	for i := clean; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case isVisible(r, size):
			b.WriteString(s[i : i+size])
		case r == utf8.RuneError:
			writeByte(&b, s[i])
		default:
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
		i += size
	}
	return b.String()
}

// isVisible reports whether a terminal shows a character as itself. size is its
// length in UTF-8: 1 for a byte that is none.
func isVisible(r rune, size int) bool {
	return unicode.IsGraphic(r) && (r != utf8.RuneError || size > 1)
}

const hex = "0123456789abcdef"

// writeByte writes the escape of a byte that is not UTF-8.
func writeByte(b *strings.Builder, c byte) {
	b.WriteString(`\x`)
	b.WriteByte(hex[c>>4])
	b.WriteByte(hex[c&0xf])
}

// MaxExcerpt is how many bytes of a text an excerpt has.
const MaxExcerpt = 200

// Cut returns s, of a longer text the first MaxExcerpt bytes with a mark. Messages
// quote what comes from a log, a file, a peer or a caller through it.
func Cut(s string) string {
	if len(s) <= MaxExcerpt {
		return s
	}
	return s[:runeStart(s, MaxExcerpt)] + "…"
}

// Excerpt is Text of what Cut leaves of s: for messages, and for the cells of a table.
func Excerpt(s string) string { return Text(Cut(s)) }

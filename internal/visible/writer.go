package visible

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Writer writes to a terminal what is safe there: text and line feeds. It replaces
// a tab and a carriage return by a space, every other character that Text escapes
// by an escape of JSON, and every byte that is not UTF-8 by \xNN. JSON stays the
// same JSON. Call Flush at the end.
type Writer struct {
	w    io.Writer
	rest []byte // the beginning of a character
}

// NewWriter returns a Writer to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Write writes p but for the beginning of a character at its end, which waits for
// the next Write.
func (w *Writer) Write(p []byte) (int, error) {
	text := slices.Concat(w.rest, p)
	var b strings.Builder
	for len(text) > 0 && utf8.FullRune(text) {
		text = text[writeVisible(&b, text):]
	}
	w.rest = append([]byte(nil), text...)
	if _, err := io.WriteString(w.w, b.String()); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Flush writes the beginning of a character that has no end.
func (w *Writer) Flush() error {
	var b strings.Builder
	for _, c := range w.rest {
		writeByte(&b, c)
	}
	w.rest = nil
	_, err := io.WriteString(w.w, b.String())
	return err
}

// writeVisible writes the first character of text, and returns its length.
func writeVisible(b *strings.Builder, text []byte) int {
	r, size := utf8.DecodeRune(text)
	switch {
	case isVisible(r, size), r == '\n':
		b.Write(text[:size])
	case r == '\t', r == '\r':
		b.WriteByte(' ')
	case r == utf8.RuneError:
		writeByte(b, text[0])
	case utf16.RuneLen(r) > 1:
		high, low := utf16.EncodeRune(r)
		fmt.Fprintf(b, `\u%04x\u%04x`, high, low)
	default:
		fmt.Fprintf(b, `\u%04x`, r)
	}
	return size
}

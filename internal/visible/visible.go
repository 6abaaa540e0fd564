// Package visible makes the texts of a log fit to be looked at.
package visible

import (
	"strconv"
	"strings"
	"unicode"
)

// Text returns s with an escape for every character that is not seen, that
// changes how others are seen, or that a terminal would act on.
func Text(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return !unicode.IsGraphic(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if unicode.IsGraphic(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
	}
	return b.String()
}

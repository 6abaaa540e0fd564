package main

import "strings"

// csvText returns a text as a cell of CSV. Spreadsheets run a text that begins
// like a formula, and what stands in a log can come from anybody: such a text
// gets an apostrophe in front, which spreadsheets take as the sign of a text. So
// does one that begins with an apostrophe, and taking one off gives back what
// was there.
func csvText(s string) string {
	if s == "" {
		return s
	}
	// The wide forms are what some spreadsheets turn into the others.
	for _, formula := range []string{"=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "'"} {
		if strings.HasPrefix(s, formula) {
			return "'" + s
		}
	}
	return s
}

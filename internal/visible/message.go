package visible

import (
	"strings"
	"unicode/utf8"
)

// maxLine bounds, in bytes, a line of a message.
const maxLine = 4096

// Message returns text, whole lines, as a message for people: with the escapes of
// Text, and with a mark in the place of what is too long. A word, such as the path
// of a file, and a text in double quotes have at most MaxExcerpt bytes.
func Message(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		line, ended := strings.CutSuffix(line, "\n")
		b.WriteString(Text(strings.ReplaceAll(shortLine(line), "\t", " ")))
		if ended {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// shortLine shortens the words of a line, and then the line.
func shortLine(line string) string {
	if len(line) <= MaxExcerpt {
		return line
	}
	var b strings.Builder
	for rest := line; rest != "" && b.Len() <= maxLine; {
		n := wordLen(rest)
		b.WriteString(Shorten(rest[:n]))
		rest = rest[n:]
	}
	if b.Len() <= maxLine {
		return b.String()
	}
	return b.String()[:runeStart(b.String(), maxLine)] + "…"
}

// wordLen returns the length of what line begins with: a text in double quotes, or
// anything else up to a space or a quote, or one space.
func wordLen(line string) int {
	if line[0] == '"' {
		for i := 1; i < len(line); i++ {
			switch line[i] {
			case '\\':
				i++
			case '"':
				return i + 1
			}
		}
		return len(line)
	}
	if i := strings.IndexAny(line[1:], ` "`); i >= 0 && line[0] != ' ' {
		return i + 1
	}
	if line[0] == ' ' {
		return 1
	}
	return len(line)
}

// Shorten cuts a word of more than MaxExcerpt bytes in its middle: paths and
// addresses differ at their ends.
func Shorten(word string) string {
	if len(word) <= MaxExcerpt {
		return word
	}
	const end = MaxExcerpt / 4
	return word[:runeStart(word, MaxExcerpt-end)] + "…" + word[runeStart(word, len(word)-end):]
}

// runeStart returns i, or where the character begins that i is within.
func runeStart(s string, i int) int {
	for least := i - utf8.UTFMax; i > least && i > 0 && !utf8.RuneStart(s[i]); {
		i--
	}
	return i
}

package visible_test

import (
	"fmt"
	"testing"

	"github.com/otelaudit/otelaudit/internal/visible"
)

func TestWhatIsNotSeenIsEscaped(t *testing.T) {
	for text, want := range map[string]string{
		"":                         "",
		"grün 猫 😀":                 "grün 猫 😀",
		"a\x1b[2Jb\nc\td":          `a\x1b[2Jb\nc\td`,
		"\u202egpj.exe\u2066":      `\u202egpj.exe\u2066`,
		"nul\x00 c1\u0085 del\x7f": `nul\x00 c1\u0085 del\x7f`,
		"csi\x9b2J \xff \xe2\x82":  `csi\x9b2J \xff \xe2\x82`,
		"\ufffd is a character":    "\ufffd is a character",
	} {
		if got := visible.Text(text); got != want {
			t.Errorf("Text(%q) = %q, want %q", text, got, want)
		}
	}
}

func ExampleText() {
	fmt.Println(visible.Text("gpt-4o\x1b[2J"))
	// Output: gpt-4o\x1b[2J
}

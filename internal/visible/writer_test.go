package visible_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/otelaudit/otelaudit/internal/visible"
)

// checkVisible checks that a terminal acts on nothing in text but line feeds.
func checkVisible(t *testing.T, text string) {
	t.Helper()
	if !utf8.ValidString(text) {
		t.Errorf("%q is not UTF-8", text)
	}
	for _, r := range text {
		if r != '\n' && !unicode.IsGraphic(r) {
			t.Errorf("%q has %q", text, r)
		}
	}
}

func TestWriterWritesNothingThatATerminalActsOn(t *testing.T) {
	for text, want := range map[string]string{
		"grün 猫 😀\n":                "grün 猫 😀\n",
		"a\x1b[2Jb\x07\tc\r\n":      `a\u001b[2Jb\u0007 c ` + "\n",
		"\u202e \u0085 \x7f":        `\u202e \u0085 \u007f`,
		"\U000e0001":                `\udb40\udc01`,
		"csi\x9b2J \xff, \xe2\x82z": `csi\x9b2J \xff, \xe2\x82z`,
		"cut \xe2\x82":              `cut \xe2\x82`,
	} {
		for size := 1; size <= len(text); size++ {
			var got bytes.Buffer
			w := visible.NewWriter(&got)
			for rest := []byte(text); len(rest) > 0; rest = rest[min(size, len(rest)):] {
				if n, err := w.Write(rest[:min(size, len(rest))]); err != nil || n != min(size, len(rest)) {
					t.Fatalf("got %d, %v", n, err)
				}
			}
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
			if got.String() != want {
				t.Errorf("%q in parts of %d bytes: got %q, want %q", text, size, got.String(), want)
			}
		}
	}
}

// FuzzWriter: what was JSON is the same JSON.
func FuzzWriter(f *testing.F) {
	f.Add([]byte("{\"a\x7f\":\t\"\u202e\U000e0001\"\r}"))
	f.Add([]byte("\x1b\x9b\xff"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var got bytes.Buffer
		w := visible.NewWriter(&got)
		if _, err := w.Write(text); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		checkVisible(t, got.String())
		checkVisible(t, visible.Message(string(text)))
		checkVisible(t, visible.Excerpt(string(text)))
		var before, after any
		if !utf8.Valid(text) || json.Unmarshal(text, &before) != nil {
			return
		}
		if err := json.Unmarshal(got.Bytes(), &after); err != nil {
			t.Fatalf("%q became %q: %v", text, got.String(), err)
		}
		a, errA := json.Marshal(before)
		b, errB := json.Marshal(after)
		if err := errors.Join(errA, errB); err != nil || !bytes.Equal(a, b) {
			t.Errorf("%q became %q, %v", text, got.String(), err)
		}
	})
}

func TestExcerptsAndMessagesAreBounded(t *testing.T) {
	for name, long := range map[string]string{
		"letters":    strings.Repeat("x", 600_000),
		"characters": strings.Repeat("猫", 200_000),
		"bytes":      strings.Repeat("\xff", 600_000),
		"quoted":     `"` + strings.Repeat(`a \" b `, 100_000) + `"`,
		"no end":     `"` + strings.Repeat("a b ", 100_000),
	} {
		escaped := len(visible.Text(long)) / len(long) * (visible.MaxExcerpt + utf8.UTFMax)
		if got := visible.Excerpt(long); len(got) > escaped+len("…") {
			t.Errorf("%s: the excerpt has %d bytes", name, len(got))
		}
		got := visible.Message("before " + long + " after\nnext\n")
		if len(got) > len("before  after\nnext\n")+escaped+len("…") || !strings.HasSuffix(got, "\nnext\n") {
			t.Errorf("%s: got %d bytes, %q", name, len(got), got)
		}
	}
	const most = 4100
	if got := visible.Message(strings.Repeat("word ", 100_000) + "\n"); len(got) > most {
		t.Errorf("a line of words has %d bytes, want at most %d", len(got), most)
	}
}

package jsonline_test

import (
	"testing"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// A literal is compared by what it stands for, so that two spellings of one string
// are equal, and equal bytes with an escape are not.
func TestKeyIsComparesWhatALiteralStandsFor(t *testing.T) {
	literals := []string{
		``, `a`, `\u0061`, `\\`, `\\\\`, `\"`, `\/`, `/`, `\t`, `\\t`, "\u00e9", `\u00e9`, `\u00E9`, `e\u0301`,
		`\ud83d\ude00`, "\U0001f600", `\ud83d`, `\ude00`, `\ud83d\ud83d\ude00`, `\ud83dx`, "\ufffd", `\ufffd`, "\xff", "\xff\xff", "\xe2\x82", "\ufffd\ufffd",
		`tab\there`, `tab\\there`, `C:\\proj\\new`, `C:\\\\proj\\\\new`, `\u0000`, "a\u200eb", `a\u200eb`, `aa`, `ab`,
	}
	for _, lit := range literals {
		quoted := []byte(`"` + lit + `"`)
		if err := jsonline.Check(quoted); err != nil {
			t.Fatalf("%q: %v", lit, err)
		}
		for _, other := range literals {
			for _, key := range []string{other, jsonline.Unquote([]byte(`"` + other + `"`))} {
				// What a writer makes of key stands for it.
				want := jsonline.Unquote(quoted) == jsonline.Unquote(jsonline.AppendString(nil, key))
				if got := jsonline.KeyIs(quoted, key); got != want {
					t.Errorf("literal %s, key %q: got %v, want %v", quoted, key, got, want)
				}
			}
		}
	}
	if jsonline.KeyIs(nil, "") {
		t.Error("no value: got the empty string")
	}
}

func FuzzKeyIs(f *testing.F) {
	f.Add([]byte(`"a\u0061\\\ud83d\ude00"`), "aa\\\U0001f600")
	f.Add([]byte("\"\xff\""), "\xff")
	f.Fuzz(func(t *testing.T, lit []byte, key string) {
		if jsonline.KindOf(lit) != jsonline.String || jsonline.Check(lit) != nil || lit[len(lit)-1] != '"' {
			return
		}
		want := jsonline.Unquote(lit) == jsonline.Unquote(jsonline.AppendString(nil, key))
		if got := jsonline.KeyIs(lit, key); got != want {
			t.Errorf("literal %q, key %q: got %v, want %v", lit, key, got, want)
		}
	})
}

func BenchmarkKeyIs(b *testing.B) {
	lit := []byte(`"4f0c2e9a-5b8e-4fff-9803-8103d269b633"`)
	for name, key := range map[string]string{
		"equal": "4f0c2e9a-5b8e-4fff-9803-8103d269b633", "other": "5f0c2e9a-5b8e-4fff-9803-8103d269b633",
		"other at its end": "4f0c2e9a-5b8e-4fff-9803-8103d269b634", "shorter": "claude_code.api_request",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				jsonline.KeyIs(lit, key)
			}
		})
	}
}

package jsonline_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// checkToken holds token i against what EachMember and EachElement say of its
// text, and all that it holds.
func checkToken(t *testing.T, text []byte, tape *jsonline.Tape, i uint32) {
	t.Helper()
	token := tape.Tokens[i]
	raw := text[token.Start:token.End]
	if token.Kind == jsonline.Opaque {
		if token.Next != i+1 {
			t.Fatalf("token %d is opaque and holds tokens", i)
		}
		return
	}
	if token.Kind != jsonline.KindOf(raw) {
		t.Fatalf("token %d has kind %d: %q", i, token.Kind, raw)
	}
	next := i + 1
	expect := func(want []byte) {
		got := tape.Tokens[next]
		if len(want) == 0 || &text[got.Start] != &want[0] || int(got.End-got.Start) != len(want) {
			t.Fatalf("token %d is %q, want %q", next, text[got.Start:got.End], want)
		}
		checkToken(t, text, tape, next)
		next = got.Next
	}
	var err error
	switch token.Kind {
	case jsonline.Object:
		err = jsonline.EachMember(raw, func(key, value []byte) bool {
			expect(key)
			expect(value)
			return true
		})
	case jsonline.Array:
		err = jsonline.EachElement(raw, func(value []byte) bool {
			expect(value)
			return true
		})
	case jsonline.String:
		content := raw[1 : len(raw)-1]
		var want jsonline.Marks
		if strings.ContainsRune(string(content), '\\') {
			want |= jsonline.Escaped
		}
		if strings.ContainsFunc(string(content), func(r rune) bool { return r >= utf8.RuneSelf }) {
			want |= jsonline.Beyond
		}
		if token.Marks != want {
			t.Fatalf("%q has marks %d, want %d", raw, token.Marks, want)
		}
	}
	if err != nil || token.Next != next {
		t.Fatalf("token %d goes up to %d, want %d (%v): %q", i, token.Next, next, err, raw)
	}
}

func checkTape(t *testing.T, tape *jsonline.Tape, text []byte) {
	t.Helper()
	err := jsonline.EachMember(text, func(_, _ []byte) bool { return true })
	if ok := tape.Scan(text); ok != (err == nil) {
		t.Fatalf("Scan(%q) is %v, EachMember gives %v", text, ok, err)
	}
	if err == nil {
		checkToken(t, text, tape, 0)
	}
}

var tapeTexts = []string{
	``, ` `, `1`, `[]`, `{}`, ` { } `, `{"a":1}`, `{"a":{"b":[1,{"c":null},"x",[],{}]},"d":true,"e":false}`,
	" {\t\"a\" :\r[ 1 , 2 ] ,\n\"b\" : { } , \"c\":[ ] } ", `{"\u0061\n":"\"\\","ä":"ö","` + "\xff" + `":"12345678ä"}`,
	`{"a":-1.5e+7,"b":0,"c":1E9}`, `{"a":01}`, `{"a":1.}`, `{"a":-}`, `{"a":nul}`, `{"a":tru`, `{"a" 1}`, `{"a":}`, `{a:1}`, `{"a":1,}`,
	`{"a":[1,]}`, `{"a":[1}`, `{"a":{"b":1]}`, `{"a":1}}`, `{"a":1} x`, `{"a":"\x"}`, `{"a":"\u12g4"}`, "{\"a\":\"\x1f\"}", `{"a":"`, `{"a":"b\`,
	`{"k":{"n":1},"l":{"n":12},"m":[{"n":1}, {"n":1 }]}`, `{"n":1}`,
	`{"a":` + strings.Repeat(`[{"b":`, 300) + `1` + strings.Repeat(`}]`, 300) + `}`,
}

func TestTheTapeHasWhatEachMemberVisits(t *testing.T) {
	var tape jsonline.Tape
	for _, text := range tapeTexts {
		tape.Known = nil
		checkTape(t, &tape, []byte(text))
		tape.Known = [][]byte{[]byte(`{"b":[1,{"c":null},"x",[],{}]}`), []byte(`{"n":1}`)}
		checkTape(t, &tape, []byte(text))
	}
}

func TestWhatIsKnownIsNotScanned(t *testing.T) {
	tape := jsonline.Tape{Known: [][]byte{[]byte(`{"n":1}`)}}
	if !tape.Scan([]byte(`{"k":{"n":1},"l":{"n":12},"m":{"n":1 }}`)) {
		t.Fatal("it is an object")
	}
	var kinds []jsonline.Kind
	for i := uint32(1); int(i) < len(tape.Tokens); i = tape.Tokens[i+1].Next {
		kinds = append(kinds, tape.Tokens[i+1].Kind)
	}
	if len(kinds) != 3 || kinds[0] != jsonline.Opaque || kinds[1] != jsonline.Object || kinds[2] != jsonline.Object {
		t.Errorf("got kinds %v, want the first one opaque", kinds)
	}
}

func FuzzTape(f *testing.F) {
	for _, text := range tapeTexts {
		f.Add([]byte(text), []byte(`{"n":1}`))
	}
	f.Fuzz(func(t *testing.T, text, known []byte) {
		var tape jsonline.Tape
		checkTape(t, &tape, text)
		if jsonline.EachMember(known, func(_, _ []byte) bool { return true }) == nil && known[0] == '{' && known[len(known)-1] == '}' {
			tape.Known = [][]byte{known}
			checkTape(t, &tape, text)
		}
	})
}

package jsonline_test

import (
	"bytes"
	"encoding/json"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

func TestAppendStringSpelling(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", `""`},
		{"plain ascii, longer than eight bytes", `"plain ascii, longer than eight bytes"`},
		{`quote " and \ backslash in a long string`, `"quote \" and \\ backslash in a long string"`},
		{"\n\r\t", `"\n\r\t"`},
		{"\b\f\x00\x1f\x7f", `"\u0008\u000c\u0000\u001f\u007f"`},
		{"\u0080\u0085\u009f\u00a0", `"\u0080\u0085\u009f` + "\u00a0" + `"`},
		{"\u061c\u200e\u200f\u2027\u2028\u202e\u202f", `"\u061c\u200e\u200f` + "\u2027" + `\u2028\u202e` + "\u202f" + `"`},
		{"\u2065\u2066\u2069\u206a\ufeff", `"` + "\u2065" + `\u2066\u2069` + "\u206a" + `\ufeff"`},
		{"a\xff\xfeb\xe2\x82", `"a` + "\uFFFD\uFFFD" + `b` + "\uFFFD\uFFFD" + `"`},
		{"</script>&", `"</script>&"`},
		{"grüße 😀 and more", `"grüße 😀 and more"`},
	} {
		if got := string(jsonline.AppendString(nil, tt.in)); got != tt.want {
			t.Errorf("AppendString(%q)\n got %s\nwant %s", tt.in, got, tt.want)
		}
	}
}

func FuzzStringGoesThereAndBack(f *testing.F) {
	for _, s := range []string{"", "abc", "a\"b\\c\nd", "\x00\x7f\u0085\u202e", "\xff\xc0x", "😀", strings.Repeat("x", 70) + "\""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		lit := jsonline.AppendString(nil, s)
		if bytes.ContainsAny(lit, "\n\r\x7f\u0085\u2028\u202e") || !utf8.Valid(lit) {
			t.Fatalf("AppendString(%q) = %q holds what a terminal acts on", s, lit)
		}
		want := strings.ToValidUTF8(s, "\uFFFD")
		if !utf8.ValidString(s) { // ToValidUTF8 replaces a run by one; we replace each byte
			var b strings.Builder
			for i := 0; i < len(s); {
				r, n := utf8.DecodeRuneInString(s[i:])
				b.WriteRune(r)
				i += n
			}
			want = b.String()
		}
		if got := jsonline.Unquote(lit); got != want {
			t.Fatalf("Unquote(%s) = %q, want %q", lit, got, want)
		}
		var std string
		if err := json.Unmarshal(lit, &std); err != nil || std != want {
			t.Fatalf("encoding/json reads %s as %q (%v), want %q", lit, std, err, want)
		}
		if !jsonline.KeyIs(lit, want) || jsonline.KeyIs(lit, want+"x") {
			t.Fatalf("KeyIs(%s) is wrong", lit)
		}
	})
}

func TestUnquoteForeignEscapes(t *testing.T) {
	for _, tt := range []struct{ lit, want string }{
		{`"\/\b\f\u0041\u00e9"`, "/\b\fAé"},
		{`"\ud83d\ude00"`, "😀"},
		{`"\uD83D"`, "\uFFFD"},
		{`"\ude00x"`, "\uFFFDx"},
		{`"\ud83d\u0041"`, "\uFFFDA"},
		{`"\ud83d\ud83d\ude00"`, "\uFFFD😀"},
	} {
		if got := jsonline.Unquote([]byte(tt.lit)); got != tt.want {
			t.Errorf("Unquote(%s) = %q, want %q", tt.lit, got, tt.want)
		}
	}
	if !jsonline.KeyIs([]byte(`"\u0065vent"`), "event") {
		t.Error("KeyIs does not see through an escape")
	}
}

func TestNumberSpelling(t *testing.T) {
	const two53 = 1 << 53
	for n, want := range map[int64]string{
		0: "0", -1: "-1", two53 - 1: "9007199254740991", -(two53 - 1): "-9007199254740991",
		two53: `{"intValue":"9007199254740992"}`, -two53: `{"intValue":"-9007199254740992"}`,
		math.MinInt64: `{"intValue":"-9223372036854775808"}`,
	} {
		if got := string(jsonline.AppendInt(nil, n)); got != want {
			t.Errorf("AppendInt(%d) = %s, want %s", n, got, want)
		}
	}
	for _, tt := range []struct {
		f    float64
		want string
	}{
		{1, "1.0"}, {3e-6, "3e-06"}, {math.Copysign(0, -1), "-0.0"}, {0, "0.0"}, {1e21, "1e+21"}, {0.1, "0.1"},
		{math.NaN(), `{"doubleValue":"NaN"}`}, {math.Inf(1), `{"doubleValue":"Infinity"}`},
		{math.Inf(-1), `{"doubleValue":"-Infinity"}`}, {math.MaxFloat64, "1.7976931348623157e+308"}, {5e-324, "5e-324"},
	} {
		if got := string(jsonline.AppendFloat(nil, tt.f)); got != tt.want {
			t.Errorf("AppendFloat(%v) = %s, want %s", tt.f, got, tt.want)
		}
	}
	if got, want := string(jsonline.AppendBytes(nil, []byte{0, 255, 1})), `{"bytesValue":"AP8B"}`; got != want {
		t.Errorf("AppendBytes = %s, want %s", got, want)
	}
}

func TestParseNumber(t *testing.T) {
	inf := math.Inf(1)
	for lit, want := range map[string]jsonline.Number{
		"0":                    {Kind: jsonline.Int},
		"-7":                   {Kind: jsonline.Int, Int: -7},
		"9223372036854775807":  {Kind: jsonline.Int, Int: math.MaxInt64},
		"-9223372036854775808": {Kind: jsonline.Int, Int: math.MinInt64},
		"9223372036854775808":  {Kind: jsonline.Float, Float: 9223372036854775808},
		"1.0":                  {Kind: jsonline.Float, Float: 1},
		"1e2":                  {Kind: jsonline.Float, Float: 100},
		"1e999":                {Kind: jsonline.OutOfRange},
		"-0":                   {Kind: jsonline.Float, Float: math.Copysign(0, -1)},
		"-0.0":                 {Kind: jsonline.Float, Float: math.Copysign(0, -1)},
	} {
		got := jsonline.ParseNumber([]byte(lit))
		if got.Kind != want.Kind || got.Int != want.Int || math.Copysign(inf, got.Float) != math.Copysign(inf, want.Float) || got.Float != want.Float {
			t.Errorf("ParseNumber(%s) = %+v, want %+v", lit, got, want)
		}
	}
}

func TestTimeIsTruncatedAndClamped(t *testing.T) {
	for _, tt := range []struct {
		in   time.Time
		want string
	}{
		{time.Date(2026, 2, 13, 14, 30, 22, 123_999_999, time.UTC), `"2026-02-13T14:30:22.123Z"`},
		{time.Date(2026, 2, 13, 14, 30, 22, 0, time.FixedZone("", 3600)), `"2026-02-13T13:30:22.000Z"`},
		{time.Unix(0, -1), `"1969-12-31T23:59:59.999Z"`},
		{time.Date(-5, 3, 1, 0, 0, 0, 0, time.UTC), `"0000-01-01T00:00:00.000Z"`},
		{time.Date(12000, 3, 1, 0, 0, 0, 0, time.UTC), `"9999-12-31T23:59:59.999Z"`},
	} {
		if got := string(jsonline.AppendTime(nil, tt.in)); got != tt.want {
			t.Errorf("AppendTime(%v) = %s, want %s", tt.in, got, tt.want)
		}
	}
}

func TestUnixNanoIsExactAtAnySize(t *testing.T) {
	for _, in := range []time.Time{
		{}, time.Unix(0, 0), time.Unix(0, 1), time.Unix(0, -1), time.Unix(0, math.MaxInt64), time.Unix(0, math.MinInt64),
		time.Unix(1<<40, 999_999_999), time.Unix(-(1 << 40), 1), time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC),
		time.Unix(9_000_000_000, 5), time.Unix(-9_000_000_000, 5), time.Date(292_000_000_000, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		text := string(jsonline.AppendUnixNano(nil, in))
		want := new(big.Int).Add(new(big.Int).Mul(big.NewInt(in.Unix()), big.NewInt(1e9)), big.NewInt(int64(in.Nanosecond())))
		if text != `"`+want.String()+`"` {
			t.Errorf("AppendUnixNano(%v) = %s, want %s", in, text, want)
		}
		got, ok := jsonline.ParseUnixNano(want.String())
		if !ok || !got.Equal(in) {
			t.Errorf("ParseUnixNano(%s) = %v, %v, want %v", want, got, ok, in)
		}
	}
	for _, bad := range []string{"", "-", "+1", "01", "-0", "1.0", " 1", "1e3", strings.Repeat("9", 33), strings.Repeat("9", 30), "x"} {
		if got, ok := jsonline.ParseUnixNano(bad); ok {
			t.Errorf("ParseUnixNano(%q) = %v, want false", bad, got)
		}
	}
}

// FuzzScanAgreesWithEncodingJSON holds the scanner against the standard
// library: the same texts are objects, and their members are the same.
func FuzzScanAgreesWithEncodingJSON(f *testing.F) {
	for _, s := range []string{
		`{}`, ` { "a" : 1 , "b":[1,2,{"c":null}], "a":"x"} `, `{"a":1,}`, `{"a"}`, `[1]`, `{"a":01}`, `{"a":-}`, `{"a":1.}`,
		`{"a":1e}`, `{"a":tru}`, `{"a":"\u12"}`, `{"a":"\x"}`, "{\"a\":\"\x01\"}", `{"a":1} x`, `{"a":[}`, `{"a":{]}`, `{`, ``,
		`{"a":"b`, "\xef\xbb\xbf{}", `{"a":[[[[]]]],"b":{"c":{}}}`, `{"":-0.0e+5}`, "{\"\xff\":\"\xff\"}", `{"a":[1,]}`, `{"a":{"b":1,}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got := map[string]string{}
		err := jsonline.EachMember(text, func(key, value []byte) bool {
			got[jsonline.Unquote(key)] = string(value)
			if jsonline.Check(value) != nil {
				t.Fatalf("value %q of %q is not JSON", value, text)
			}
			return true
		})
		var want map[string]json.RawMessage
		valid := json.Valid(text) && bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte("{"))
		if (err == nil) != valid {
			t.Fatalf("EachMember(%q) = %v, encoding/json says %v", text, err, valid)
		}
		if (jsonline.Check(text) == nil) != json.Valid(text) {
			t.Fatalf("Check(%q) = %v, encoding/json says %v", text, jsonline.Check(text), json.Valid(text))
		}
		if !valid {
			return
		}
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		if len(got) != len(want) {
			t.Fatalf("EachMember(%q) saw %q, want %q", text, got, want)
		}
		for k, v := range want {
			if got[k] != string(v) {
				t.Fatalf("member %q of %q: got %q, want %q", k, text, got[k], v)
			}
		}
	})
}

func TestScanOfDeepNestingNeedsNoStack(t *testing.T) {
	const depth = 5_000_000
	text := `{"a":` + strings.Repeat(`[{"b":`, depth) + "1" + strings.Repeat("}]", depth) + "}"
	if err := jsonline.EachMember([]byte(text), func(_, _ []byte) bool { return true }); err != nil {
		t.Fatal(err)
	}
	if err := jsonline.Check([]byte(text[:len(text)-2])); err == nil {
		t.Fatal("unbalanced nesting was accepted")
	}
	wrong := strings.Repeat("[", 200) + strings.Repeat("]", 130) + "}" + strings.Repeat("]", 69)
	if err := jsonline.Check([]byte(wrong)); err == nil {
		t.Fatal("an array closed by a brace was accepted")
	}
}

// TestALongStringOfEscapesIsScannedOnce takes hours if the end of the string is
// looked for again at each escape, and a moment if it is not.
func TestALongStringOfEscapesIsScannedOnce(t *testing.T) {
	text := []byte(`{"a":"` + strings.Repeat(`\n`, 16<<20) + `"}`)
	if err := jsonline.Check(text); err != nil {
		t.Error(err)
	}
	var got int
	if err := jsonline.EachMember(text, func(_, value []byte) bool {
		got = len(value)
		return true
	}); err != nil || got != 32<<20+2 {
		t.Errorf("got a value of %d bytes, %v, want %d", got, err, 32<<20+2)
	}
	if err := jsonline.Check(text[:len(text)-2]); err == nil {
		t.Error("a string without an end was accepted")
	}
}

func TestEachElement(t *testing.T) {
	var got []string
	if err := jsonline.EachElement([]byte(` [1, "a,]" ,[ ],{"b":[2]}] `), func(v []byte) bool {
		got = append(got, string(v))
		return true
	}); err != nil {
		t.Fatal(err)
	}
	if want := `1 "a,]" [ ] {"b":[2]}`; strings.Join(got, " ") != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, bad := range []string{`{}`, `[1 2]`, `[1,]`, `[`, `[1] 2`, ``} {
		if err := jsonline.EachElement([]byte(bad), func([]byte) bool { return true }); err == nil {
			t.Errorf("EachElement(%s) = nil, want an error", bad)
		}
	}
}

func TestLinesKeepTheirBounds(t *testing.T) {
	var l jsonline.Lines
	for _, s := range []string{"{}\n", "{\"a\":1}\n", "{ }\n"} {
		l.Commit(append(l.Buffer(), s...))
	}
	if l.Len() != 3 || l.Size() != 15 || string(l.Line(1)) != "{\"a\":1}\n" || l.Start(3) != l.End(2) || string(l.Bytes()) != "{}\n{\"a\":1}\n{ }\n" {
		t.Errorf("got %d lines %d bytes, line 1 %q", l.Len(), l.Size(), l.Line(1))
	}
	l.Reset()
	if l.Len() != 0 || l.Size() != 0 {
		t.Error("Reset left lines")
	}
}

func BenchmarkAppendString(b *testing.B) {
	s := strings.Repeat("a plain sentence of a log, ", 8)
	buf := make([]byte, 0, 512)
	b.SetBytes(int64(len(s)))
	b.ReportAllocs()
	for b.Loop() {
		buf = jsonline.AppendString(buf[:0], s)
	}
}

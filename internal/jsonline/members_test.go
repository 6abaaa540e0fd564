package jsonline_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

var wantedKeys = []string{"ts", "event", "session_id", "model", "trace_id", "cost", "input_t", "output_t", "reason", "confidence", "a", ""}

// checkScan holds Keys.Scan against EachMember.
func checkScan(t *testing.T, keys *jsonline.Keys, text []byte) {
	t.Helper()
	got := make([][]byte, len(wantedKeys))
	for i := range got {
		got[i] = []byte("left by the line before")
	}
	err := keys.Scan(text, got)
	want := make([][]byte, len(wantedKeys))
	wantErr := jsonline.EachMember(text, func(key, value []byte) bool {
		for i, k := range wantedKeys {
			if jsonline.Unquote(key) == k {
				want[i] = value
			}
		}
		return true
	})
	if (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() {
		t.Fatalf("Scan(%q) = %v, EachMember says %v", text, err, wantErr)
	}
	if err != nil {
		return
	}
	for i, k := range wantedKeys {
		if !bytes.Equal(got[i], want[i]) || (got[i] == nil) != (want[i] == nil) {
			t.Fatalf("Scan(%q): %q is %q, want %q", text, k, got[i], want[i])
		}
	}
}

// FuzzKeys holds that the fast scan accepts the same texts as the
// straightforward one, for the same reasons, and finds the same values.
func FuzzKeys(f *testing.F) {
	for _, s := range []string{
		usualLine, `{}`, ` { "a" : 1 , "" : [ 1 , 2 , { "ts" : null } ] , "a" : "x" } `, `{"a":1,}`, `{"a"}`, `[1]`, `{"a":01}`, `{"a":-}`,
		`{"a":1.}`, `{"a":1e}`, `{"a":1e+5,"cost":-0.0E-7}`, `{"a":tru}`, `{"a":"\u12"}`, `{"a":"\u12G4"}`, `{"a":"\x"}`, "{\"a\":\"\x01\"}", `{"a":1} x`,
		`{"a":[}`, `{"a":{]}`, `{`, ``, `{"a":"b`, `{"\u0061":1,"a":2,"\u0061":3}`, `{"n":{"a":1,"\u0061":2}}`, `{"a":"long enough \" for \\ words\n"}`,
		`{"a":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + `}`, `{"a":` + strings.Repeat(`{"a":`, 62) + "1" + strings.Repeat("}", 63),
		`{"a":[1,{"a":2},[]],"event":true,"model":false,"cost":null}`, "{\"a\":\"\xff\x80\xa2\xdc\"}", "{\"a\":1}\r", "{\"a\x7f\":1}", "\v{}", "{\"\x1f\":1}",
	} {
		f.Add([]byte(s))
	}
	keys := jsonline.NewKeys(wantedKeys...)
	f.Fuzz(func(t *testing.T, text []byte) { checkScan(t, keys, text) })
}

// TestScanOfChangedLinesIsThatOfTheSlowScan cuts a line at every byte, and
// replaces each of its bytes by each that means something in JSON.
func TestScanOfChangedLinesIsThatOfTheSlowScan(t *testing.T) {
	keys := jsonline.NewKeys(wantedKeys...)
	line := []byte(`{"ts":"2026-02-13T14:30:22.123Z", "event" :"\u00e4\n","cost":-12.50e+3,"a":[1,0,{"a":true},[null]],"reason":false,"otel":{}}`)
	checkScan(t, keys, line)
	for i := range line {
		checkScan(t, keys, line[:i])
		checkScan(t, keys, line[i:])
		for _, c := range []byte("\x00\x1f \t\n\r\"\\/{}[]:,+-.0123456789eEtfnrulasux\x7f\x80\xff") {
			changed := bytes.Clone(line)
			changed[i] = c
			checkScan(t, keys, changed)
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		changed := bytes.Clone(line)
		for range 1 + random.IntN(4) {
			i, j := random.IntN(len(line)), random.IntN(len(line))
			changed[i] = line[j]
		}
		checkScan(t, keys, changed)
	}
}

// FuzzParseNumber holds the numbers that are read in one pass against strconv.
func FuzzParseNumber(f *testing.F) {
	for _, s := range []string{"0", "-0", "-0.0", "1", "-17", "0.0041", "-0.1", "123456789012345", "1234567890123456", "0.00000000000001", "9.9999999999999", "1e3", "1E-7", "9007199254740993", "1.7976931348623159e308"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, lit string) {
		if jsonline.Check([]byte(lit)) != nil || jsonline.KindOf([]byte(lit)) != jsonline.NumberValue || strings.Trim(lit, " \t\r\n") != lit {
			return
		}
		got := jsonline.ParseNumber([]byte(lit))
		want := jsonline.Number{Kind: jsonline.OutOfRange}
		if n, err := strconv.ParseInt(lit, 10, 64); err == nil && lit != "-0" {
			want = jsonline.Number{Kind: jsonline.Int, Int: n}
		} else if f, err := strconv.ParseFloat(lit, 64); err == nil {
			want = jsonline.Number{Kind: jsonline.Float, Float: f}
		}
		if got.Kind != want.Kind || got.Int != want.Int || math.Float64bits(got.Float) != math.Float64bits(want.Float) {
			t.Errorf("ParseNumber(%s) = %+v, want %+v", lit, got, want)
		}
	})
}

func TestUsualNumbersAreThoseOfStrconv(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		digits := strconv.FormatInt(random.Int64N(int64(math.Pow10(1+random.IntN(17)))), 10)
		if point := random.IntN(len(digits)); point > 0 {
			digits = digits[:point] + "." + digits[point:]
		} else {
			digits = "0." + strings.Repeat("0", random.IntN(8)) + digits
		}
		want, err := strconv.ParseFloat(digits, 64)
		if got := jsonline.ParseNumber([]byte(digits)); err != nil || got.Kind != jsonline.Float || got.Float != want {
			t.Fatalf("ParseNumber(%s) = %+v, want %v", digits, got, want)
		}
	}
}

func TestAnyKeysHaveATable(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		var names []string
		seen := map[string]bool{}
		for len(names) < 12 {
			b := make([]byte, 1+random.IntN(12))
			for i := range b {
				b[i] = byte('a' + random.IntN(26))
			}
			if !seen[string(b)] {
				seen[string(b)] = true
				names = append(names, string(b))
			}
		}
		keys := jsonline.NewKeys(names...)
		values := make([][]byte, len(names))
		for i, name := range names {
			if err := keys.Scan([]byte(`{"`+name+`":1}`), values); err != nil || string(values[i]) != "1" {
				t.Fatalf("%v: key %q has value %q, %v", names, name, values[i], err)
			}
		}
	}
}

// TestKeysThatAreAlike: the hash of a set looks at the length and the ends of a
// key, and these have both in common.
func TestKeysThatAreAlike(t *testing.T) {
	set := []string{"session.id", "session_id", "sess.on.id", "ts", "", "session_id"}
	keys := jsonline.NewKeys(set...)
	for i, key := range set[:5] {
		if got := keys.Find([]byte(key)); got != i {
			t.Errorf("Find(%q) = %d, want %d", key, got, i)
		}
	}
	for _, key := range []string{"session-id", "session.iD", "tt"} {
		if got := keys.Find([]byte(key)); got != -1 {
			t.Errorf("Find(%q) = %d, want -1", key, got)
		}
	}
	values := make([][]byte, len(set))
	if err := keys.Scan([]byte(`{"session_id":1,"session-id":2,"session.id":3}`), values); err != nil {
		t.Fatal(err)
	}
	if string(values[0]) != "3" || string(values[1]) != "1" || values[2] != nil {
		t.Errorf("Scan found %q, want 3 under %q and 1 under %q", values, set[0], set[1])
	}
}

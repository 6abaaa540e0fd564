package scan

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestLinesAreComparedInParts compares with what one part says.
func TestLinesAreComparedInParts(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 200 {
		var removed, now strings.Builder
		for range r.IntN(12) {
			line := fmt.Sprintf(`{"n":%d}`+"\n", r.IntN(8))
			removed.WriteString(line)
			if r.IntN(3) > 0 {
				now.WriteString(line)
			}
		}
		old := func() io.Reader { return strings.NewReader(removed.String()) }
		other := func() io.Reader { return strings.NewReader(now.String()) }
		want, err := CompareLines(DefaultMaxLine, old, int64(removed.Len()), other)
		if err != nil {
			t.Fatal(err)
		}
		for _, atOnce := range []int64{1, 2, 5} {
			got, err := compareLinesBy(DefaultMaxLine, atOnce, old, int64(removed.Len()), other)
			if err != nil || got != want {
				t.Errorf("round %d, %d at once: got %+v, %v, want %+v", round, atOnce, got, err, want)
			}
		}
	}
}

func TestTheSameLineSpelledInAnotherWay(t *testing.T) {
	hash := func(text string) uint64 {
		hash, _ := lineHash(line{text: []byte(text), length: int64(len(text))})
		return hash
	}
	const one = `{"a":"é\n","b":[1.0,true,null],"c":{"d":-2e3,"e":{},"f":[]}}`
	for _, other := range []string{
		`{ "a" : "\u00e9\u000a", "b": [1,true , null],"c":{"d":-2000.0 , "e" : { }, "f" : [ ] } }` + "\r",
		`{"a":"é\n","b":[1,true,null],"c":{"d":-2000,"e":{},"f":[]}}`,
		`{"c":{"f":[],"e":{},"d":-2000},"b":[1,true,null],"a":"é\n"}`,
	} {
		if hash(other) != hash(one) {
			t.Errorf("%s is another line", other)
		}
	}
	for _, other := range []string{
		`{"a":"e\n","b":[1.0,true,null],"c":{"d":-2e3,"e":{},"f":[]}}`,
		`{"a":"é\n","b":[1.0,true],"c":{"d":-2e3,"e":{},"f":[]}}`,
		`{"a":"é\n","b":[true,1.0,null],"c":{"d":-2e3,"e":{},"f":[]}}`,
		`{"a":"é\n","b":["1.0",true,null],"c":{"d":-2e3,"e":{},"f":[]}}`,
		`{"a":"é\n","b":[1.0,"true",null],"c":{"d":-2e3,"e":{},"f":[]}}`,
		`{"a":"é\n","b":[1.0,true,null],"c":{"d":2e3,"e":{},"f":[]}}`,
		`{"a":"é\n","b":[1.0,true,null],"c":{"d":-2e3,"e":[],"f":{}}}`,
		`{"a":"é\n","b":[1.0,true,null],"c":{"d":-2e3,"e":{}},"f":[]}`,
		`{"b":"é\n","a":[1.0,true,null],"c":{"d":-2e3,"e":{},"f":[]}}`, `{`,
	} {
		if hash(other) == hash(one) {
			t.Errorf("%s is the same line", other)
		}
	}
}

// TestEqualLinesAreEqualCalls: lines without a uid are compared by their number.
func TestEqualLinesAreEqualCalls(t *testing.T) {
	const tick, other, uid = `{"event":"tick"}` + "\n", `{"event":"other"}` + "\n", `{"log.record.uid":"1"}` + "\n"
	for _, test := range []struct {
		removed, now string
		want         Replacement
	}{
		{tick + tick + tick, tick + tick, Replacement{Common: true, End: int64(2 * len(tick))}},
		{tick + tick + tick, tick + tick + tick, Replacement{Common: true, End: int64(3 * len(tick))}},
		{tick + other + tick, other + tick, Replacement{Common: true, End: int64(len(tick + other))}},
		{tick + tick + other, tick + other, Replacement{Common: true, End: int64(len(tick + tick + other)), Lacks: 1}},
		{uid + uid + uid, uid, Replacement{Common: true, End: int64(3 * len(uid))}},
	} {
		for _, atOnce := range []int64{1, 2, comparedLines} {
			got, err := compareLinesBy(DefaultMaxLine, atOnce,
				func() io.Reader { return strings.NewReader(test.removed) }, int64(len(test.removed)),
				func() io.Reader { return strings.NewReader(test.now) })
			if err != nil || got != test.want {
				t.Errorf("%q became %q, %d at once: got %+v, %v, want %+v", test.removed, test.now, atOnce, got, err, test.want)
			}
		}
	}
}

package auditlog

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
		want, err := compareLines(DefaultMaxLine, old, int64(removed.Len()), other)
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
	hash := func(text string) uint64 { return lineHash(line{text: []byte(text), length: int64(len(text))}) }
	const one = `{"a":"é\n","b":[1.0,true,null],"c":{"d":-2e3}}`
	for _, other := range []string{
		`{ "a" : "\u00e9\u000a", "b": [1,true , null],"c":{"d":-2000.0} }` + "\r",
		`{"a":"é\n","b":[1,true,null],"c":{"d":-2000}}`,
	} {
		if hash(other) != hash(one) {
			t.Errorf("%s is another line", other)
		}
	}
	for _, other := range []string{
		`{"a":"e\n","b":[1.0,true,null],"c":{"d":-2e3}}`, `{"a":"é\n","b":[1.0,true],"c":{"d":-2e3}}`,
		`{"a":"é\n","b":["1.0",true,null],"c":{"d":-2e3}}`, `{"a":"é\n","b":[1.0,true,null],"c":{"d":2e3}}`, `{`,
	} {
		if hash(other) == hash(one) {
			t.Errorf("%s is the same line", other)
		}
	}
}

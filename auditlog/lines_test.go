package auditlog

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// repeated reads as the same text so many times.
type repeated struct {
	text string
	left int
	rest string
}

func (r *repeated) Read(p []byte) (int, error) {
	if r.rest == "" {
		if r.left == 0 {
			return 0, io.EOF
		}
		r.rest, r.left = r.text, r.left-1
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// TestALineThatCannotBeAnEventIsNotHeld has lines of 64 MiB that begin as events
// do.
func TestALineThatCannotBeAnEventIsNotHeld(t *testing.T) {
	const block, blocks = 1 << 16, 1 << 10
	for name, tt := range map[string]struct{ begin, block string }{
		"a torn line and NULs":  {`{"event":"nav","reason":"it is writ`, strings.Repeat("\x00", block)},
		"an object too many":    {`{"event":"nav"}{`, strings.Repeat("x", block)},
		"no object":             {"nonsense ", strings.Repeat("x", block)},
		"a key without a value": {`{"event"}`, strings.Repeat(" ", block)},
		"an unknown escape":     {`{"event":"\x`, strings.Repeat("x", block)},
	} {
		for _, end := range []string{"", "\n{}\n"} {
			src := io.MultiReader(strings.NewReader(tt.begin), &repeated{text: tt.block, left: blocks}, strings.NewReader(end))
			r := newLineReader(src, 0)
			want := int64(len(tt.begin) + block*blocks)
			l, ok := r.next()
			if !ok || l.length != want || int64(len(l.text)) == l.length || l.terminated != (end != "") {
				t.Errorf("%s: got a line of %d bytes, %d of them held, terminated %v, %v; want one of %d, not held", name, l.length, len(l.text), l.terminated, ok, want)
			}
			if got := len(*r.buf); got > 2*hopelessSize {
				t.Errorf("%s: the buffer has %d bytes, want %d at most", name, got, 2*hopelessSize)
			}
			l, ok = r.next()
			if ok != (end != "") || ok && string(l.text) != "{}" {
				t.Errorf("%s: got the line %q, %v behind it", name, l.text, ok)
			}
			if err := r.fault(); err != nil {
				t.Error(err)
			}
			r.release()
		}
	}
}

// TestALongEventIsHeldWhole has events of some MiB that are cut at every place of
// what they repeat where the reader looks at them.
func TestALongEventIsHeldWhole(t *testing.T) {
	for _, text := range []string{`"\u00e9",`, `{"a":"\""},`, `false,`, `-1.5e+7,`, `"é",`, `[[],[]] , `} {
		for shift := range len(text) {
			line := `{"l":[` + strings.Repeat(" ", shift) + strings.Repeat(text, 3*hopelessSize/len(text)) + `0]}`
			if err := jsonline.Check([]byte(line)); err != nil {
				t.Fatal(err)
			}
			r := newLineReader(strings.NewReader(line+"\n"), 0)
			if l, ok := r.next(); !ok || string(l.text) != line {
				t.Errorf("of an event of %d bytes that repeats %s, %d are held", len(line), text, len(l.text))
			}
			r.release()
		}
	}
}

// TestWhatIsCutOffIsNotBroken cuts objects, and what breaks them, anywhere.
func TestWhatIsCutOffIsNotBroken(t *testing.T) {
	whole := []string{
		`{}`, ` {"a" : "b\u00e9\n" , "c":[true,false,null,-1.25e+10,0,{"d":{}},[]] } `, `{"":"\"\\\/","x":[[[]],""],"n":1E5,"t":false}`,
	}
	for _, text := range whole {
		if isBroken([]byte(text)) {
			t.Errorf("%s is broken", text)
		}
		for cut := range len(text) {
			if isBroken([]byte(text[:cut])) {
				t.Errorf("%s is broken, and a part of %s", text[:cut], text)
			}
			for _, more := range []string{"\x00\x00\x00\x00\x00\x00\x00\x00", "}}}}}}}}", "xxxxxxxx", `"""""""""`} {
				begin := []byte(text[:cut] + more)
				if !isBroken(begin) {
					continue
				}
				// Nothing makes an event of it.
				for _, end := range []string{"", `"}`, "}", text[cut:], `":1}`} {
					if jsonline.Check(append(bytes.Clone(begin), end...)) == nil {
						t.Errorf("%s is broken, and an event with %s behind it", begin, end)
					}
				}
			}
		}
	}
}

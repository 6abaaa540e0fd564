package scan

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/otelaudit/otelaudit/internal/archive"
	"github.com/otelaudit/otelaudit/internal/jsonline"
	"github.com/otelaudit/otelaudit/internal/trials"
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
			r := newLineReader(src, 0, DefaultMaxLine)
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
		for shift := range trials.Of(len(text)) {
			line := `{"l":[` + strings.Repeat(" ", shift) + strings.Repeat(text, 3*hopelessSize/len(text)) + `0]}`
			if err := jsonline.Check([]byte(line)); err != nil {
				t.Fatal(err)
			}
			r := newLineReader(strings.NewReader(line+"\n"), 0, DefaultMaxLine)
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

// TestALineThatIsTooLongIsNotHeld has events of twice the longest line.
func TestALineThatIsTooLongIsNotHeld(t *testing.T) {
	const longest = 5 << 20
	for _, end := range []string{"", `"}`, `"}` + "\n{}\n"} {
		begin := `{"event":"`
		block := strings.Repeat("x", 1<<16)
		src := io.MultiReader(strings.NewReader(begin), &repeated{text: block, left: 2 * longest / len(block)}, strings.NewReader(end))
		r := newLineReader(src, 0, longest)
		end, more, ended := strings.Cut(end, "\n")
		want := int64(len(begin) + 2*longest + len(end))
		l, ok := r.next()
		if !ok || !l.tooLong || l.length != want || len(l.text) > hopelessPrefix || l.terminated != ended {
			t.Errorf("got a line of %d bytes, %d of them held, too long %v, terminated %v, %v; want one of %d", l.length, len(l.text), l.tooLong, l.terminated, ok, want)
		}
		if got := cap(*r.buf); got > longest+longest/4 {
			t.Errorf("the buffer has %d bytes, want not much more than %d", got, longest)
		}
		if l, ok = r.next(); ok != (more != "") || ok && string(l.text) != "{}" {
			t.Errorf("got the line %q, %v behind it", l.text, ok)
		}
		r.release()
	}
}

// TestOneLongLineIsHeldAtATime scans files of long lines side by side, and ends while
// they wait for each other.
func TestOneLongLineIsHeldAtATime(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	dir := t.TempDir()
	line := `{"event":"` + strings.Repeat("x", 3*hopelessSize) + `"}` + "\n"
	const files = 12
	source := NewSource(filepath.Join(dir, "audit.jsonl"), slog.New(slog.DiscardHandler), DefaultMaxLine)
	var sections []Section
	for i := range files {
		name := archive.ID{Stamp: "20260213_143022", N: i}.PlainName("audit")
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.Repeat(line, 2)), 0o600); err != nil {
			t.Fatal(err)
		}
		sections = append(sections, Section{File: source.Archive(archive.ID{Stamp: "20260213_143022", N: i}, true), To: math.MaxInt64})
	}
	for _, stopAt := range []int{1, 5, 2 * files} {
		ctx, cancel := context.WithCancel(t.Context())
		var read, delivered, ahead atomic.Int64
		newPart := func() *longPart { return &longPart{read: &read, delivered: &delivered, ahead: &ahead} }
		_, err := Parallel(ctx, sections, 0, newPart, func(p *longPart, _ int64) bool {
			if n := delivered.Add(int64(p.events)); n >= int64(stopAt) && stopAt < 2*files {
				cancel()
			}
			return true
		})
		if stopAt < 2*files {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("stopped at %d: got %v", stopAt, err)
			}
		} else if err != nil || delivered.Load() != 2*files {
			t.Errorf("got %d events, %v, want %d", delivered.Load(), err, 2*files)
		}
		// Of the section in turn one part may be on its way, one in the channel, and one
		// being made.
		if n := ahead.Load(); n > 3 {
			t.Errorf("%d long lines were read before they were delivered, want 3 at most", n)
		}
		cancel()
	}
}

// longPart takes down how many events are read and not delivered.
type longPart struct {
	DamageList
	events                 int
	read, delivered, ahead *atomic.Int64
}

func (p *longPart) Event(*Scanner) {
	p.events++
	read := p.read.Add(1)
	for {
		most, now := p.ahead.Load(), read-p.delivered.Load()
		if now <= most || p.ahead.CompareAndSwap(most, now) {
			return
		}
	}
}

func (p *longPart) Full() bool { return true }

package auditlog_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// nextModel is a log to which everything happens that Next follows without
// telling an event twice. One writer appends numbered lines.
type nextModel struct {
	t       *testing.T
	random  *rand.Rand
	dir     string
	writing string // path of the file that is written to; "": none yet
	lines   int    // that were begun
	partial string // what is missing of the last one
	stamp   int
	plain   []string // archives

	beforeMove func()
}

func (m *nextModel) path() string { return filepath.Join(m.dir, activeName) }

func (m *nextModel) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *nextModel) line(n int) string {
	return fmt.Sprintf("{\"n\":%d,%q:%q}", n, "text", strings.Repeat("x", n*7919%500))
}

// append writes some lines, the last one perhaps in part.
func (m *nextModel) append() string {
	if m.writing == "" {
		m.writing = m.path()
	}
	more := []string{m.partial}
	m.partial = ""
	for range 1 + m.random.IntN(40) {
		more = append(more, m.line(m.lines), "\n")
		m.lines++
	}
	text := strings.Join(more, "")
	if m.random.IntN(3) == 0 {
		cut := m.random.IntN(20)
		text, m.partial = text[:len(text)-cut], text[len(text)-cut:]
	}
	appendText(m.t, m.writing, text)
	return "append"
}

func (m *nextModel) finish() {
	if m.writing != "" {
		appendText(m.t, m.writing, m.partial)
		m.partial = ""
	}
}

// step does something and returns what.
func (m *nextModel) step() string {
	atPath := m.writing == m.path()
	switch m.random.IntN(8) {
	case 0, 1:
		if !atPath {
			break
		}
		m.finish()
		m.stamp++
		archive := filepath.Join(m.dir, fmt.Sprintf("audit_20260213_%06d.jsonl", m.stamp))
		m.must(os.Rename(m.path(), archive))
		m.plain, m.writing = append(m.plain, archive), ""
		return "rotate"
	case 2:
		if len(m.plain) == 0 {
			break
		}
		i := m.random.IntN(len(m.plain))
		content, err := os.ReadFile(m.plain[i])
		m.must(err)
		m.must(os.WriteFile(m.plain[i]+".gz", compress(m.t, string(content)), 0o600))
		m.must(os.Remove(m.plain[i]))
		m.plain = append(m.plain[:i:i], m.plain[i+1:]...)
		return "compress"
	case 3:
		if !atPath {
			break
		}
		m.beforeMove()
		m.writing = filepath.Join(m.t.TempDir(), "moved")
		m.must(os.Rename(m.path(), m.writing))
		return "move"
	case 4:
		if m.writing == "" || atPath {
			break
		}
		m.finish()
		m.writing = ""
		return "notice the move"
	case 5, 6:
		if !atPath {
			break
		}
		what := "repair"
		content, err := os.ReadFile(m.path())
		m.must(err)
		if m.random.IntN(2) == 0 {
			what = "bring back"
			m.must(os.Remove(m.path()))
		} else {
			m.stamp++
			m.must(os.Rename(m.path(), fmt.Sprintf("%s.%d.suspect", m.path(), m.stamp)))
		}
		text := string(content) + m.partial + m.line(m.lines) + "\n"
		m.lines, m.partial = m.lines+1, ""
		m.must(os.WriteFile(m.path()+".repair", []byte(text), 0o600))
		m.must(os.Rename(m.path()+".repair", m.path()))
		return what
	}
	return m.append()
}

func TestNextYieldsEachLineOnceWhateverHappens(t *testing.T) {
	for seed := range uint64(60) {
		m := &nextModel{t: t, random: rand.New(rand.NewPCG(seed, 1)), dir: t.TempDir()}
		p := pursue(t, m.path())
		var got []string
		done := []string{m.append()}
		look := func() {
			done = append(done, "look")
			got = append(got, p.step()...)
		}
		look()
		m.beforeMove = look // a file that was never open cannot be found elsewhere
		for range 60 {
			done = append(done, m.step())
			if m.random.IntN(3) > 0 {
				look()
			}
		}
		m.append()
		m.finish()
		look()
		for n := range max(m.lines, len(got)) {
			if n >= m.lines || n >= len(got) || got[n] != m.line(n) {
				t.Fatalf("seed %d: got %d lines of %d, line %d is the first one that is wrong: %.20q\n%v",
					seed, len(got), m.lines, n, append(got, "")[min(n, len(got))], done)
			}
		}
		if len(p.damage) > 0 {
			t.Fatalf("seed %d: %v\ngot damage %v", seed, done, p.damage)
		}
		m.must(errors.Join(p.snapshot.Close()))
	}
}

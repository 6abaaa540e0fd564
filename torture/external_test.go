//go:build unix

package torture

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// meddling is somebody who does something to the active file under its
// writers, again and again.
type meddling struct {
	dir, path string
	ledger    *ledger
	writers   []*process
}

// meddle runs test for writers that share the log and for a sole owner, who
// does not look at the path with each write.
func meddle(t *testing.T, times int, test func(t *testing.T, m *meddling, times int) result) {
	t.Helper()
	for name, writers := range map[string]int{"sole owner": 1, "shared": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := &meddling{dir: t.TempDir(), ledger: newLedger()}
			m.path = filepath.Join(m.dir, activeName)
			for n := range writers {
				m.writers = append(m.writers, start(t, m.ledger, job{
					Path: m.path, Name: fmt.Sprint("w", n), Goroutines: 2, Batch: 3, Padding: 100,
					SoleOwner: name == "sole owner", Seed: rand.Uint64(),
				}))
			}
			m.more(t, 1)
			r := test(t, m, times)
			for _, e := range m.ledger.said() {
				t.Error("a writer was told:", e)
			}
			settle(t, m.dir)
			counts.add(t, times, r)
		})
	}
}

// more waits until every writer has appended so many events more.
func (m *meddling) more(t *testing.T, n int) {
	t.Helper()
	for _, w := range m.writers {
		if !m.ledger.await(w.name, m.ledger.inFile(w.name)+n) {
			t.Fatalf("%s ended by itself: %s", w.name, w.stderr.String())
		}
	}
}

// stuckAfter is far longer than anything takes to be noticed.
const stuckAfter = time.Minute

// until waits for something to be seen in the folder.
func (m *meddling) until(t *testing.T, what string, seen func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	tooLate := time.After(stuckAfter)
	for !seen() {
		select {
		case <-tick.C:
		case <-tooLate:
			t.Fatalf("%s did not happen within %v", what, stuckAfter)
		}
	}
}

func (m *meddling) thereIsALog() bool {
	_, err := os.Lstat(m.path)
	return err == nil
}

func (m *meddling) finish(t *testing.T) {
	t.Helper()
	for _, w := range m.writers {
		w.finish(t)
	}
}

// TestAMovedFileKeepsItsLines renames the active file under its writers, as
// somebody does who rotates by hand.
func TestAMovedFileKeepsItsLines(t *testing.T) {
	t.Parallel() // most of it is waiting for somebody to notice
	meddle(t, runs(50), func(t *testing.T, m *meddling, times int) result {
		for n := range times {
			if err := os.Rename(m.path, filepath.Join(m.dir, fmt.Sprintf("moved-%03d", n))); err != nil {
				t.Fatal(err)
			}
			m.until(t, "a new active file", m.thereIsALog)
			m.more(t, 50)
		}
		m.finish(t)
		movedFirst := func(names []string) []string {
			names = slices.DeleteFunc(names, func(n string) bool { return !strings.HasPrefix(n, "moved-") })
			slices.Sort(names)
			return append(names, activeName)
		}
		r, problems := m.ledger.compare(read(t, m.dir, movedFirst), terms{promised: inFile})
		report(t, problems)
		return r
	})
}

// TestARemovedFileComesBack removes the active file under its writers.
func TestARemovedFileComesBack(t *testing.T) {
	t.Parallel() // most of it is waiting for somebody to notice
	meddle(t, runs(50), func(t *testing.T, m *meddling, times int) result {
		for range times {
			if err := os.Remove(m.path); err != nil {
				t.Fatal(err)
			}
			m.until(t, "the file's return", m.thereIsALog)
			m.more(t, 50)
		}
		m.finish(t)
		return m.ledger.check(t, m.dir, terms{promised: inFile})
	})
}

// TestATruncationIsToldInTheLog empties the active file under its writers. The
// events before are gone; how many bytes they were stands in the log.
func TestATruncationIsToldInTheLog(t *testing.T) {
	t.Parallel() // most of it is waiting for somebody to notice
	meddle(t, runs(50), func(t *testing.T, m *meddling, times int) result {
		for range times {
			if err := os.Truncate(m.path, 0); err != nil {
				t.Fatal(err)
			}
			m.until(t, "an event that tells of the truncation", func() bool {
				text, err := os.ReadFile(m.path)
				return err == nil && bytes.Contains(text, []byte(`"truncated_length":`))
			})
			m.more(t, 50)
		}
		m.finish(t)
		// What is there is a run of events up to the last one, of each writer.
		c := read(t, m.dir, ownLayout)
		first, next := map[string]int{}, map[string]int{}
		for i := range c.lines {
			l := &c.lines[i]
			if l.damage {
				t.Errorf("damaged: %v", l)
			}
			if l.writer == "" {
				continue
			}
			if _, known := first[l.writer]; !known {
				first[l.writer], next[l.writer] = l.n, l.n
			}
			if l.n != next[l.writer] {
				t.Fatalf("event %d of %s is missing before %v", next[l.writer], l.writer, l)
			}
			next[l.writer]++
		}
		var r result
		for name, a := range m.ledger.writers {
			if next[name] != a.inFile {
				t.Errorf("%s: the last event is %d, want %d", name, next[name]-1, a.inFile-1)
			}
			r.promised += a.inFile - first[name]
			r.found += next[name] - first[name]
		}
		return r
	})
}

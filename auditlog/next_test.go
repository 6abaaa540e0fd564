package auditlog_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/audittest"
	"github.com/otelaudit/otelaudit/internal/history"
	"github.com/otelaudit/otelaudit/internal/scan"
)

// pursuit follows a log by Snapshot.Next, as its documentation says.
type pursuit struct {
	t        *testing.T
	reader   *auditlog.Reader
	snapshot *history.Snapshot
	at       scan.Cursor // in the last file
	changes  []history.Change
	damage   []string
}

func pursue(t *testing.T, path string, opts ...auditlog.ReaderOption) *pursuit {
	t.Helper()
	r, err := auditlog.NewReader(path, opts...)
	if err != nil {
		t.Fatal(err)
	}
	p := &pursuit{t: t, reader: r}
	t.Cleanup(func() {
		if p.snapshot == nil {
			return
		}
		if err := p.snapshot.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// step returns the lines that are new, archived or not.
func (p *pursuit) step() (lines []string) {
	p.t.Helper()
	var err error
	if p.snapshot == nil {
		p.snapshot, err = auditlog.HistoryOf(p.reader).Snapshot(p.t.Context())
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
	} else {
		p.snapshot, err = p.snapshot.Next(p.t.Context(), p.at)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	if c := p.snapshot.Change(); c != history.Unchanged {
		p.changes = append(p.changes, c)
	}
	for i, f := range p.snapshot.Files() {
		from := scan.Cursor{}
		if i == 0 {
			from = p.snapshot.From()
		}
		lines = append(lines, p.read(f, from)...)
	}
	if err := p.snapshot.Remember(p.at); err != nil {
		p.t.Fatal(err)
	}
	return lines
}

func (p *pursuit) read(f *scan.File, from scan.Cursor) (lines []string) {
	p.t.Helper()
	p.at = from
	for e, err := range f.Lines(p.t.Context(), from, func(d *scan.DamageError) {
		if !d.Torn() || !f.Active() {
			p.damage = append(p.damage, d.Error())
			p.at = scan.Cursor{Offset: d.Offset + d.Length + 1, Line: d.Line}
		}
	}) {
		if err != nil {
			p.t.Fatal(err)
		}
		if f.Active() && !e.Terminated {
			break
		}
		if e.Line != p.at.Line+1 {
			p.t.Errorf("%s: got line %d after line %d", e.File, e.Line, p.at.Line)
		}
		lines = append(lines, string(e.Raw))
		p.at = scan.Cursor{Offset: e.Offset + int64(len(e.Raw)) + 1, Line: e.Line}
	}
	return lines
}

// want takes a step and checks which events are new by their numbers.
func (p *pursuit) want(numbers ...int) {
	p.t.Helper()
	var got, want []string
	for _, line := range p.step() {
		if !strings.Contains(line, `"event":"auditlog_recovered"`) {
			got = append(got, line[strings.LastIndex(line, `"n"`):])
		}
	}
	for _, n := range numbers {
		want = append(want, fmt.Sprintf(`"n":%d}`, n))
	}
	if d := cmp.Diff(want, got); d != "" {
		p.t.Fatalf("wrong events (-want +got):\n%s", d)
	}
}

func (p *pursuit) wantChanges(want ...history.Change) {
	p.t.Helper()
	if !slices.Equal(p.changes, want) {
		p.t.Errorf("got the changes %v, want %v", p.changes, want)
	}
}

// stormed is what a reader of a storm has got of each writer.
type stormed struct {
	t      *testing.T
	next   []int
	events int
}

func (s *stormed) add(line string) {
	s.t.Helper()
	e, err := auditlog.Entry{Raw: []byte(line)}.Event()
	if err != nil {
		s.t.Fatal(err)
	}
	var w int
	if _, err := fmt.Sscanf(e.SessionID, "w%d", &w); err != nil {
		s.t.Fatalf("%q: %v", e.SessionID, err)
	}
	if e.Attributes["n"] != int64(s.next[w]) {
		s.t.Fatalf("got event %v of writer %d, want %d", e.Attributes["n"], w, s.next[w])
	}
	s.next[w]++
	s.events++
}

// storm starts writers that append and rotate as fast as they can, each with a
// Log of its own as processes have, and waits for them when the test ends.
func storm(t *testing.T, path string, writers, events int) *stormed {
	t.Helper()
	var writing sync.WaitGroup
	for w := range writers {
		log := audittest.Open(t, path, auditlog.WithMaxFileSize(3000), auditlog.WithSyncLines(events+1))
		writing.Go(func() {
			for n := range events {
				if err := log.Append(t.Context(), numbered(fmt.Sprint("w", w), n)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	t.Cleanup(writing.Wait) // before the logs are closed
	return &stormed{t: t, next: make([]int, writers)}
}

func TestNextMissesAndDoublesNothingWhileFilesRotate(t *testing.T) {
	t.Parallel()
	const writers, events = 4, 500
	path := filepath.Join(t.TempDir(), activeName)
	s := storm(t, path, writers, events)
	p := pursue(t, path)
	for s.events < writers*events && !t.Failed() {
		for _, line := range p.step() {
			s.add(line)
		}
	}
	p.want()
	if !slices.Contains(p.changes, history.Rotated) {
		t.Error("there was no rotation")
	}
	for _, c := range p.changes {
		if c != history.Rotated {
			t.Errorf("got the change %v, want rotations only", c)
		}
	}
	if len(p.damage) > 0 {
		t.Errorf("got damage %v", p.damage)
	}
}

// followed is a log beside a pursuit of it.
type followed struct {
	*pursuit
	path string
	log  *auditlog.Log
}

// follow opens a log, appends the events 0 and 1, and follows it behind them.
func follow(t *testing.T) *followed {
	t.Helper()
	path := filepath.Join(t.TempDir(), activeName)
	f := &followed{path: path, log: audittest.Open(t, path)}
	f.append(t, 0, 1)
	f.pursuit = pursue(t, path)
	f.want(0, 1)
	return f
}

func (f *followed) append(t *testing.T, numbers ...int) {
	t.Helper()
	for _, n := range numbers {
		if err := f.log.Append(t.Context(), numbered("w", n)); err != nil {
			t.Fatal(err)
		}
	}
}

func (f *followed) rotate() {
	f.t.Helper()
	if err := f.log.Rotate(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
}

func TestNextFollowsRotations(t *testing.T) {
	f := follow(t)
	f.want()
	f.append(t, 2)
	f.want(2)
	f.append(t, 3)
	f.rotate()
	f.append(t, 4)
	f.want(3, 4)
	// Several at once, compressed before they are looked at.
	for n := 5; n < 9; n++ {
		f.append(t, n)
		f.rotate()
	}
	auditlog.WaitForCompression(f.log)
	f.append(t, 9)
	f.want(5, 6, 7, 8, 9)
	first := f.snapshot.Files()[0]
	f.want()
	f.wantChanges(history.Rotated, history.Rotated)
	// A file that was left behind is read as the archive that it became.
	if first.Active() || first.Path == f.path {
		t.Errorf("the file that was rotated is %s, active %t", first.Path, first.Active())
	}
	if got := len(f.read(first, scan.Cursor{})); got != 2 {
		t.Errorf("got %d events of the file that was rotated, want 2", got)
	}
}

func TestNextGoesOnWithoutAnActiveFile(t *testing.T) {
	r := putLog(t, map[string]string{archiveName: "{\"n\":0}\n"})
	path := filepath.Join(t.TempDir(), activeName)
	p := pursue(t, path)
	p.want() // there is no log
	p.reader, path = r, onlyFile(t, r)
	p.want(0)
	p.want()
	log := audittest.Open(t, filepath.Join(filepath.Dir(path), activeName))
	if err := log.Append(t.Context(), numbered("w", 1)); err != nil {
		t.Fatal(err)
	}
	p.want(1)
	if err := log.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.want()
	p.wantChanges(history.Rotated)
}

func TestNextLeavesOutArchivesThatWereNotAskedFor(t *testing.T) {
	r := putLog(t, map[string]string{archiveName: "{\"n\":0}\n", activeName: "{\"n\":1}\n"})
	p := pursue(t, r.Path(), auditlog.WithActiveOnly())
	p.want(1)
	if err := os.Rename(r.Path(), filepath.Join(t.TempDir(), "mine")); err != nil {
		t.Fatal(err)
	}
	log := audittest.Open(t, r.Path())
	add := func(n int) {
		t.Helper()
		if err := log.Append(t.Context(), numbered("w", n)); err != nil {
			t.Fatal(err)
		}
	}
	add(2)
	p.want(2)
	// Those that are made later are asked for.
	for n := 3; n < 6; n++ {
		add(n)
		if err := log.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	p.want(3, 4, 5)
	p.wantChanges(history.Left, history.Rotated)
}

func TestNextNoticesTruncationWithoutRemember(t *testing.T) {
	r := putLog(t, map[string]string{activeName: "{\"n\":1}\n{\"n\":2}\n"})
	s, err := auditlog.HistoryOf(r).Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := pursue(t, r.Path())
	p.snapshot, p.at = s, scan.Cursor{Offset: 16, Line: 2}
	if err := os.Truncate(r.Path(), 8); err != nil {
		t.Fatal(err)
	}
	p.want(1) // where it changed is not known
	p.wantChanges(history.Truncated)
}

func TestNextReadsAMovedFileToItsEnd(t *testing.T) {
	f := follow(t)
	f.append(t, 2)
	if err := os.Rename(f.path, filepath.Join(t.TempDir(), "mine")); err != nil {
		t.Fatal(err)
	}
	f.want(2)
	f.append(t, 3)
	f.want(3)
	f.append(t, 4)
	f.want(4)
	f.wantChanges(history.Left)
}

func TestNextReadsARemovedFileOnInWhatBroughtItBack(t *testing.T) {
	f := follow(t)
	if err := os.Remove(f.path); err != nil {
		t.Fatal(err)
	}
	f.want()
	f.append(t, 2) // brings it back
	f.want(2)
	f.wantChanges(history.Copied)
	if err := os.Remove(f.path); err != nil {
		t.Fatal(err)
	}
	f.append(t, 3)
	f.rotate() // and it is an archive already
	auditlog.WaitForCompression(f.log)
	f.append(t, 4)
	f.want(3, 4)
	f.wantChanges(history.Copied, history.Copied)
}

func TestNextBeginsAFileThatReplacesAnother(t *testing.T) {
	f := follow(t)
	f.append(t, 2)
	if err := f.log.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(f.path); err != nil {
		t.Fatal(err)
	}
	f.log = audittest.Open(t, f.path)
	f.append(t, 3)
	f.want(2, 3)
	f.wantChanges(history.Left)
}

func TestNextNoticesTruncation(t *testing.T) {
	for _, test := range []struct {
		name  string
		size  int64
		after []int // events that are appended before it is looked at
	}{
		{"to nothing", 0, nil},
		{"to nothing, and one more", 0, []int{500}},
		{"to nothing, and as many", 0, numbersUpTo(498)},
		{"to nothing, and more", 0, numbersUpTo(600)},
		{"to a little less", 400 * 80, nil},
		{"to a little less, and more", 400 * 80, numbersUpTo(600)},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := follow(t)
			all := numbersUpTo(500)[2:]
			f.append(t, all...)
			f.want(all...)
			if err := os.Truncate(f.path, test.size); err != nil {
				t.Fatal(err)
			}
			f.append(t, test.after...)
			lines := f.step()
			f.wantChanges(history.Truncated)
			content, err := os.ReadFile(f.path)
			if err != nil {
				t.Fatal(err)
			}
			// Whatever comes is the end of the file, all behind the place where it was
			// cut, and at most 4 KiB and a line before. The line that was cut is damage.
			if len(lines) > 0 {
				from := bytes.LastIndex(content, []byte(lines[0]))
				if int64(from) > test.size || int64(from) < test.size-5000 {
					t.Errorf("got the lines from %d on, want a little before %d", from, test.size)
				}
				if want := bytes.Count(content[from:], []byte{'\n'}); len(lines)+len(f.damage) != want {
					t.Errorf("got %d lines and %d damaged ones, want %d in all", len(lines), len(f.damage), want)
				}
			}
			if len(test.after) > 0 && len(lines) < len(test.after) {
				t.Errorf("got %d lines, want the %d that are new at least", len(lines), len(test.after))
			}
			f.append(t, 7)
			f.want(7)
		})
	}
}

func numbersUpTo(n int) (numbers []int) {
	for i := range n {
		numbers = append(numbers, i)
	}
	return numbers
}

func TestNextWaitsForALineFeed(t *testing.T) {
	r := putLog(t, map[string]string{activeName: "{\"n\":1}\n{\"n\":2}"})
	path := onlyFile(t, r)
	p := pursue(t, path)
	p.want(1)
	p.want()
	for _, part := range []string{"\n{\"n\"", ":3}", "\n"} {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.WriteString(part)
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		switch part {
		case "\n":
			p.want(3)
		case ":3}":
			p.want()
		default:
			p.want(2)
		}
	}
}

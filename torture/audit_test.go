//go:build unix

package torture

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/audittest"
)

// line is a line of a log as it is found in a file.
type line struct {
	file   string
	offset int
	raw    []byte
	damage bool // it is no JSON object with a line feed behind it

	event  string
	writer string // name of the goroutine, if it is one of a writer's events
	n      int
}

// contents is what a log's files hold, in the order of writing.
type contents struct {
	lines  []line
	broken []string // archives that cannot be read, or differ from their other form
}

// layout sorts the names of a folder into those of a log's files, the oldest
// first, the active file last. The plain form of an archive may be among them
// beside the compressed one, behind it.
type layout func(names []string) []string

// archiveName is what FORMAT.md section 1 says of archives.
var archiveName = regexp.MustCompile(`^audit_([0-9]{8}_[0-9]{6})(?:_([0-9]{2,}))?\.jsonl(\.gz)?$`)

// ownLayout is that of FORMAT.md.
func ownLayout(names []string) []string {
	var files []string
	for _, name := range names {
		if archiveName.MatchString(name) {
			files = append(files, name)
		}
	}
	slices.SortFunc(files, func(a, b string) int {
		x, y := archiveName.FindStringSubmatch(a), archiveName.FindStringSubmatch(b)
		i, _ := strconv.Atoi(x[2]) // none is 0
		j, _ := strconv.Atoi(y[2])
		return cmp.Or(cmp.Compare(x[1], y[1]), cmp.Compare(i, j), -cmp.Compare(x[3], y[3]))
	})
	if slices.Contains(names, activeName) {
		files = append(files, activeName)
	}
	return files
}

const activeName = "audit.jsonl"

// read reads a log as it stands, without the help of the code that wrote it.
func read(t *testing.T, dir string, order layout) contents {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	var c contents
	var other string  // name and content of an archive's compressed form
	var packed []byte // when the plain one stands beside it
	for _, name := range order(names) {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if plain, ok := strings.CutSuffix(name, ".gz"); ok {
			if text, err = gunzip(text); err != nil {
				c.broken = append(c.broken, fmt.Sprintf("%s: %v", name, err))
			}
			if slices.Contains(names, plain) {
				other, packed = plain, text
				continue
			}
		} else if name == other && !bytes.Equal(text, packed) {
			c.broken = append(c.broken, name+" and its compressed form differ")
		}
		c.lines = append(c.lines, split(name, text)...)
	}
	return c
}

func gunzip(packed []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if errors.Is(err, io.EOF) {
		err = errors.New("it is empty")
	}
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(z)
	return text, errors.Join(err, z.Close())
}

func split(file string, text []byte) (lines []line) {
	for offset := 0; offset < len(text); {
		raw, _, terminated := bytes.Cut(text[offset:], []byte{'\n'})
		l := line{file: file, offset: offset, raw: raw}
		l.parse(terminated)
		lines = append(lines, l)
		offset += len(raw) + 1
	}
	return lines
}

// parse takes what a writer's event consists of from where FORMAT.md puts it:
// decoding millions of lines as JSON takes longer than writing them.
func (l *line) parse(terminated bool) {
	if !terminated || len(l.raw) == 0 || l.raw[0] != '{' || !json.Valid(l.raw) {
		l.damage = true
		return
	}
	l.event = l.between(`,"event":"`, `"`)
	if l.event != eventName {
		return
	}
	n, err := strconv.Atoi(l.between(`,"n":`, `,`))
	if err == nil && isPadding(l.between(`,"pad":"`, `"}`), n) {
		l.writer, l.n = l.between(`,"session_id":"`, `"`), n
	}
}

func (l *line) between(before, behind string) string {
	_, rest, _ := bytes.Cut(l.raw, []byte(before))
	found, _, _ := bytes.Cut(rest, []byte(behind))
	return string(found)
}

func (l *line) String() string {
	return fmt.Sprintf("%s at byte %d: %.200q", l.file, l.offset, l.raw)
}

// result counts what a log holds of what its writers were promised.
type result struct {
	promised   int // events that have to be there
	found      int // different events that are there
	lost       int // promised and not found
	doubled    int // found more than once
	disordered int // found before an earlier one of the same goroutine
	torn       int // damaged lines
}

func (r result) String() string {
	return fmt.Sprintf("%d events promised, %d found, %d lost, %d doubled, %d disordered, %d torn lines",
		r.promised, r.found, r.lost, r.doubled, r.disordered, r.torn)
}

// sum is that of the results of parallel runs.
type sum struct {
	mu sync.Mutex
	result
}

func (s *sum) add(o result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.promised += o.promised
	s.found += o.found
	s.lost += o.lost
	s.doubled += o.doubled
	s.disordered += o.disordered
	s.torn += o.torn
}

// terms are what a test demands of a log.
type terms struct {
	promised func(*account) int // events of a goroutine that have to be there: the first n
	torn     int                // damaged lines that are allowed
	// window is how many lines of a process whose Append had returned nil at
	// the mark may be gone; 0: not counted.
	window int
	// holes allows that events before others of their goroutine are gone.
	holes bool
}

func inFile(a *account) int { return a.inFile }
func synced(a *account) int { return a.marked.synced }

// compare holds what is found against what was promised. The problems are
// what is not as it has to be.
func (l *ledger) compare(c contents, want terms) (r result, problems []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	problem := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	for _, b := range c.broken {
		problem("broken archive: %s", b)
	}

	seen := map[string]map[int]bool{}
	last := map[string]int{}
	for _, line := range c.lines {
		switch {
		case line.damage:
			r.torn++
			if bytes.Count(line.raw, []byte(`{"ts":`)) > 1 {
				problem("glued lines: %v", &line)
			}
			continue
		case line.writer == "" && !strings.HasPrefix(line.event, "auditlog_"):
			problem("a line that no writer wrote: %v", &line)
			continue
		case line.writer == "":
			continue
		case l.writers[line.writer] == nil:
			problem("an event of nobody: %v", &line)
			continue
		}
		if seen[line.writer] == nil {
			seen[line.writer] = map[int]bool{}
			last[line.writer] = -1
		}
		switch {
		case seen[line.writer][line.n]:
			r.doubled++
			problem("doubled: %v", &line)
		case line.n < last[line.writer]:
			r.disordered++
			problem("behind event %d of its goroutine: %v", last[line.writer], &line)
		}
		seen[line.writer][line.n] = true
		last[line.writer] = max(last[line.writer], line.n)
	}
	if r.torn > want.torn {
		problem("%d torn lines, at most %d are allowed", r.torn, want.torn)
	}

	gone := map[string]int{} // acknowledged, by process
	for _, name := range slices.Sorted(maps.Keys(l.writers)) {
		a := l.writers[name]
		found := seen[name]
		r.found += len(found)
		must := want.promised(a)
		r.promised += must
		missing := 0
		for n := range must {
			if !found[n] {
				missing++
			}
		}
		if missing > 0 {
			r.lost += missing
			problem("%s: %d of %d promised events are lost; %d found, the last is %d", name, missing, must, len(found), last[name])
		}
		if !want.holes && len(found) > 0 && last[name] != len(found)-1 {
			problem("%s: %d events found, but the last is %d", name, len(found), last[name])
		}
		most := a.inFile + a.batch
		if a.refused {
			most = a.inFile
		}
		if len(found) > 0 && last[name] >= most {
			problem("%s: event %d is there, though only %d were told to be (the last word was an error: %v)", name, last[name], a.inFile, a.refused)
		}
		gone[a.process] += max(0, a.marked.acknowledged-len(found))
	}
	for process, n := range gone {
		if want.window > 0 && n >= want.window {
			problem("%s: %d acknowledged lines are gone, fewer than %d are allowed", process, n, want.window)
		}
	}
	return r, problems
}

// check fails the test where compare finds problems, and where the log's own
// reader sees something else than this package.
func (l *ledger) check(t *testing.T, dir string, want terms) result {
	t.Helper()
	c := read(t, dir, ownLayout)
	r, problems := l.compare(c, want)
	report(t, problems)

	checked := map[string]int{} // lines by event: those of one differ in nothing but their values
	for _, line := range c.lines {
		if checked[line.event]++; line.damage || checked[line.event] > 100 {
			continue
		}
		if err := audittest.CheckLine(line.raw); err != nil {
			t.Errorf("not a line of FORMAT.md: %v: %v", &line, err)
		}
	}

	reader, err := auditlog.NewReader(filepath.Join(dir, activeName))
	if err != nil {
		t.Fatal(err)
	}
	v, err := reader.Verify(t.Context(), nil)
	if err != nil && (len(c.lines) > 0 || !errors.Is(err, fs.ErrNotExist)) {
		t.Fatal(err)
	}
	if got, want := int(v.Events), len(c.lines)-r.torn; got != want {
		t.Errorf("the reader of auditlog finds %d events, there are %d", got, want)
	}
	if got := len(v.Damaged); got != r.torn {
		t.Errorf("the reader of auditlog finds %d damaged lines, there are %d", got, r.torn)
	}
	return r
}

// report tells of the first problems; thousands of others would hide them.
func report(t *testing.T, problems []string) {
	t.Helper()
	const most = 10
	for _, p := range problems[:min(len(problems), most)] {
		t.Error(p)
	}
	if len(problems) > most {
		t.Errorf("and %d more problems", len(problems)-most)
	}
}

// settle opens the log once more, as the next start of the program would, and
// checks that nothing half-done is left behind it: every archive is compressed.
func settle(t *testing.T, dir string) {
	t.Helper()
	path := filepath.Join(dir, activeName)
	log, err := auditlog.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Append(t.Context(), auditlog.Event{Name: "auditlog_torture_end"}); err != nil {
		t.Error(err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if m := archiveName.FindStringSubmatch(e.Name()); e.Name() != activeName && (m == nil || m[3] == "") && !leftOnPurpose(e.Name()) {
			t.Errorf("%s is left behind", e.Name())
		}
	}
}

// leftOnPurpose tells the names that are no leftovers: evidence, and what a
// test moved there.
func leftOnPurpose(name string) bool {
	return strings.HasSuffix(name, ".suspect") || strings.HasPrefix(name, "moved-")
}

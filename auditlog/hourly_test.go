package auditlog

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/otelaudit/otelaudit/internal/archive"
	"github.com/otelaudit/otelaudit/internal/scan"
	"github.com/otelaudit/otelaudit/internal/trials"
)

// hourlyModel does to a log what writers, other programs and their
// administrators do.
type hourlyModel struct {
	t      *testing.T
	random *rand.Rand
	dir    string
	path   string
	next   archive.ID
	n      int
	// twice makes lines that tell of a call that others tell of, too.
	twice bool
	// misdate makes lines without a usable time. They arrive while the log is
	// watched, if they come in a step that does not change what was there.
	misdate bool
	arrived map[string]bool // lines without a usable time that a reader saw arrive
	known   map[string]bool // and those that it saw at all
}

func newHourlyModel(t *testing.T, seed uint64) *hourlyModel {
	dir := t.TempDir()
	return &hourlyModel{t: t, random: rand.New(rand.NewPCG(seed, 1)), dir: dir, path: filepath.Join(dir, "audit.jsonl"), next: archive.ID{Stamp: "20260213_143022", N: 0}, misdate: true,
		arrived: make(map[string]bool), known: make(map[string]bool)}
}

func (m *hourlyModel) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

// lines returns random lines, stamped around now, long ago and in the future.
func (m *hourlyModel) lines(n int) string {
	var b strings.Builder
	for range n {
		m.n++
		t := time.Now().Add(-time.Duration(m.random.Int64N(int64(6 * time.Hour))))
		switch m.random.IntN(12) {
		case 0:
			t = t.AddDate(-m.random.IntN(100), 0, 0)
		case 1:
			if m.misdate {
				t = time.Now().Add(time.Duration(1+m.random.IntN(100000)) * time.Hour)
			}
		case 4:
			t = time.Now().Add(time.Duration(m.random.IntN(4)) * time.Minute) // a clock that is a bit ahead
		case 2:
			b.WriteString("broken\n\n")
		case 3:
			if m.misdate {
				fmt.Fprintf(&b, `{"n":%d,"session_id":"s%d","cost":1%s}`+"\n", m.n, m.random.IntN(2), []string{"", `,"ts":"soon"`, `,"ts":17}`}[m.random.IntN(3)])
			}
		}
		ts := []string{
			t.Format(`"` + time.RFC3339Nano + `"`), t.UTC().Format(`"2006-01-02 15:04:05.000000"`), t.Format(`"2006-01-02T15:04:05-0700"`),
			strconv.FormatInt(t.Unix(), 10), strconv.FormatInt(t.UnixMilli(), 10), `"` + strconv.FormatInt(t.UnixNano(), 10) + `"`,
		}
		form := ts[m.random.IntN(len(ts))]
		if t.Year() < 1991 || t.Year() > 2200 {
			form = ts[0]
		}
		fmt.Fprintf(&b, `{"ts":%s,"n":%d,"session_id":"s%d","cost":%v,"input_t":%d}`+"\n", form, m.n, m.random.IntN(2), m.random.ExpFloat64()-0.5, m.random.IntN(100))
		if m.twice && m.random.IntN(3) == 0 {
			b.WriteString(m.call(t))
		}
		if m.misdate && m.random.IntN(20) == 0 {
			fmt.Fprintf(&b, `{"n":%d,"x":%q}`+"\n", m.n, strings.Repeat("x", m.random.IntN(3000)))
		}
	}
	return b.String()
}

// call returns from one to four lines that may tell of one call.
func (m *hourlyModel) call(t time.Time) string {
	m.n++
	var b strings.Builder
	for range 1 + m.random.IntN(4) {
		fmt.Fprintf(&b, `{"ts":%q,"session_id":"s%d"`, t.Format(time.RFC3339Nano), m.random.IntN(2))
		for _, member := range []string{
			`,"otelaudit.span.name":"chat"`, fmt.Sprintf(`,"span_id":"s-%d"`, m.n), fmt.Sprintf(`,"request_id":"q-%d"`, m.n),
			fmt.Sprintf(`,"response_id":"r-%d"`, m.n-m.random.IntN(2)), `,"cost":0.5`, `,"input_t":10`, `,"event":"gemini_cli.api_response"`,
		} {
			if m.random.IntN(2) == 0 {
				b.WriteString(member)
			}
		}
		b.WriteString("}\n")
	}
	return b.String()
}

func (m *hourlyModel) append(text string) {
	f, err := os.OpenFile(m.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	m.must(err)
	_, err = f.WriteString(text)
	m.must(errors.Join(err, f.Close()))
}

func (m *hourlyModel) archives() []string {
	names, err := filepath.Glob(filepath.Join(m.dir, "audit_*"))
	m.must(err)
	return names
}

// rotate makes an archive of the active file, in one of its forms.
func (m *hourlyModel) rotate() {
	content, err := os.ReadFile(m.path)
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	m.must(err)
	m.next.N++
	plain := filepath.Join(m.dir, m.next.PlainName("audit"))
	m.must(os.Rename(m.path, plain))
	switch m.random.IntN(3) {
	case 0:
		m.compress(plain, writeArchive(m.t, string(content)))
	case 1:
		m.compress(plain, gzipped(m.t, content)) // another writer's
	}
}

func (m *hourlyModel) compress(plain string, archive []byte) {
	m.must(os.WriteFile(plain+".gz", archive, 0o600))
	m.must(os.Remove(plain))
}

// usable returns the log as a log of usable times and costs: what Spend, which knows
// nothing of Budgets, sums up as they do. Of the other lines, those that arrived
// while it was watched have the time now, and the rest the usable time before them.
func (m *hourlyModel) usable(now time.Time, watched bool) *Reader {
	var b strings.Builder
	last := ""
	for e, err := range newReader(m.path, newReaderConfig(nil)).Query(m.t.Context(), Filter{OnDamage: func(*DamageError) {}}) {
		if errors.Is(err, os.ErrNotExist) {
			break
		}
		m.must(err)
		line := string(e.Raw)
		at, ok := e.Time()
		ts := at.Format(time.RFC3339Nano)
		if ok && !at.After(now.Add(5*time.Minute)) {
			last = ts
		} else {
			if watched && !m.known[line] {
				m.arrived[line] = true
			}
			m.known[line] = true
			if ts = last; m.arrived[line] {
				ts = now.Format(time.RFC3339Nano)
			}
		}
		var f scan.Fields
		m.must(f.Scan(e.Raw))
		cost := ""
		if c, ok := scan.FiniteValue(f[scan.FieldCost]); ok && c < 0 {
			cost = `,"cost":0`
		}
		fmt.Fprintf(&b, `%s,"ts":%q%s}`+"\n", strings.TrimSuffix(line, "}"), ts, cost)
	}
	path := filepath.Join(m.t.TempDir(), "audit.jsonl")
	m.must(os.WriteFile(path, []byte(strings.ReplaceAll(b.String(), "{,", "{")), 0o600))
	return newReader(path, newReaderConfig(nil))
}

// step does one thing and returns its name.
func (m *hourlyModel) step() string {
	what := m.random.IntN(16)
	m.misdate = what < 12
	switch what {
	default:
		m.append(m.lines(1 + m.random.IntN(30)))
		return "append"
	case 8:
		return "nothing"
	case 9:
		twice := m.twice
		m.twice = false // a line counts in full until its line feed is there
		text := m.lines(2)
		m.twice = twice
		cut := len(text) - 1 // its line feed is missing
		if m.random.IntN(2) == 0 {
			cut = 1 + m.random.IntN(len(text)-1) // it is torn, and what comes next glued to it
		}
		m.append(text[:cut])
		return "append a part"
	case 10:
		m.rotate()
		return "rotate, and no new file yet"
	case 11:
		for range 1 + m.random.IntN(3) {
			m.rotate()
			m.append(m.lines(m.random.IntN(10)))
		}
		return "rotate"
	case 12:
		if info, err := os.Stat(m.path); err == nil {
			m.must(os.Truncate(m.path, m.random.Int64N(info.Size()+1)))
		}
		m.append(m.lines(m.random.IntN(5)))
		return "truncate"
	case 13:
		other := filepath.Join(m.dir, "other")
		m.must(os.WriteFile(other, []byte(m.lines(m.random.IntN(30))), 0o600))
		m.must(os.Rename(other, m.path))
		if m.random.IntN(2) == 0 {
			m.rotate()
		}
		return "replace"
	case 14:
		if names := m.archives(); len(names) > 0 {
			m.must(os.Remove(names[m.random.IntN(len(names))]))
		}
		m.append(m.lines(1)) // with which it shows
		return "remove an archive"
	case 15:
		for _, name := range m.archives() {
			if strings.HasSuffix(name, archive.PlainSuffix) {
				content, err := os.ReadFile(name)
				m.must(err)
				m.compress(name, gzipped(m.t, content))
				break
			}
		}
		return "compress"
	}
}

// TestHourlySpendIsThatOfAWholeRead asks a Reader that remembers, after each of
// many things that happen to a log, and wants what one says that reads all.
func TestHourlySpendIsThatOfAWholeRead(t *testing.T) {
	t.Parallel()
	for seed := range uint64(trials.Of(12)) {
		m := newHourlyModel(t, seed)
		m.append(m.lines(50))
		r := newReader(m.path, newReaderConfig(nil))
		r.log.SectionSize = 700
		var steps []string
		for range 60 {
			steps = append(steps, m.step())
			hours := 1 + m.random.IntN(5)
			if m.random.IntN(10) == 0 {
				hours = 1 << m.random.IntN(20)
			}
			got, err := r.HourlySpend(t.Context(), hours)
			since := time.Now().UTC().Truncate(time.Hour).Add(-time.Duration(hours) * time.Hour)
			want, wantErr := m.usable(time.Now(), len(steps) > 1).Spend(t.Context(), Filter{Since: since, NoDedup: true}, ByNothing)
			if _, statErr := os.Stat(m.path); statErr != nil && len(m.archives()) == 0 {
				wantErr = statErr
			}
			if (err == nil) != (wantErr == nil) || got != want.Total {
				t.Fatalf("seed %d, %q: %d hours: got\n%+v, %v, want\n%+v, %v", seed, steps, hours, got, err, want.Total, wantErr)
			}
		}
	}
}

// TestHourlySpendReadsOnlyWhatIsNew changes what was read before, which a
// second read would notice.
func TestHourlySpendReadsOnlyWhatIsNew(t *testing.T) {
	for _, rotate := range []string{"", "plain", "compressed"} {
		m := newHourlyModel(t, 1)
		line := func(cost int) string {
			return fmt.Sprintf(`{"ts":%q,"cost":%d}`+"\n", time.Now().Format(time.RFC3339Nano), cost)
		}
		m.append(strings.Repeat(line(1), 100))
		r := newReader(m.path, newReaderConfig(nil))
		if got, err := r.HourlySpend(t.Context(), 1); err != nil || got.Cost != 100 {
			t.Fatalf("got %+v, %v", got, err)
		}
		content, err := os.ReadFile(m.path)
		m.must(err)
		f, err := os.OpenFile(m.path, os.O_WRONLY, 0)
		m.must(err)
		_, err = f.WriteAt([]byte(strings.Repeat("x", 500)), int64(len(content)/2))
		m.must(errors.Join(err, f.Close()))
		m.append(line(7))
		if rotate != "" {
			content, err := os.ReadFile(m.path)
			m.must(err)
			plain := filepath.Join(m.dir, m.next.PlainName("audit"))
			m.must(os.Rename(m.path, plain))
			if rotate == "compressed" {
				m.compress(plain, gzipped(t, content))
			}
			m.append(line(10))
			if got, err := r.HourlySpend(t.Context(), 1); err != nil || got.Cost != 117 {
				t.Errorf("rotated, %s: got %+v, %v, want a cost of 117", rotate, got, err)
			}
			continue
		}
		if got, err := r.HourlySpend(t.Context(), 1); err != nil || got.Cost != 107 {
			t.Errorf("got %+v, %v, want a cost of 107", got, err)
		}
	}
}

func TestHourlySpendOfManyCallersAndWriters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	reading, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer reading.Close() //nolint:errcheck // closed for its goroutines only
	const writers, events = 4, 200
	var writing, asking sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		asking.Go(func() {
			last := 0.0
			for {
				got, err := reading.HourlySpend(t.Context(), 1)
				if err != nil || got.Cost < last {
					t.Errorf("got %+v, %v after a cost of %v", got, err, last)
					return
				}
				last = got.Cost
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for range writers {
		writing.Go(func() {
			// A Log of its own is what another process would have.
			log, err := Open(path, WithMaxFileSize(5000), WithSyncLines(1000))
			if err != nil {
				t.Error(err)
				return
			}
			for range events {
				if err := log.Append(t.Context(), Event{Name: "nav", Cost: new(1.0)}); err != nil {
					t.Error(err)
				}
			}
			if err := log.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	writing.Wait()
	close(done)
	asking.Wait()
	if got, err := reading.HourlySpend(t.Context(), 1); err != nil || got.Cost != writers*events {
		t.Errorf("got %+v, %v, want a cost of %d", got, err, writers*events)
	}
}

func BenchmarkHourlySpend(b *testing.B) {
	path := filepath.Join(b.TempDir(), "audit.jsonl")
	line := fmt.Sprintf(`{"ts":%q,"event":"llm.call","cost":0.0041,"input_t":1500,"output_t":250,"x":%q}`+"\n",
		time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), strings.Repeat("x", 220))
	if err := os.WriteFile(path, []byte(strings.Repeat(line, 1000)), 0o600); err != nil {
		b.Fatal(err)
	}
	log, err := Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer log.Close() //nolint:errcheck // a benchmark
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Dir(path), old, old); err != nil {
		b.Fatal(err)
	}
	for _, lines := range []int{0, 1, 1000} {
		b.Run(fmt.Sprintf("new=%d", lines), func(b *testing.B) {
			f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close() //nolint:errcheck // a benchmark
			more := strings.Repeat(line, lines)
			b.ReportAllocs()
			for b.Loop() {
				if lines > 0 {
					b.StopTimer()
					if _, err := f.WriteString(more); err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
				}
				if _, err := log.HourlySpend(b.Context(), 24); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestHourlySpendSeesALineOfTheSameInstant gives the file back its time, as a
// file system does whose times are coarser than two appends.
func TestHourlySpendSeesALineOfTheSameInstant(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	line := fmt.Sprintf(`{"ts":%q,"event":"e","cost":0.5}`+"\n", time.Now().UTC().Format(time.RFC3339Nano))
	r := newReader(path, newReaderConfig(nil))
	at := time.Now().Add(-time.Minute)
	for n := 1; n <= 3; n++ {
		if err := os.WriteFile(path, []byte(strings.Repeat(line, n)), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
		got, err := r.HourlySpend(t.Context(), 1)
		if err != nil || got.Events != int64(n) {
			t.Errorf("after %d lines: got %+v, %v", n, got, err)
		}
	}
}

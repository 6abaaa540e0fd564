package auditlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/klauspost/compress/gzip"

	"github.com/otelaudit/otelaudit/internal/archive"
	"github.com/otelaudit/otelaudit/internal/scan"
	"github.com/otelaudit/otelaudit/internal/trials"
)

// longLine is a length in bytes from which readers look whether a line can be an event.
const longLine = 1 << 20

// randomLog returns lines of every kind: events, damage of every kind, blank
// lines, lines much longer than the sections of the tests.
func randomLog(random *rand.Rand, lines int) []byte {
	var b bytes.Buffer
	for range lines {
		switch random.IntN(14) {
		case 0:
			b.WriteString("broken")
		case 1:
			b.WriteString(strings.Repeat("\x00", random.IntN(300)))
		case 2:
			b.WriteString("\r")
		case 3:
			fmt.Fprintf(&b, `{"event":"long","x":%q}`, strings.Repeat("x", random.IntN(2000)))
		case 4:
			fmt.Fprintf(&b, `{"event":"torn","x":%q`, strings.Repeat("y", random.IntN(50)))
		case 5:
			b.WriteString(`{"event":"nav"}` + "\r")
		case 6:
			b.WriteString("{}")
		default:
			fmt.Fprintf(&b, `{"ts":"2026-02-%02dT%02d:30:22.%03dZ","event":%q,"session_id":"s%d","cost":%v,"input_t":%d,"confidence":%d}`,
				1+random.IntN(28), random.IntN(24), random.IntN(1000),
				[]string{"nav", "validation_fail", "gate_compress", "gate_escalate"}[random.IntN(4)],
				random.IntN(5), random.ExpFloat64()/1000, random.IntN(1000), random.IntN(101))
		}
		b.WriteByte('\n')
	}
	if b.Len() > 0 && random.IntN(2) == 0 {
		b.Truncate(b.Len() - 1 - random.IntN(min(b.Len(), 5)))
	}
	return b.Bytes()
}

func gzipped(t testing.TB, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(content)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// writeFiles writes a log of an active file and some archives.
func writeFiles(t testing.TB, random *rand.Rand, lines int) *Reader {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, content []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i := range random.IntN(5) {
		name, content := archive.ID{Stamp: "20260213_143022", N: i}.PlainName("audit"), randomLog(random, random.IntN(lines))
		if random.IntN(3) > 0 {
			name, content = name+".gz", gzipped(t, content)
			if random.IntN(4) == 0 && len(content) > 40 {
				content = content[:len(content)-1-random.IntN(20)]
			}
		}
		write(name, content)
	}
	write("audit.jsonl", randomLog(random, random.IntN(lines)))
	return newReader(filepath.Join(dir, "audit.jsonl"), newReaderConfig(nil))
}

// observe returns all that the reads of a log say.
func observe(t *testing.T, r *Reader, filter Filter) (all []string) {
	t.Helper()
	note := func(v any, err error) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%+v", v))
	}
	filter.OnDamage = func(d *DamageError) { note(*d, nil) }
	for e, err := range r.Query(t.Context(), filter) {
		note(fmt.Sprintf("%s:%d:%d:%v %s", e.File, e.Line, e.Offset, e.Terminated, e.Raw), err)
	}
	for by := ByNothing; by <= ByMonth; by++ {
		spend, err := r.Spend(t.Context(), filter, by)
		note(spend, err)
	}
	a, err := r.AccuracyMetrics(t.Context(), filter.Since)
	note(a, err)
	g, err := r.GateMetrics(t.Context(), filter.Since, 7)
	for i := range g.Last {
		note(g.Last[i].Outcome, nil)
		g.Last[i].Reason = nil
	}
	note(g, err)
	v, err := r.Verify(t.Context(), func(d *DamageError) { note(*d, nil) })
	v.Damaged = nil
	note(v, err)
	return all
}

// straightforward is what Query says, made by reading one file after the other
// from its beginning.
func straightforward(t *testing.T, r *Reader, m *scan.Matcher) (all []string) {
	t.Helper()
	s, err := r.log.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // read only
	for _, f := range s.Files() {
		err := f.Scan(t.Context(), scan.Cursor{}, func(d *scan.DamageError) { all = append(all, fmt.Sprintf("%+v", *d)) }, func(s *scan.Scanner) bool {
			e := s.Entry
			if matches, _ := m.Matches(&s.Fields); matches {
				all = append(all, fmt.Sprintf("%s:%d:%d:%v %s", e.File, e.Line, e.Offset, e.Terminated, e.Raw))
			}
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// TestSectionsChangeNothing reads random logs with damage in sections of every
// size, on several processors and on one.
func TestSectionsChangeNothing(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for round := range trials.Of(20) {
		r := writeFiles(t, random, 60)
		filter := Filter{}
		if round%3 == 0 {
			filter.Event = "nav"
		}
		straight := straightforward(t, r, scan.NewMatcher(filter.internal()))
		want := observe(t, r, filter)
		if diff := cmp.Diff(straight, want[:len(straight):len(straight)], cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("round %d: -straightforward +got:\n%s", round, diff)
		}
		for range 3 {
			r.log.SectionSize = 20 + random.Int64N(500)
			got := observe(t, r, filter)
			old := runtime.GOMAXPROCS(1)
			alone := observe(t, r, filter)
			runtime.GOMAXPROCS(old)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("round %d: sections of %d: -want +got:\n%s", round, r.log.SectionSize, diff)
			}
			if diff := cmp.Diff(want, alone); diff != "" {
				t.Fatalf("round %d: sections of %d, one processor: -want +got:\n%s", round, r.log.SectionSize, diff)
			}
		}
	}
}

func TestLineLongerThanManySectionsBelongsToOne(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	long := strings.Repeat("x", 3*longLine)
	content := "{}\n{\"long\":\"" + long + "\"}\n" + long + "\n{\"long\":\"" + long + "\"}"
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	r := newReader(path, newReaderConfig(nil))
	want := straightforward(t, r, scan.NewMatcher(scan.Filter{}))
	r.log.SectionSize = 200_000
	got := observe(t, r, Filter{})[:len(want)]
	if diff := cmp.Diff(want, got); diff != "" || len(want) != 4 {
		t.Errorf("-want +got:\n%.1000s", diff)
	}
}

func TestAStoppedReadLeavesNobodyReading(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	r := writeFiles(t, random, 5000)
	r.log.SectionSize = 100
	total := 0
	for _, err := range r.Query(t.Context(), Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		total++
	}
	for _, stop := range []int{1, 2, total / 2, total} {
		synctest.Test(t, func(t *testing.T) { // fails if a goroutine stays behind
			n := 0
			for _, err := range r.Query(t.Context(), Filter{}) {
				if n++; n == stop || err != nil {
					break
				}
			}
			if n != stop {
				t.Errorf("got %d of %d events, want to stop at %d", n, total, stop)
			}
		})
	}
}

func TestACancelledReadIsAnError(t *testing.T) {
	r := writeFiles(t, rand.New(rand.NewPCG(5, 6)), 5000)
	r.log.SectionSize = 1000
	cause := errors.New("enough")
	for n := range 20 {
		ctx, cancel := context.WithCancelCause(t.Context())
		seen, last := 0, error(nil)
		for _, err := range r.Query(ctx, Filter{}) {
			if seen == n*20 {
				cancel(cause)
			}
			seen, last = seen+1, err
		}
		cancel(nil)
		if !errors.Is(last, cause) {
			t.Errorf("cancelled at %d: got %v at %d, want the cause of the context", n*20, last, seen)
		}
	}
}

// TestCancellingAReaderThatWaitsIsAnError cancels while goroutines wait for
// somebody to take what they have found.
func TestCancellingAReaderThatWaitsIsAnError(t *testing.T) {
	dir := t.TempDir()
	lines := []byte(strings.Repeat("{}\n", 10*scan.MaxMatches))
	for _, name := range []string{"audit_20260213_143022.jsonl", "audit.jsonl"} {
		if err := os.WriteFile(filepath.Join(dir, name), lines, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := newReader(filepath.Join(dir, "audit.jsonl"), newReaderConfig(nil))
	for _, at := range []int{1, 10*scan.MaxMatches + 1, 15 * scan.MaxMatches} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			cause, last, n := errors.New("enough"), error(nil), 0
			for _, err := range r.Query(ctx, Filter{}) {
				if n++; n == at {
					synctest.Wait()
					cancel(cause)
					synctest.Wait()
				}
				last = err
			}
			if !errors.Is(last, cause) {
				t.Errorf("cancelled at %d: got %v after %d events, want the cause", at, last, n)
			}
		})
	}
}

// FuzzSections holds that no content and no section size makes a difference.
func FuzzSections(f *testing.F) {
	f.Add([]byte("{}\n{\"a\":1}\nbroken\n\n\r\n{}"), uint8(3))
	f.Add([]byte("\n\n\n"), uint8(1))
	f.Add([]byte("{\"long\":\"a line over many sections\"}\nx"), uint8(2))
	path := filepath.Join(f.TempDir(), "audit.jsonl")
	f.Fuzz(func(t *testing.T, content []byte, size uint8) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		r := newReader(path, newReaderConfig(nil))
		want := straightforward(t, r, scan.NewMatcher(scan.Filter{}))
		r.log.SectionSize = 1 + int64(size)
		var got []string
		filter := Filter{OnDamage: func(d *DamageError) { got = append(got, fmt.Sprintf("%+v", *d)) }}
		for e, err := range r.Query(t.Context(), filter) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprintf("%s:%d:%d:%v %s", e.File, e.Line, e.Offset, e.Terminated, e.Raw))
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

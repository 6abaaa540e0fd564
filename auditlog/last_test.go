package auditlog

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/otelaudit/otelaudit/internal/trials"
)

// damageHandler keeps what is logged of damage.
type damageHandler struct {
	slog.Handler
	seen map[string]bool
}

func (h damageHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h damageHandler) Handle(_ context.Context, record slog.Record) error {
	text := ""
	record.Attrs(func(a slog.Attr) bool {
		text += fmt.Sprintf(" %v", a.Value)
		return true
	})
	h.seen[text] = true
	return nil
}

// TestLastEventsAreTheEndOfAQuery takes the last events of random logs with
// damage, with lines longer than the windows that are read, and wants what a
// query ends with; the damage among them is told of as a query tells of it.
func TestLastEventsAreTheEndOfAQuery(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(7, 8))
	for round := range trials.Of(24) {
		r := writeFiles(t, random, 1+random.IntN(400))
		logged := map[string]bool{}
		r.log.Logger = slog.New(damageHandler{slog.DiscardHandler, logged})
		if round%6 == 0 {
			f, err := os.OpenFile(r.log.Path, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			long := strings.Repeat("z", random.IntN(2*longLine))
			fmt.Fprintf(f, "\n{\"event\":\"nav\",\"x\":%q}\n{\"n\":1}\n%s\n{\"n\":2}\n%s", long, long, []string{"", "\n", "{}"}[random.IntN(3)]) //nolint:errcheck // Close says
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
		}
		for _, event := range []string{"", "nav", "long", "none"} {
			var all []string
			damage := map[string]bool{}
			onDamage := func(d *DamageError) { damage[fmt.Sprintf(" %s %d %d %s", d.File, d.Line, d.Offset, d.Reason)] = true }
			for e, err := range r.Query(t.Context(), Filter{Event: event, OnDamage: onDamage}) {
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, fmt.Sprintf("%s:%d:%v %s", e.File, e.Offset, e.Terminated, e.Raw))
			}
			for _, n := range []int{0, 1, 2, 20, 150, len(all), len(all) + 1} {
				clear(logged)
				last, err := r.LastEvents(t.Context(), n, event)
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, e := range last {
					if e.Line != 0 {
						t.Fatalf("an entry has line %d, want 0", e.Line)
					}
					got = append(got, fmt.Sprintf("%s:%d:%v %s", e.File, e.Offset, e.Terminated, e.Raw))
				}
				if want := all[max(0, len(all)-n):]; !slices.Equal(got, want) {
					t.Fatalf("round %d: the last %d of %q: got\n%.200q, want\n%.200q", round, n, event, got, want)
				}
				for d := range logged {
					if !damage[d] {
						t.Fatalf("round %d: logged%s, which a query does not tell of", round, d)
					}
				}
				if n > len(all) && len(logged) != len(damage) {
					t.Fatalf("round %d: all of the log was read, and %d of %d damages logged", round, len(logged), len(damage))
				}
			}
		}
	}
}

// TestLastEventsReadOnlyTheEnd puts damage before the end, which is met by who
// reads more.
func TestLastEventsReadOnlyTheEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	content := "broken\n" + strings.Repeat(`{"event":"nav"}`+"\n", 100_000)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	logged := map[string]bool{}
	r := newReader(path, newReaderConfig([]ReaderOption{WithLogger(slog.New(damageHandler{slog.DiscardHandler, logged}))}))
	if last, err := r.LastEvents(t.Context(), 20, ""); err != nil || len(last) != 20 || len(logged) != 0 {
		t.Errorf("got %d events, %v and damage %v, want 20 and none", len(last), err, logged)
	}
	if last, err := r.LastEvents(t.Context(), 200_000, ""); err != nil || len(last) != 100_000 || len(logged) != 1 {
		t.Errorf("got %d events, %v and damage %v, want 100000 and one", len(last), err, logged)
	}
}

func BenchmarkLastEvents(b *testing.B) {
	path := filepath.Join(b.TempDir(), "audit.jsonl")
	line := fmt.Sprintf(`{"ts":"2026-02-13T14:30:22.123Z","event":"llm.call","cost":0.0041,"x":%q}`+"\n", strings.Repeat("x", 260))
	if err := os.WriteFile(path, []byte(strings.Repeat(line, 100_000)), 0o600); err != nil {
		b.Fatal(err)
	}
	r := newReader(path, newReaderConfig(nil))
	b.ReportAllocs()
	for b.Loop() {
		if last, err := r.LastEvents(b.Context(), 20, ""); err != nil || len(last) != 20 {
			b.Fatal(len(last), err)
		}
	}
}

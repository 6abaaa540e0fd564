package read

import (
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/otelaudit/otelaudit/auditlog"
)

// lines is the number of lines of the benchmarks, 335 MB.
const lines = 1_000_000

// TestPeersAgree keeps the comparison honest: all sum the same.
func TestPeersAgree(t *testing.T) {
	const n = 5000
	path, db := writePlain(t, n), openDuckDB(t)
	want, err := ours(t.Context(), path)
	if err != nil || want <= 0 {
		t.Fatal(want, err)
	}
	check := func(name string, got float64, err error) {
		t.Helper()
		if err != nil || math.Abs(got-want) > 1e-9*want {
			t.Errorf("%s: got %v, %v, want %v", name, got, err, want)
		}
	}
	got, err := duckDB(t.Context(), db, path)
	check("DuckDB", got, err)
	archives := writeArchives(t, n, malformed)
	got, err = ours(t.Context(), archives)
	check("archives", got, err)
	got, err = duckDB(t.Context(), db, filepath.Join(filepath.Dir(archives), "*.gz"))
	check("DuckDB, archives", got, err)
	if _, err := exec.LookPath("jq"); err != nil {
		t.Log("jq is not installed: not compared")
		return
	}
	got, err = jq(t.Context(), path)
	check("jq", got, err)
}

// contender is one side of a comparison.
type contender struct {
	name string
	sum  func(context.Context) (float64, error)
	once bool // too slow for every round
}

// compare runs the contenders in turn, so that what else the machine does
// meets all of them, and reports medians, and how many times as fast as each
// other one the first is.
func compare(b *testing.B, contenders ...contender) {
	b.Helper()
	times := make([][]float64, len(contenders))
	for b.Loop() {
		for i, c := range contenders {
			if c.once && len(times[i]) > 0 {
				continue
			}
			begin := time.Now()
			if sum, err := c.sum(b.Context()); err != nil || sum <= 0 {
				b.Fatal(c.name, sum, err)
			}
			times[i] = append(times[i], time.Since(begin).Seconds())
		}
	}
	b.ReportMetric(0, "ns/op")
	for i, c := range contenders {
		b.ReportMetric(median(times[i]), c.name+"-s")
		if i > 0 {
			b.ReportMetric(median(times[i])/median(times[0]), "x-"+c.name)
		}
	}
}

func median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}

// BenchmarkSumOfCost reads every line of a log.
func BenchmarkSumOfCost(b *testing.B) {
	db := openDuckDB(b)
	b.Run("plain", func(b *testing.B) {
		path := writePlain(b, lines)
		contenders := []contender{
			{name: "otelaudit", sum: func(ctx context.Context) (float64, error) { return ours(ctx, path) }},
			{name: "duckdb", sum: func(ctx context.Context) (float64, error) { return duckDB(ctx, db, path) }},
		}
		if _, err := exec.LookPath("jq"); err == nil {
			contenders = append(contenders, contender{"jq", func(ctx context.Context) (float64, error) { return jq(ctx, path) }, true})
		} else {
			b.Log("jq is not installed: not compared")
		}
		compare(b, contenders...)
	})
	b.Run("gz", func(b *testing.B) {
		path := writeArchives(b, lines, malformed)
		compare(b,
			contender{name: "otelaudit", sum: func(ctx context.Context) (float64, error) { return ours(ctx, path) }},
			contender{name: "duckdb", sum: func(ctx context.Context) (float64, error) {
				return duckDB(ctx, db, filepath.Join(filepath.Dir(path), "*.gz"))
			}})
	})
}

// BenchmarkSince asks archives for the last ten minutes. None of them holds
// damage: one that does is read, so that it is told of.
func BenchmarkSince(b *testing.B) {
	r, err := auditlog.NewReader(writeArchives(b, lines, 0))
	if err != nil {
		b.Fatal(err)
	}
	filter := auditlog.Filter{Since: start.Add((lines - 600) * time.Second)}
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for _, err := range r.Query(b.Context(), filter) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != 600 {
			b.Fatal(n)
		}
	}
}

// BenchmarkLastEvents reads the end of a large active file.
func BenchmarkLastEvents(b *testing.B) {
	r, err := auditlog.NewReader(writePlain(b, lines))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if last, err := r.LastEvents(b.Context(), 20, ""); err != nil || len(last) != 20 {
			b.Fatal(len(last), err)
		}
	}
}

// BenchmarkHourlySpend asks an open Log again, with lines of another writer
// since the last time or none.
func BenchmarkHourlySpend(b *testing.B) {
	path := writePlain(b, lines/10)
	content, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	thousand := []byte(strings.Join(strings.SplitAfterN(string(content), "\n", 1001)[:1000], ""))
	log, err := auditlog.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer log.Close() //nolint:errcheck // nothing was appended through it
	other, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer other.Close() //nolint:errcheck // a file of the benchmark
	hours := int(time.Since(start).Hours()) + 1
	ask := func(b *testing.B, more []byte) {
		b.Helper()
		if _, err := log.HourlySpend(b.Context(), hours); err != nil {
			b.Fatal(err)
		}
		var times []float64
		for b.Loop() {
			if _, err := other.Write(more); err != nil {
				b.Fatal(err)
			}
			begin := time.Now()
			if _, err := log.HourlySpend(b.Context(), hours); err != nil {
				b.Fatal(err)
			}
			times = append(times, time.Since(begin).Seconds())
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(median(times)*1e6, "µs")
	}
	b.Run("nothing-new", func(b *testing.B) { ask(b, nil) })
	b.Run("1000-new-lines", func(b *testing.B) { ask(b, thousand) })
}

// childLog is the variable that makes this program read a log and say how much
// memory that took at most.
const childLog = "OTELAUDIT_BENCHMARK_LOG"

func TestMain(m *testing.M) {
	if path := os.Getenv(childLog); path != "" {
		if err := printPeak(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// printPeak prints the peak of the resident memory before and after a read.
func printPeak(path string) error {
	before, err := peakKiB()
	if err != nil {
		return err
	}
	if _, err := ours(context.Background(), path); err != nil {
		return err
	}
	after, err := peakKiB()
	if err != nil {
		return err
	}
	fmt.Println(before, after)
	return nil
}

func peakKiB() (kib int64, err error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	_, err = fmt.Sscan(rest, &kib)
	return kib, err
}

// BenchmarkPeakMemory reads a log in a process of its own.
func BenchmarkPeakMemory(b *testing.B) {
	if _, err := peakKiB(); err != nil {
		b.Skip("the system does not tell the peak of memory: ", err)
	}
	archives := func(tb testing.TB, n int) string { return writeArchives(tb, n, malformed) }
	for name, write := range map[string]func(testing.TB, int) string{"plain": writePlain, "gz": archives} {
		b.Run(name, func(b *testing.B) {
			path := write(b, lines)
			var before, after int64
			for b.Loop() {
				child := exec.CommandContext(b.Context(), os.Args[0])
				child.Env = append(os.Environ(), childLog+"="+path)
				out, err := child.Output()
				if err != nil {
					b.Fatal(err)
				}
				if _, err := fmt.Sscan(string(out), &before, &after); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(before)/1024, "MiB-before")
			b.ReportMetric(float64(after)/1024, "MiB")
		})
	}
}

package read

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/otelaudit/otelaudit/auditlog"
)

// malformed is how many lines of a log are not JSON objects, unless there are to
// be none.
const malformed = 10

// start is the time of the first event; one follows each second.
var start = time.Date(2026, 2, 13, 0, 0, 0, 0, time.UTC)

// writeLines writes n lines of about 335 bytes, some of them malformed. next is
// called before each and says where it goes.
func writeLines(n, malformed int, next func() (*bufio.Writer, error)) error {
	random := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		w, err := next()
		if err != nil {
			return err
		}
		if malformed > 0 && i%(n/malformed) == n/malformed/2 {
			if _, err := w.WriteString(`{"ts":"2026-02-13T00:00:00.000Z","event":"llm.call","cost":0.00` + "\n"); err != nil {
				return err
			}
			continue
		}
		input, output := random.IntN(20_000), random.IntN(2_000)
		if _, err := fmt.Fprintf(w, `{"ts":%q,"event":%q,"session_id":"3f0f9a1e-5f0b-4f5e-9d43-%012d","cost":%.6f,"model":"claude-sonnet-4-6",`+
			`"input_t":%d,"output_t":%d,"duration_ms":%d,"log.record.uid":"019c5a50-7b5e-7e58-8%03x-%012x",`+
			`"trace_id":"%016x%016x","span_id":"%016x","trace_flags":"01"}`+"\n",
			start.Add(time.Duration(i)*time.Second).Format("2006-01-02T15:04:05.000Z"), []string{"llm.call", "nav", "brief"}[i%3], i/500,
			float64(input)*3e-6+float64(output)*15e-6, input, output, random.IntN(9000), i%4096, random.Uint64()>>16,
			random.Uint64(), random.Uint64(), random.Uint64()); err != nil {
			return err
		}
	}
	return nil
}

// writePlain writes n lines to one active file and returns its path.
func writePlain(tb testing.TB, n int) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "audit.jsonl")
	f, err := os.Create(path)
	if err != nil {
		tb.Fatal(err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	if err := writeLines(n, malformed, func() (*bufio.Writer, error) { return w, nil }); err != nil {
		tb.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		tb.Fatal(err)
	}
	if err := f.Close(); err != nil {
		tb.Fatal(err)
	}
	return path
}

// writeArchives writes n lines to archives of 10 MiB, which it lets a Log
// compress, and returns the path of the empty active file.
func writeArchives(tb testing.TB, n, malformed int) string {
	tb.Helper()
	const archiveSize = 10 << 20
	dir := tb.TempDir()
	var f *os.File
	w := bufio.NewWriterSize(nil, 1<<20)
	archives := 0
	finish := func() error {
		if f == nil {
			return nil
		}
		if err := w.Flush(); err != nil {
			return err
		}
		return f.Close()
	}
	written := 0
	err := writeLines(n, malformed, func() (*bufio.Writer, error) {
		if written%(archiveSize/335) == 0 {
			if err := finish(); err != nil {
				return nil, err
			}
			name := start.Add(time.Duration(archives) * time.Hour).Format("audit_20060102_150405.jsonl")
			var err error
			if f, err = os.Create(filepath.Join(dir, name)); err != nil {
				return nil, err
			}
			archives++
			w.Reset(f)
		}
		written++
		return w, nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	if err := finish(); err != nil {
		tb.Fatal(err)
	}
	path := filepath.Join(dir, "audit.jsonl")
	log, err := auditlog.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	if err := log.Close(); err != nil { // waits for the compression
		tb.Fatal(err)
	}
	return path
}

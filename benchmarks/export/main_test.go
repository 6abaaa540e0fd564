package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/otelaudit/otelaudit/benchmarks/internal/contest"
)

// TestContestantsWriteTheSameRecords keeps the comparison fair.
func TestContestantsWriteTheSameRecords(t *testing.T) {
	before := flag.Lookup("test.benchtime").Value.String()
	if err := flag.Set("test.benchtime", "1x"); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := flag.Set("test.benchtime", before); err != nil {
			t.Error(err)
		}
	}()
	for _, c := range []contest.Contestant{ours(), stdout(), zero()} {
		path := filepath.Join(t.TempDir(), "audit.jsonl")
		written := false
		testing.Benchmark(func(b *testing.B) {
			if written {
				return
			}
			written = true
			if err := c.Bench(b, path); err != nil {
				t.Errorf("%s: %v", c.Name, err)
			}
		})
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := bytes.Count(text, []byte("\n")); got == 0 || got%batchSize != 0 {
			t.Errorf("%s: got %d lines, want a multiple of %d", c.Name, got, batchSize)
		}
		if got, want := bytes.Count(text, []byte("chatcmpl-9J8K7L6M5N4B3V2C1X0Z")), bytes.Count(text, []byte("\n")); got != want {
			t.Errorf("%s: got the response's id %d times in %d lines", c.Name, got, want)
		}
	}
}

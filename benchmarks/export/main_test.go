package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otelaudit/otelaudit/benchmarks/internal/contest"
	"github.com/otelaudit/otelaudit/internal/recordtest"
)

// once has each benchmark of t run its loop once.
func once(t *testing.T) {
	t.Helper()
	before := flag.Lookup("test.benchtime").Value.String()
	if err := flag.Set("test.benchtime", "1x"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := flag.Set("test.benchtime", before); err != nil {
			t.Error(err)
		}
	})
}

// TestContestantsWriteTheSameRecords keeps the comparison fair.
func TestContestantsWriteTheSameRecords(t *testing.T) {
	once(t)
	line, err := auditLines(t.TempDir(), recordtest.ModelCalls(1))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []contest.Contestant{ours(), stdout(), zero(), simpleUnsynced(), simpleWriting(line), processorSynced(), simpleSynced()} {
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
		if got := bytes.Count(text, []byte("\n")); got == 0 || got%c.Lines != 0 {
			t.Errorf("%s: got %d lines, want a multiple of %d", c.Name, got, c.Lines)
		}
		for line := range bytes.Lines(text) {
			for _, attr := range attributesOf(t) {
				if bytes.Count(line, attr) != 1 {
					t.Fatalf("%s: want %s once in %s", c.Name, attr, line)
				}
			}
		}
	}
}

// attributesOf returns what is in the line of a model call in all spellings.
func attributesOf(t *testing.T) (parts [][]byte) {
	t.Helper()
	recordtest.ModelCalls(1)[0].WalkAttributes(func(kv attribute.KeyValue) bool {
		parts = append(parts, []byte(`"`+kv.Key+`"`))
		return true
	})
	if len(parts) != 12 {
		t.Fatalf("got %d attributes, want 12", len(parts))
	}
	return parts
}

// TestSizesAreThoseOfTheSameRecords has both kinds of line give back the uids.
func TestSizesAreThoseOfTheSameRecords(t *testing.T) {
	records := recordtest.ModelCalls(3)
	ours, err := auditLines(t.TempDir(), records)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := otlpLines(records)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"audit": ours, "OTLP": theirs} {
		lines := slices.Collect(bytes.Lines(text))
		if len(lines) != len(records) {
			t.Fatalf("%s: got %d lines, want %d", name, len(lines), len(records))
		}
		for i, line := range lines {
			attributes := 0
			records[i].WalkAttributes(func(kv attribute.KeyValue) bool {
				attributes++
				if !bytes.Contains(line, []byte(`"`+kv.Key+`"`)) || kv.Key == "log.record.uid" && !bytes.Contains(line, []byte(kv.Value.AsString())) {
					t.Errorf("%s: %s %v is not in %s", name, kv.Key, kv.Value, line)
				}
				return true
			})
			if attributes != 13 {
				t.Errorf("%s: got %d attributes, want 12 and the uid", name, attributes)
			}
			if !json.Valid(line) || !bytes.Contains(line, []byte("build-7")) || !bytes.Contains(line, []byte("example.com/instrumentation/openai")) {
				t.Errorf("%s: not JSON with resource and scope: %s", name, line)
			}
		}
	}
}

// TestProcessorLosesNothingOfABurst: the BatchProcessor may.
func TestProcessorLosesNothingOfABurst(t *testing.T) {
	got, err := burstInto(t.TempDir(), waiting, 20)
	if err != nil || got != goroutines*20 {
		t.Errorf("got %d records, %v, want %d", got, err, goroutines*20)
	}
}

// TestAnErrorOfAPipelineIsReturned, though Emit returns none.
func TestAnErrorOfAPipelineIsReturned(t *testing.T) {
	readOnly, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	p := newPipeline(sdklog.NewSimpleProcessor(&writing{f: readOnly, line: []byte("{}\n")}))
	p.emitter()()
	var failed *fs.PathError
	if err := p.close(); !errors.As(err, &failed) || failed.Op != "write" {
		t.Errorf("got %v, want the error of the write", err)
	}
}

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestMain(m *testing.M) {
	if os.Getenv(asCollector) != "" {
		collectorMain()
		return
	}
	os.Exit(m.Run())
}

// TestEachContestantWritesWhatItIsSent has all of them write the same records,
// the peers a line for each request.
func TestEachContestantWritesWhatItIsSent(t *testing.T) {
	*records, *batch, *clients = 40, 4, 2
	body, err := requestOf(t.Context(), *batch)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range slices.Concat(peers, contestants) {
		path := filepath.Join(t.TempDir(), "out.jsonl")
		perSecond, perMillion, err := c.race(t.Context(), path, body)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if perSecond <= 0 || perMillion <= 0 {
			t.Errorf("%s: %v records/s, %v CPU seconds", c.name, perSecond, perMillion)
		}
		if i == len(peers) {
			continue // nothing written
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want := *records
		if i < len(peers) {
			want = requests()
		}
		if got := bytes.Count(text, []byte("\n")); got != want || bytes.Count(text, []byte("gen_ai.conversation.id")) != *records {
			t.Errorf("%s: got %d lines, want %d with %d records in all", c.name, got, want, *records)
		}
	}
}

package exporter_test

import (
	"os"
	"strings"
	"testing"
)

// TestTheReadmeSaysWhatTheExamplesDo holds each line of Go in the README to be
// a line of the examples, which are compiled and run.
func TestTheReadmeSaysWhatTheExamplesDo(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	// The path is the one thing that an example must not take literally.
	known := map[string]bool{"": true, `log, err := auditlog.Open("audit.jsonl")`: true, "// at the end: provider.Shutdown(ctx), then log.Close()": true}
	for line := range strings.Lines(string(example)) {
		known[strings.TrimSpace(line)] = true
	}
	blocks := strings.Split(string(readme), "```go\n")[1:]
	if len(blocks) == 0 {
		t.Fatal("the README has no Go")
	}
	for _, block := range blocks {
		code, _, _ := strings.Cut(block, "```")
		for line := range strings.Lines(code) {
			if !known[strings.TrimSpace(line)] {
				t.Errorf("no example has the README's line %q", strings.TrimSpace(line))
			}
		}
	}
}

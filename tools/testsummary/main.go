// Command testsummary sums up what go test -json wrote, for .ci/run:
//
//	go run ./testsummary -expected FILE RESULTS...
//
// It lists failed and skipped tests and ends with a line of numbers. It exits
// with 1 if a test or package failed, if no test ran, or if a test was skipped
// that FILE does not expect.
//
// FILE has one test per line, its package, its name and the reason, for example
//
//	example.org/m/disk TestFullDisk   # needs root to mount a small disk
//
// Blank lines and lines that begin with # mean nothing.
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

func main() {
	expected := flag.String("expected", "", "file with the tests that may be skipped")
	flag.Parse()
	ok, err := run(os.Stdout, *expected, flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "testsummary:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

// test is a test, or a package if it has no name.
type test struct {
	pkg, name string
}

func (t test) String() string { return strings.TrimSpace(t.pkg + " " + t.name) }

func compareTests(a, b test) int {
	return cmp.Or(cmp.Compare(a.pkg, b.pkg), cmp.Compare(a.name, b.name))
}

// results holds what became of each test, and why it was skipped.
type results struct {
	action  map[test]string // run, pass, fail or skip
	lastLog map[test]string
}

func run(w io.Writer, expectedFile string, files []string) (ok bool, err error) {
	expected := make(map[test]string)
	if expectedFile != "" {
		if expected, err = readExpected(expectedFile); err != nil {
			return false, err
		}
	}
	res := results{action: make(map[test]string), lastLog: make(map[test]string)}
	for _, file := range files {
		if err := res.read(file); err != nil {
			return false, err
		}
	}
	return res.report(w, expected)
}

func readExpected(path string) (map[test]string, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read expected skips: %w", err)
	}
	expected := make(map[test]string)
	number := 0
	for line := range strings.Lines(string(content)) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		names, reason, _ := strings.Cut(line, "#")
		fields := strings.Fields(names)
		reason = strings.TrimSpace(reason)
		if len(fields) != 2 || reason == "" {
			return nil, fmt.Errorf("read expected skips: %s:%d: want a package, a test and # the reason, got %q", path, number, line)
		}
		expected[test{fields[0], fields[1]}] = reason
	}
	return expected, nil
}

// read adds one file of go test -json. The events are those of
// https://pkg.go.dev/cmd/test2json; lines of another form come from a test
// binary that wrote to the same place, and are not events.
func (r *results) read(path string) (err error) {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read results: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	for lines := bufio.NewReader(f); ; {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var event struct{ Action, Package, Test, Output string }
			if json.Unmarshal(line, &event) == nil {
				r.add(event.Action, test{event.Package, event.Test}, event.Output)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read results %s: %w", path, err)
		}
	}
}

func (r *results) add(action string, t test, output string) {
	switch action {
	case "run", "pass", "fail", "skip":
		if t.name != "" || action == "fail" {
			r.action[t] = action
		}
	case "output":
		output = strings.TrimSpace(output)
		if output != "" && !strings.HasPrefix(output, "=== ") && !strings.HasPrefix(output, "--- ") {
			r.lastLog[t] = output
		}
	}
}

func (r *results) report(w io.Writer, expected map[test]string) (ok bool, err error) {
	var passed, failed, skipped, unexpected int
	var out strings.Builder
	for _, t := range slices.SortedFunc(maps.Keys(r.action), compareTests) {
		switch r.action[t] {
		case "pass":
			passed++
		case "skip":
			skipped++
			reason, known := expected[t]
			if known {
				fmt.Fprintf(&out, "SKIP  %s: %s\n", t, reason)
				continue
			}
			unexpected++
			fmt.Fprintf(&out, "SKIP  %s: NOT EXPECTED: %s\n", t, cmp.Or(r.lastLog[t], "no reason given"))
		default: // failed, or begun and never ended
			if t.name == "" && r.anyFailed(t.pkg) {
				continue // the package failed because of its tests
			}
			failed++
			fmt.Fprintf(&out, "FAIL  %s\n", t)
		}
	}
	if unexpected > 0 {
		out.WriteString("A test that is skipped checks nothing: make it run here, or say in the file of expected skips why it cannot.\n")
	}
	fmt.Fprintf(&out, "%d passed, %d failed, %d skipped\n", passed, failed, skipped)
	if _, err := io.WriteString(w, out.String()); err != nil {
		return false, fmt.Errorf("write summary: %w", err)
	}
	return passed > 0 && failed == 0 && unexpected == 0, nil
}

func (r *results) anyFailed(pkg string) bool {
	for t, action := range r.action {
		if t.pkg == pkg && t.name != "" && (action == "fail" || action == "run") {
			return true
		}
	}
	return false
}

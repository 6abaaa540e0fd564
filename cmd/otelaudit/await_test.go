package main

import (
	"os"
	"regexp"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// awaitPatience ends a test that would wait for ever.
const awaitPatience = 10 * time.Minute

// await FILE PATTERN: waits until something in the file matches the pattern,
// which a process in the background writes to.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await file pattern")
	}
	pattern, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	var content []byte
	for begin := time.Now(); time.Since(begin) < awaitPatience; time.Sleep(5 * time.Millisecond) {
		content, err = os.ReadFile(ts.MkAbs(args[0]))
		if err != nil && !os.IsNotExist(err) {
			ts.Check(err)
		}
		if pattern.Match(content) {
			return
		}
	}
	ts.Fatalf("%s does not match %q:\n%s", args[0], args[1], content)
}

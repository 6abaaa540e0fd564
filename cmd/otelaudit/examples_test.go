package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// ran are the verbs whose examples end by themselves and need nobody else.
var ran = []string{"accuracy", "append", "burn", "gates", "query", "rotate", "spend", "tail", "verify", "version"}

var exampleVerb = regexp.MustCompile(`\botelaudit (\w+)`)

var goesOn = regexp.MustCompile(` (-f|--follow|--live)\b`)

// Every example in the help has flags that exist and values that they take, and
// those of most verbs are run, as a user would, in a shell.
func TestTheExamplesInTheHelpWork(t *testing.T) {
	for _, program := range []string{"sh", "jq"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("the examples need %s: %v", program, err)
		}
	}
	document, err := os.ReadFile(filepath.Join(docsDir, "json.md"))
	if err != nil {
		t.Fatal(err)
	}
	home := logOf(t, fencedBlocks(string(document))["jsonl"][0])
	t.Chdir(home)
	if err := os.WriteFile("other.jsonl", []byte(`{"type":"nav","usd":0.5}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir("backup", 0o700); err != nil {
		t.Fatal(err)
	}
	runs := 0
	for _, cmd := range commands(t) {
		for line := range strings.Lines(cmd.Example) {
			line = strings.TrimSpace(strings.ReplaceAll(line, "/backup/", "backup/"))
			verb := exampleVerb.FindStringSubmatch(line)
			if verb == nil {
				continue
			}
			if slices.Contains(ran, verb[1]) && !goesOn.MatchString(line) {
				sh(t, line)
				runs++
				continue
			}
			// The words of the shell are those of the example; help is printed
			// after the flags were looked at.
			line, _, _ = strings.Cut(line, " | ")
			sh(t, exampleVerb.ReplaceAllString(line, "otelaudit $1 --help")+" > /dev/null")
		}
	}
	if runs < len(ran) {
		t.Errorf("ran %d examples, want at least one for each of %v", runs, ran)
	}
}

func sh(t *testing.T, line string) {
	t.Helper()
	// Without pipefail, which not every sh has, the last program decides; what
	// otelaudit complains of is seen on stderr.
	cmd := exec.CommandContext(t.Context(), "sh", "-c", line)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	err := cmd.Run()
	for complaint := range strings.Lines(stderr.String()) {
		if !appendedEvents.MatchString(complaint) && !strings.HasPrefix(complaint, "otelaudit: watching ") {
			t.Errorf("%s: on stderr: %s", line, complaint)
		}
	}
	if err != nil {
		t.Errorf("%s: %v", line, err)
	}
}

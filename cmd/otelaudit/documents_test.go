package main

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

const repository = "../.."

// documents are those with commands for users. docs/scaling.md is not among
// them: the tests of collector/store run what it says, and docs/json.md has its own.
var documents = []string{"README.md", "CONTRIBUTING.md", "docs/testing.md", "collector/README.md", "examples/README.md"}

// runnable are verbs that a document's commands are run of, beside those whose
// examples in the help are.
var runnable = append([]string{"guard", "replay", "report", "trace"}, ran...)

// inline is a command in the text.
var inline = regexp.MustCompile("`((?:otelaudit [a-z]|go (?:run|test) -C|make [a-z])[^`]*)`")

// TestTheCommandsOfTheDocumentsWork runs what the documents tell a user to type,
// where it ends by itself, and of everything else checks that what it names exists.
func TestTheCommandsOfTheDocumentsWork(t *testing.T) {
	examples, err := os.ReadFile(filepath.Join(docsDir, "json.md"))
	if err != nil {
		t.Fatal(err)
	}
	makefile, err := os.ReadFile(filepath.Join(repository, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	lines := fencedBlocks(string(examples))["jsonl"]
	c := new(collector)
	c.arrived = sync.NewCond(&c.mu)
	server := httptest.NewServer(c)
	defer server.Close()
	root, err := filepath.Abs(repository)
	if err != nil {
		t.Fatal(err)
	}
	home := logOf(t, lines[0]+lines[1])
	t.Chdir(home)
	for name, content := range map[string]string{"collector-output.jsonl": lines[2], "agent.sh": "#!/bin/sh\nexec otelaudit append --event nav\n"} {
		if err := os.WriteFile(name, []byte(content), 0o700); err != nil { //nolint:gosec // a program
			t.Fatal(err)
		}
	}
	w := walk{root: root, makefile: string(makefile), hosts: strings.NewReplacer("http://collector.example:4318", server.URL, "http://localhost:4318", server.URL)}
	for _, name := range documents {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Errorf("%v: take it out of the list if it is gone", err)
			continue
		}
		for _, block := range fencedBlocks(string(text))["sh"] {
			for line := range strings.Lines(strings.ReplaceAll(block, "\\\n", " ")) {
				line, _, _ = strings.Cut(line, "  #")
				if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
					w.command(t, name, line)
				}
			}
		}
		for _, m := range inline.FindAllStringSubmatch(string(text), -1) {
			if strings.HasPrefix(m[1], "otelaudit ") {
				w.check(t, m[1])
			} else {
				w.command(t, name, m[1])
			}
		}
	}
	if w.runs < 4 {
		t.Errorf("%d commands were run, want all of the README", w.runs)
	}
}

// walk is a walk through the documents.
type walk struct {
	root, makefile string
	hosts          *strings.Replacer
	runs           int
}

var (
	goCommand = regexp.MustCompile(`^(?:sudo )?go (?:run|test|build|vet|generate|tool)\b(?: -C (\S+))?(.*)`)
	goPackage = regexp.MustCompile(`(?:^| )(\./\S*|\.)`)
	goGet     = regexp.MustCompile(`^go (?:get|install) github\.com/otelaudit/otelaudit(\S*?)(?:@\S+)?$`)
	makes     = regexp.MustCompile(`^(?:sudo )?make\b(?: ([a-z-]+))?`)

	gatewayKeys = regexp.MustCompile(`^(?:openssl |umask 077$)`)
)

func (w *walk) command(t *testing.T, document, line string) {
	t.Helper()
	verb := exampleVerb.FindStringSubmatch(line)
	switch {
	case strings.HasPrefix(line, "otelaudit "):
		for _, v := range runnable {
			if v == verb[1] && !goesOn.MatchString(line) {
				w.runs++
				if v == "replay" {
					line += " 2> summary" // which is not a complaint
				}
				sh(t, w.hosts.Replace(line))
				return
			}
		}
		w.check(t, line)
	case goGet.MatchString(line):
		w.exists(t, document, line, goGet.FindStringSubmatch(line)[1])
	case goCommand.MatchString(line):
		m := goCommand.FindStringSubmatch(line)
		for _, p := range goPackage.FindAllStringSubmatch(m[2], -1) {
			w.exists(t, document, line, filepath.Join(m[1], strings.TrimSuffix(p[1], "...")))
		}
	case makes.MatchString(line):
		if target := makes.FindStringSubmatch(line)[1]; target != "" && !strings.Contains(w.makefile, "\n"+target+":") {
			t.Errorf("%s: %s: the Makefile has no target %s", document, line, target)
		}
	case strings.HasPrefix(line, ".ci/run"):
		w.exists(t, document, line, ".ci/run")
	case document == "collector/README.md" && gatewayKeys.MatchString(line):
		// The tests of the gateway run these.
	default:
		t.Errorf("%s: %s: nobody runs or checks this", document, line)
	}
}

func (w *walk) exists(t *testing.T, document, line, path string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(w.root, path)); err != nil {
		t.Errorf("%s: %s: %v", document, line, err)
	}
}

// check has the flags of a command looked at, and nothing done.
func (w *walk) check(t *testing.T, line string) {
	t.Helper()
	line = regexp.MustCompile(`[A-Z]{3,}…?`).ReplaceAllString(line, "x")
	sh(t, exampleVerb.ReplaceAllString(line, "otelaudit $1 --help")+" > /dev/null")
}

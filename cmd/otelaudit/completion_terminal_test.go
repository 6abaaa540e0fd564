//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// completionOfBash is the script of completion with what it takes from the package
// bash-completion, where that is not installed.
const completionOfBash = `. /usr/share/bash-completion/bash_completion 2>/dev/null
type -t _get_comp_words_by_ref >/dev/null || _get_comp_words_by_ref() {
	cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words=("${COMP_WORDS[@]}") cword=$COMP_CWORD
}
. ./otelaudit.bash
`

// killLine has readline forget the line. Ctrl-C would drop the keys before it too.
const killLine = "\x15"

// TestCompletionRunsNothingOfALog presses Tab in an interactive bash, whose
// completion script evaluates the command line. The names of two events have a
// common beginning that is a command, which the first Tab would insert.
func TestCompletionRunsNothingOfALog(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("bash is not installed")
	}
	x := startAtTerminal(t, bash, "--norc", "--noprofile", "-i")
	dir := x.cmd.Dir
	if err := os.WriteFile(filepath.Join(dir, "completion.sh"), []byte(completionOfBash), 0o600); err != nil {
		t.Fatal(err)
	}
	x.asks("otelaudit completion bash >otelaudit.bash; . ./completion.sh; echo ready-$((40+2))", "ready-42")
	for _, common := range []string{"$(touch RAN)", "`touch RAN`", "a;touch RAN;"} {
		hostileLog(t, dir, common+"A", common+"B")
		for _, flag := range []string{"query --event", "guard --session"} {
			// The first Tab inserts what all offers begin with, and the next one evaluates it.
			x.types("otelaudit " + flag + " \t\t\t --\t\t" + killLine)
			x.asks("echo done-$((40+2))", "done-42")
		}
	}
	// What is a word is inserted: the common beginning of both names.
	hostileLog(t, dir, "nav-first", "nav-second")
	x.types("otelaudit query --event \t")
	x.sees("nav-")
	x.types(killLine)
	x.asks("echo done-$((40+3))", "done-43")
	if _, err := os.Stat(filepath.Join(dir, "RAN")); !os.IsNotExist(err) {
		t.Errorf("got %v: a command of the log was run", err)
	}
}

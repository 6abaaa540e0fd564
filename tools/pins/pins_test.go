package pins

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestEachActionIsPinnedByItsCommit with its version beside it, so that a reader
// and tools for updates know both.
func TestEachActionIsPinnedByItsCommit(t *testing.T) {
	files, err := filepath.Glob("../../.github/workflows/*.y*ml")
	if err != nil {
		t.Fatal(err)
	}
	pinned := regexp.MustCompile(`uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)
	commits := make(map[string]string) // by action
	count := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			line = strings.TrimRight(line, "\n")
			if !strings.Contains(line, "uses:") {
				continue
			}
			count++
			if !pinned.MatchString(line) {
				t.Errorf("%s: got %q, want an action with a commit of 40 digits and a version", filepath.Base(file), line)
				continue
			}
			_, use, _ := strings.Cut(line, "uses: ")
			action, commit, _ := strings.Cut(use, "@")
			if other, ok := commits[action]; ok && other != commit {
				t.Errorf("%s is pinned to %s and to %s", action, other, commit)
			}
			commits[action] = commit
		}
	}
	if count == 0 {
		t.Error("there is no action: where are the workflows?")
	}
}

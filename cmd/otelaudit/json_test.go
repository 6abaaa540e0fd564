package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What docs/json.md shows is what the command prints.
func TestTheShapesOfJSONAreThoseOfTheDocument(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(docsDir, "json.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := fencedBlocks(string(text))
	home := logOf(t, blocks["jsonl"][0])
	t.Chdir(home)
	if err := os.WriteFile("damaged.jsonl", []byte("{\"event\":\"nav\"}\n{\"event\":\"na\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]int{"traced.jsonl": 1, "spans.jsonl": 2} {
		if err := os.WriteFile(name, []byte(blocks["jsonl"][block]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Date(2026, 2, 14, 15, 40, 0, 0, time.UTC)
	commands := 0
	for _, block := range blocks["console"] {
		for example := range strings.SplitSeq(strings.TrimPrefix(block, "$ "), "\n$ ") {
			commands++
			command, want, _ := strings.Cut(example, "\n")
			var stdout, stderr bytes.Buffer
			code := runAt(t.Context(), now, strings.Fields(command)[1:], streams{in: strings.NewReader(""), out: &stdout, err: &stderr})
			if code != codeDone && code != codeWrong {
				t.Fatalf("%s: exit code %d: %s", command, code, &stderr)
			}
			if diff := cmp.Diff(strings.TrimSpace(want), strings.TrimSpace(strings.ReplaceAll(stdout.String(), home, "/home/me"))); diff != "" {
				t.Errorf("%s (-document +command):\n%s", command, diff)
			}
		}
	}
	if commands < 10 {
		t.Errorf("found %d commands in the document, want all of them", commands)
	}
	checkVersionShape(t, blocks["json"][0])
}

// checkVersionShape compares all members that a version can have.
func checkVersionShape(t *testing.T, document string) {
	t.Helper()
	got, err := json.Marshal(buildOf(&debug.BuildInfo{Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "c"}, {Key: "vcs.time", Value: "t"}, {Key: "vcs.modified", Value: "true"},
	}}, "", "", ""))
	if err != nil {
		t.Fatal(err)
	}
	var want, have map[string]any
	if err := json.Unmarshal([]byte(document), &want); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(got, &have); err != nil {
		t.Fatal(err)
	}
	for key := range have {
		have[key] = want[key] // the values differ from build to build
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("members of version (-document +command):\n%s", diff)
	}
}

// logOf makes a home directory with a log, and returns it.
func logOf(t *testing.T, lines string) string {
	t.Helper()
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	t.Setenv(pathVariable, "")
	if err := os.Mkdir(filepath.Join(home, ".scout"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, ".scout", "audit.jsonl"), []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	return home
}

var fence = regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$")

// fencedBlocks returns the code of a Markdown document by its language.
func fencedBlocks(text string) map[string][]string {
	blocks := make(map[string][]string)
	for _, m := range fence.FindAllStringSubmatch(text, -1) {
		blocks[m[1]] = append(blocks[m[1]], m[2])
	}
	return blocks
}

func TestVersionIsWhatTheBuilderSaysElseWhatWasRecorded(t *testing.T) {
	recorded := &debug.BuildInfo{Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.time", Value: "2026-01-01T00:00:00Z"}, {Key: "vcs.modified", Value: "true"},
	}}
	recorded.Main.Version = "v1.0.0"
	for _, test := range []struct {
		info                        *debug.BuildInfo
		version, commit, commitTime string
		want                        build
	}{
		{new(debug.BuildInfo), "", "", "", build{Version: "(devel)"}},
		{recorded, "", "", "", build{Version: "v1.0.0", Commit: "abc", CommitTime: "2026-01-01T00:00:00Z", Modified: true}},
		{recorded, "v2", "", "", build{Version: "v2", Commit: "abc", CommitTime: "2026-01-01T00:00:00Z", Modified: true}},
		{recorded, "v2", "def", "", build{Version: "v2", Commit: "def"}},
		{recorded, "v2", "def", "2026-02-02T00:00:00Z", build{Version: "v2", Commit: "def", CommitTime: "2026-02-02T00:00:00Z"}},
	} {
		got := buildOf(test.info, test.version, test.commit, test.commitTime)
		got.Go, got.OS, got.Arch = "", "", ""
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%q %q %q (-want +got):\n%s", test.version, test.commit, test.commitTime, diff)
		}
	}
}

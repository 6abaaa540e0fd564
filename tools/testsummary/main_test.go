package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func summary(t *testing.T, expected, events string) (string, bool) {
	t.Helper()
	var out strings.Builder
	ok, err := run(&out, write(t, expected), []string{write(t, events)})
	if err != nil {
		t.Fatal(err)
	}
	return out.String(), ok
}

const (
	pass = `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"--- PASS: TestA\n"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p"}
`
	skip = `{"Action":"run","Package":"p","Test":"TestB/sub"}
{"Action":"output","Package":"p","Test":"TestB/sub","Output":"    b_test.go:7: needs a mount\n"}
{"Action":"output","Package":"p","Test":"TestB/sub","Output":"--- SKIP: TestB/sub\n"}
{"Action":"skip","Package":"p","Test":"TestB/sub"}
`
)

func TestASummaryFailsUnlessAllThatMattersPassed(t *testing.T) {
	for name, test := range map[string]struct {
		expected, events string
		want             string
		wantOK           bool
	}{
		"passed":             {"", pass, "1 passed, 0 failed, 0 skipped", true},
		"no tests":           {"", `{"Action":"skip","Package":"p"}`, "0 passed, 0 failed, 0 skipped", false},
		"unexpected skip":    {"", pass + skip, "SKIP  p TestB/sub: NOT EXPECTED: b_test.go:7: needs a mount", false},
		"expected skip":      {"# known\n\np TestB/sub # no mounts here\n", pass + skip, "SKIP  p TestB/sub: no mounts here", true},
		"another skip":       {"p TestB # no mounts here", pass + skip, "1 passed, 0 failed, 1 skipped", false},
		"failed test":        {"", pass + `{"Action":"fail","Package":"q","Test":"TestC"}` + "\n" + `{"Action":"fail","Package":"q"}`, "FAIL  q TestC\n1 passed, 1 failed", false},
		"failed package":     {"", pass + `{"Action":"fail","Package":"q"}`, "FAIL  q\n1 passed, 1 failed", false},
		"test never ended":   {"", pass + `{"Action":"run","Package":"q","Test":"TestC"}` + "\n" + `{"Action":"fail","Package":"q"}`, "FAIL  q TestC\n1 passed, 1 failed", false},
		"stray output lines": {"", "panic: stray\n" + pass + "\n", "1 passed, 0 failed, 0 skipped", true},
	} {
		t.Run(name, func(t *testing.T) {
			out, ok := summary(t, test.expected, test.events)
			if ok != test.wantOK {
				t.Errorf("ok: got %v, want %v; output:\n%s", ok, test.wantOK, out)
			}
			if !strings.Contains(out, test.want) {
				t.Errorf("got:\n%swant it to contain:\n%s", out, test.want)
			}
		})
	}
}

func TestAnExpectedSkipNeedsAReason(t *testing.T) {
	_, err := run(new(strings.Builder), write(t, "p TestB\n"), nil)
	if err == nil || !strings.Contains(err.Error(), "file:1") {
		t.Errorf("got %v, want an error that names the line", err)
	}
}

func TestMissingResultsAreAnError(t *testing.T) {
	if _, err := run(new(strings.Builder), "", []string{filepath.Join(t.TempDir(), "none")}); err == nil {
		t.Error("got nil, want an error")
	}
}

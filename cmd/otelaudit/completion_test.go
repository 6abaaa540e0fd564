package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// hostileWords are texts that a shell, its completion script or its terminal
// would act on.
var hostileWords = []string{
	"$(touch RAN)A", "$(touch RAN)B", "`touch RAN`", "a;touch RAN", "a&touch RAN", "a|touch RAN", "a\ntouch RAN", "a>RAN", "a<RAN",
	"${IFS}", "$HOME", "~root", "*", "?", "[a]", "{a,b}", "!!", "a\\", "a'b", `a"b`, "a b", "a\tb", "#a", "a=b", "%1", "^a^b",
	"-x", "--help", "(touch RAN)", "a\x1b[2J", "a\x7f", "a\u0085b", "a\u202eb", "ａ；", "grün", "_activeHelp_ x", strings.Repeat("a", maxWord+1), "",
}

// hostileLog writes a log with a line for each word, which is in all texts of it.
func hostileLog(t *testing.T, dir string, words ...string) string {
	t.Helper()
	path := filepath.Join(dir, "audit.jsonl")
	var lines bytes.Buffer
	for i, word := range words {
		text, err := json.Marshal(word)
		if err != nil {
			t.Fatal(err)
		}
		for _, member := range []string{"event", "session_id", "model", "reason"} {
			lines.WriteString(map[bool]string{true: "{", false: ","}[member == "event"] + `"` + member + `":` + string(text))
		}
		lines.WriteString(`,"trace_id":"5b8efff798038103d269b633813f` + strings.Repeat("0", 3) + string("0123456789abcdef"[i%16]) + `"}` + "\n")
	}
	if err := os.WriteFile(path, lines.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestNothingOfALogIsOfferedToAShellThatIsNoWord completes each flag and each
// argument of each verb with a log that has hostile texts only.
func TestNothingOfALogIsOfferedToAShellThatIsNoWord(t *testing.T) {
	path := hostileLog(t, t.TempDir(), append(slices.Clone(hostileWords), "gpt-4o.mini:1@eu/x+y_z")...)
	t.Setenv(pathVariable, path)
	for _, request := range []string{cobra.ShellCompRequestCmd, cobra.ShellCompNoDescRequestCmd} {
		offers := 0
		check := func(args ...string) {
			t.Helper()
			var out, errs bytes.Buffer
			args = append(append([]string{request}, args...), "")
			if code := run(context.Background(), args, streams{in: strings.NewReader(""), out: &out, err: &errs}); code != codeDone {
				t.Errorf("%q: got exit code %d, %s", args, code, errs.String())
			}
			lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
			if last := lines[len(lines)-1]; !strings.HasPrefix(last, ":") {
				t.Errorf("%q: got the last line %q, want a directive", args, last)
			}
			for _, line := range lines[:len(lines)-1] {
				word, about, _ := strings.Cut(line, "\t")
				if strings.HasPrefix(word, "-") && len(args) > 2 {
					continue // a flag of the verb itself
				}
				if !isShellWord(word) || slices.Contains(hostileWords, word) {
					t.Errorf("%q: got %q", args, line)
				}
				for _, hostile := range hostileWords {
					if len(hostile) > 2 && strings.Contains(about, hostile) {
						t.Errorf("%q: got the description %q", args, about)
					}
				}
				if word == "gpt-4o.mini:1@eu/x+y_z" {
					offers++
				}
			}
		}
		root := (&app{streams: streams{out: &bytes.Buffer{}, err: &bytes.Buffer{}}, out: newOutput(&bytes.Buffer{})}).root()
		for _, verb := range root.Commands() {
			check(verb.Name())
			flags := verb.Flags()
			flags.AddFlagSet(root.PersistentFlags())
			flags.VisitAll(func(f *pflag.Flag) {
				if f.NoOptDefVal == "" {
					check(verb.Name(), "--"+f.Name)
				}
			})
		}
		const least = 5 // event, session and model of query, event of tail, session of guard
		if offers < least {
			t.Errorf("%s: the word was offered %d times, want %d or more", request, offers, least)
		}
	}
}

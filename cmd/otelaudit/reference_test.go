package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "write docs/cli.md and docs/man instead of comparing them")

const docsDir = "../../docs"

// docs/cli.md and docs/man are generated, so that they are never stale.
func TestTheReferenceIsWhatTheCommandSays(t *testing.T) {
	want := map[string][]byte{"cli.md": reference(t)}
	for name, page := range manPages(t) {
		want[filepath.Join("man", name)] = page
	}
	if *update {
		for name, content := range want {
			path := filepath.Join(docsDir, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, content, 0o644)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, content := range want {
		got, err := os.ReadFile(filepath.Join(docsDir, name))
		if err != nil {
			t.Errorf("%v: run go generate ./cmd/otelaudit", err)
			continue
		}
		if diff := cmp.Diff(string(content), string(got)); diff != "" {
			t.Errorf("docs/%s is stale: run go generate ./cmd/otelaudit (-want +got):\n%s", name, diff)
		}
	}
	pages, err := fs.Glob(os.DirFS(docsDir), "man/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		if want[filepath.FromSlash(page)] == nil {
			t.Errorf("docs/%s is of no verb: remove it", page)
		}
	}
}

// TestEveryVerbSaysHowToUseIt keeps help complete as verbs are added.
func TestEveryVerbSaysHowToUseIt(t *testing.T) {
	for _, cmd := range commands(t) {
		if cmd.Short == "" || cmd.Long == "" {
			t.Errorf("%s has no description", cmd.CommandPath())
		}
		if cmd.Example == "" && !isCompletion(cmd) {
			t.Errorf("%s has no example", cmd.CommandPath())
		}
	}
}

// isCompletion reports whether cmd is one of cobra's, whose help has the
// examples in its text.
func isCompletion(cmd *cobra.Command) bool {
	return cmd.Name() == "completion" || cmd.HasParent() && cmd.Parent().Name() == "completion"
}

// commands returns the command and all verbs.
func commands(t *testing.T) (all []*cobra.Command) {
	t.Helper()
	a := &app{streams: streams{in: strings.NewReader(""), out: new(bytes.Buffer), err: new(bytes.Buffer)}, clock: clock{now: time.Now(), zone: zone{time.Local, "local"}}}
	a.out = newOutput(a.streams.out)
	root := a.root()
	root.InitDefaultCompletionCmd()
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		all = append(all, cmd)
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() {
				walk(sub)
			}
		}
	}
	walk(root)
	return all
}

// reference is the help of all verbs.
func reference(t *testing.T) []byte {
	var b bytes.Buffer
	b.WriteString("# The command `otelaudit`\n\n" +
		"What `otelaudit --help`, and `otelaudit VERB --help`, print. The shapes of JSON and CSV are in [json.md](json.md). The same as man pages is in [man](man).\n\n" +
		"`go generate ./cmd/otelaudit` writes this file; a test compares it with the command.\n")
	for _, cmd := range commands(t) {
		var help, stderr bytes.Buffer
		args := strings.Fields(cmd.CommandPath() + " --help")[1:]
		if code := run(t.Context(), args, streams{in: strings.NewReader(""), out: &help, err: &stderr}); code != codeDone {
			t.Fatalf("%s --help: exit code %d: %s", cmd.CommandPath(), code, &stderr)
		}
		fmt.Fprintf(&b, "\n## %s\n\n```text\n%s\n```\n", cmd.CommandPath(), strings.TrimSpace(help.String()))
	}
	return b.Bytes()
}

// escapeMarkdown keeps the generator, which takes help for Markdown, from
// reading emphasis into $OTEL_EXPORTER_OTLP_*. Indented lines are code there.
func escapeMarkdown(help string) string {
	var b strings.Builder
	for line := range strings.Lines(help) {
		if !strings.HasPrefix(line, "    ") {
			line = strings.NewReplacer("_", `\_`, "*", `\*`).Replace(line)
		}
		b.WriteString(line)
	}
	return b.String()
}

var manDate = regexp.MustCompile(`(?m)^(\.TH "[^"]*" "1") "[^"]*"`)

// manPages returns the pages without a date: they change with the command only.
func manPages(t *testing.T) map[string][]byte {
	pages, changed := make(map[string][]byte), make(map[*pflag.Flag]bool)
	for _, cmd := range commands(t) {
		cmd.DisableAutoGenTag = true
		cmd.Long = escapeMarkdown(cmd.Long)
		cmd.InitDefaultHelpFlag()
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			// The generator shows the default where one looks for the value.
			if name, usage := pflag.UnquoteUsage(f); name != "" && !changed[f] {
				if f.DefValue != "" {
					usage += " (default " + f.DefValue + ")"
				}
				f.DefValue, f.Usage, changed[f] = name, usage, true
			}
		})
		// Shells read the page of completion itself; what its verbs say is in it.
		if cmd.HasParent() && isCompletion(cmd.Parent()) {
			continue
		}
		var page bytes.Buffer
		if err := doc.GenMan(cmd, &doc.GenManHeader{Source: "otelaudit", Manual: "otelaudit"}, &page); err != nil {
			t.Fatal(err)
		}
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1"
		// Nobody gives a switch a value, and that of the page is its default.
		text := bytes.ReplaceAll(page.Bytes(), []byte(`\fP[=false]`), []byte(`\fP`))
		pages[name] = manDate.ReplaceAll(text, []byte(`$1 ""`))
	}
	return pages
}

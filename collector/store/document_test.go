package store

import (
	"os"
	"strings"
	"testing"
)

const document = "../../docs/scaling.md"

// blocks returns what stands in the code blocks of the document in a language.
func blocks(t *testing.T, language string) []string {
	t.Helper()
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, block := range strings.Split(string(text), "```"+language+"\n")[1:] {
		code, _, ok := strings.Cut(block, "```")
		if !ok {
			t.Fatalf("%s: a code block does not end", document)
		}
		found = append(found, code)
	}
	return found
}

// logsql returns the query that begins with the name as a comment, with old
// replaced by what it is here.
func logsql(t *testing.T, name string, oldnew ...string) string {
	t.Helper()
	for _, code := range blocks(t, "logsql") {
		if strings.HasPrefix(code, "# "+name+"\n") {
			return replaced(t, code, oldnew)
		}
	}
	t.Fatalf("%s has no query %q", document, name)
	return ""
}

// command returns the arguments of the one command line that begins with the
// prefix, with old replaced by what it is here.
func command(t *testing.T, prefix string, oldnew ...string) []string {
	t.Helper()
	var found []string
	for _, code := range blocks(t, "sh") {
		for line := range strings.Lines(strings.ReplaceAll(code, "\\\n", " ")) {
			if strings.HasPrefix(line, prefix) {
				found = append(found, line)
			}
		}
	}
	if len(found) != 1 {
		t.Fatalf("%s has %d commands that begin with %q, want one", document, len(found), prefix)
	}
	return strings.Fields(replaced(t, found[0], oldnew))
}

func replaced(t *testing.T, text string, oldnew []string) string {
	t.Helper()
	for i := 0; i < len(oldnew); i += 2 {
		if !strings.Contains(text, oldnew[i]) {
			t.Fatalf("%s: %q is not in %q", document, oldnew[i], text)
		}
	}
	return strings.NewReplacer(oldnew...).Replace(text)
}

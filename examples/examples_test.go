package examples

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestEachExamplePrintsWhatItSays builds the programs that say in their package
// comment what they print, and runs them.
func TestEachExamplePrintsWhatItSays(t *testing.T) {
	programs, err := filepath.Glob("*/main.go")
	if err != nil {
		t.Fatal(err)
	}
	said := make(map[string]string)
	args := []string{"build", "-o", t.TempDir()}
	for _, program := range programs {
		file, err := parser.ParseFile(token.NewFileSet(), program, nil, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			t.Fatal(err)
		}
		if output, ok := saysItPrints(file.Doc); ok {
			name := filepath.Dir(program)
			said[name] = output
			args = append(args, "./"+name)
		}
	}
	if len(said) < 5 {
		t.Fatalf("%d of %d programs say what they print, want 5 or more", len(said), len(programs))
	}
	if out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	for name, want := range said {
		t.Run(name, func(t *testing.T) {
			var stderr strings.Builder
			cmd := exec.CommandContext(t.Context(), filepath.Join(args[2], name))
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil || stderr.Len() > 0 {
				t.Fatalf("%v\n%s", err, &stderr)
			}
			if diff := cmp.Diff(want, string(out)); diff != "" {
				t.Errorf("(-said +printed):\n%s", diff)
			}
		})
	}
}

// saysItPrints returns the last code block of a package comment that has "It
// prints".
func saysItPrints(doc *ast.CommentGroup) (string, bool) {
	_, text, ok := strings.Cut(doc.Text(), "\nIt prints ")
	if !ok {
		return "", false
	}
	var output strings.Builder
	for line := range strings.Lines(text) {
		if code, ok := strings.CutPrefix(line, "\t"); ok {
			output.WriteString(code)
		}
	}
	return output.String(), output.Len() > 0
}

package file_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/otelaudit/otelaudit/internal/emitters"
	"github.com/otelaudit/otelaudit/internal/emitters/file"
)

// TestWhatIsGeneratedIsThatOfTheFiles: run go generate ./internal/emitters.
func TestWhatIsGeneratedIsThatOfTheFiles(t *testing.T) {
	files, err := file.LoadAll("../data")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(emitters.All)+1 {
		t.Errorf("there are %d files, and %d emitters beside the conventions", len(files), len(emitters.All))
	}
	tables, err := file.Tables(files)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string][]byte{"../tables.go": tables, "../../../docs/emitters.md": file.Document(files)} {
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not that of the files (%v); run go generate ./internal/emitters", path, err)
		}
	}
}

// TestAWrongFileIsRefused says what is wrong with it, and where.
func TestAWrongFileIsRefused(t *testing.T) {
	const rest = `"title":"T","sends":"s","checked":[{"version":"1","how":"run"}],"facts":[{"fact":"f","source":"s"}]`
	for text, want := range map[string]string{
		`{`:                         "unexpected EOF",
		`{"unknown":1}`:             `unknown field "unknown"`,
		`{"title":"T"}`:             "title and sends",
		`{"title":"T","sends":"s"}`: "checked and facts",
		`{` + rest + `,"records":[{"kind":"x"}]}`:                      `records 0: kind "x"`,
		`{` + rest + `,"records":[{"kind":"call","signal":"metric"}]}`: `signal "metric"`,
		`{` + strings.Replace(rest, "run", "guess", 1) + `}`:           `"guess"`,
		`{` + rest + `,"fields":{"cost":[{"ky":"c"}]}}`:                `unknown field "ky"`,
	} {
		path := filepath.Join(t.TempDir(), "x.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := file.Load(path); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v, want %q and the path", text, err, want)
		}
	}
}

package auditlog_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDesignNamesTestsThatExist holds the table "What happens when" of
// DESIGN.md to the tests of this repository.
func TestDesignNamesTestsThatExist(t *testing.T) {
	root, err := os.OpenRoot("..")
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close() //nolint:errcheck // read only
	design, err := root.ReadFile("DESIGN.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(design), "\n## What happens when\n")
	table, _, _ = strings.Cut(table, "\n## ")

	exists := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)
	for _, folder := range []string{"auditlog", "internal/journal", "exporter", "bridge", "torture", "collector/auditlogexporter", "collector/cmd/otelaudit-collector"} {
		names, err := filepath.Glob(filepath.Join("..", folder, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			code, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range declared.FindAllSubmatch(code, -1) {
				exists[string(m[1])] = true
			}
		}
	}

	rows := 0
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || strings.HasPrefix(cells[1], "---") || strings.TrimSpace(cells[3]) == "test" {
			continue
		}
		rows++
		tests := regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(cells[3], -1)
		if len(tests) == 0 {
			t.Errorf("no test is named for %q", strings.TrimSpace(cells[1]))
		}
		for _, m := range tests {
			if !exists[m[1]] {
				t.Errorf("%s, named for %q, does not exist", m[1], strings.TrimSpace(cells[1]))
			}
		}
	}
	if rows < 15 {
		t.Errorf("the table has %d rows; was it moved?", rows)
	}
}

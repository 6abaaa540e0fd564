package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestTheLinterListsTheArrows wants a list of the linter for each package, and no arrow in
// it that is not used.
func TestTheLinterListsTheArrows(t *testing.T) {
	var config struct {
		Linters struct {
			Settings struct {
				Depguard struct {
					Rules map[string]struct {
						Mode  string `yaml:"list-mode"`
						Files []string
						Allow []string
					}
				}
			}
		}
	}
	text, err := os.ReadFile("../../.golangci.yml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	packages, err := list("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range packages {
		rule, ok := config.Linters.Settings.Depguard.Rules[strings.ReplaceAll(p.path, "/", "-")]
		if !ok {
			if p.path != "torture" { // tests only
				t.Errorf("%s has no list in .golangci.yml of what it may import", p.path)
			}
			continue
		}
		if want := []string{"!$test", "${config-path}/" + p.path + "/*.go"}; rule.Mode != "strict" || !slices.Equal(rule.Files, want) {
			t.Errorf("%s: got the mode %q for %q, want strict for %q", p.path, rule.Mode, rule.Files, want)
		}
		var allowed []string
		for _, path := range rule.Allow {
			if path, ours := strings.CutSuffix(path, "$"); ours && strings.HasPrefix(path, module+"/") {
				allowed = append(allowed, short(path))
			}
		}
		for _, name := range p.imports {
			if !slices.Contains(allowed, name) {
				t.Errorf("%s imports %s, which its list in .golangci.yml does not allow", p.path, name)
			}
		}
		for _, name := range allowed {
			if !slices.Contains(p.imports, name) {
				t.Errorf("%s may import %s and does not: take it out of .golangci.yml", p.path, name)
			}
			if strings.HasPrefix(p.path, "internal/") && name == "auditlog" && !slices.Contains(aboveAuditlog, p.name) {
				t.Errorf("%s may import auditlog, which stands above it", p.path)
			}
		}
	}
}

// aboveAuditlog are the internal packages that use the public API.
var aboveAuditlog = []string{"audittest", "demolog"}

package main

import (
	"bytes"
	"debug/buildinfo"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestEachLinkedModuleHasItsLicence in the list that is made for the command.
func TestEachLinkedModuleHasItsLicence(t *testing.T) {
	dir := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", dir+string(filepath.Separator), "./cmd/otelaudit")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	program := filepath.Join(dir, "otelaudit")
	const chart = "../../internal/report/assets/chartjs/LICENSE.md"
	var first, second bytes.Buffer
	for _, w := range []*bytes.Buffer{&first, &second} {
		if err := write(w, program, []string{chart}); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("the same program gave two lists")
	}
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	if len(info.Deps) < 10 {
		t.Fatalf("the program has %d modules: is it the command?", len(info.Deps))
	}
	sections := strings.Split(first.String(), "\n"+strings.Repeat("=", 80)+"\n")
	want := []string{"Go (runtime and standard library): LICENSE", "chartjs: LICENSE.md"}
	for _, m := range info.Deps {
		want = append(want, m.Path+" "+m.Version+": ")
	}
	for _, name := range want {
		found := false
		for _, s := range sections {
			if strings.HasPrefix(s, name) && (strings.Contains(s, "Copyright") || strings.Contains(s, "Apache License")) {
				found = true
			}
		}
		if !found {
			t.Errorf("%s has no licence in the list", name)
		}
	}
}

// TestAModuleWithoutALicenceIsAnError, and so is a file that is no program.
func TestAModuleWithoutALicenceIsAnError(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "README.md"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeFolder(new(bytes.Buffer), "example.com/m", dir); err == nil || !strings.Contains(err.Error(), "example.com/m has no licence") {
		t.Errorf("got %v, want an error that names the module", err)
	}
	if err := write(new(bytes.Buffer), filepath.Join(dir, "README.md"), nil); err == nil {
		t.Error("a file that is no program: got no error")
	}
}

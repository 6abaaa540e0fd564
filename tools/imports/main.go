// Command imports prints the packages of this module, each with the packages of this
// module that it imports:
//
//	go run -C tools ./imports
//
// .golangci.yml lists these arrows. A package that imports another one that its list does
// not name fails the linter.
package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

const module = "github.com/otelaudit/otelaudit"

func main() {
	packages, err := list("..")
	if err != nil {
		fmt.Fprintln(os.Stderr, "imports:", err)
		os.Exit(1)
	}
	width := 0
	for _, p := range packages {
		width = max(width, len(p.name))
	}
	for _, p := range packages {
		fmt.Println(strings.TrimRight(fmt.Sprintf("%-*s → %s", width, p.name, strings.Join(p.imports, " ")), " →"))
	}
}

// pkg is a package, and those that its code, without tests, imports. Names have no module
// path and no internal/.
type pkg struct {
	path    string // in the module
	name    string
	imports []string
}

// list returns the packages of the module in the folder root.
func list(root string) ([]pkg, error) {
	cmd := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...") //nolint:noctx // it ends by itself
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list in %s: %w: %s", root, err, stderr.Bytes())
	}
	var packages []pkg
	for line := range strings.Lines(string(out)) {
		paths := strings.Fields(line)
		p := pkg{path: strings.TrimPrefix(paths[0], module+"/"), name: short(paths[0])}
		for _, path := range paths[1:] {
			if strings.HasPrefix(path, module+"/") {
				p.imports = append(p.imports, short(path))
			}
		}
		packages = append(packages, p)
	}
	slices.SortFunc(packages, func(a, b pkg) int { return strings.Compare(a.name, b.name) })
	return packages, nil
}

func short(path string) string {
	return strings.TrimPrefix(strings.TrimPrefix(path, module+"/"), "internal/")
}

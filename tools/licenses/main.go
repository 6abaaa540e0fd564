// Command licenses prints the licences of a Go program: of Go itself, of every
// module that is linked into the program, and of files that are named.
//
//	licenses PROGRAM [FILE …]
//
// It reads the list of modules from the program, and their licences from the
// module cache. A module without a licence is an error. The same program gives
// the same text.
package main

import (
	"bytes"
	"cmp"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: licenses PROGRAM [FILE …]")
		os.Exit(2)
	}
	var text bytes.Buffer
	err := write(&text, os.Args[1], os.Args[2:])
	if err == nil {
		_, err = text.WriteTo(os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "licenses:", err)
		os.Exit(1)
	}
}

func write(w io.Writer, program string, files []string) error {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return fmt.Errorf("read the modules of %s: %w", program, err)
	}
	slices.SortFunc(info.Deps, func(a, b *debug.Module) int { return cmp.Compare(a.Path, b.Path) })
	if _, err := fmt.Fprintf(w, "Licences of what is linked into %s, besides its own: Go, %d modules and %d files.\n",
		strings.TrimSuffix(filepath.Base(program), ".exe"), len(info.Deps), len(files)); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	root, err := goCommand("env", "GOROOT")
	if err != nil {
		return err
	}
	if err := writeFolder(w, "Go (runtime and standard library)", strings.TrimSpace(string(root))); err != nil {
		return err
	}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		dir, err := folder(m)
		if err != nil {
			return err
		}
		if err := writeFolder(w, m.Path+" "+m.Version, dir); err != nil {
			return err
		}
	}
	for _, file := range files {
		if err := writeFile(w, filepath.Base(filepath.Dir(file)), file); err != nil {
			return err
		}
	}
	return nil
}

// folder returns where a module is in the module cache.
func folder(m *debug.Module) (string, error) {
	text, err := goCommand("mod", "download", "-json", m.Path+"@"+m.Version)
	if err != nil {
		return "", err
	}
	var found struct{ Dir string }
	if err := json.Unmarshal(text, &found); err != nil {
		return "", fmt.Errorf("find %s %s: %w", m.Path, m.Version, err)
	}
	return found.Dir, nil
}

func goCommand(args ...string) ([]byte, error) {
	var stderr bytes.Buffer
	cmd := exec.Command("go", args...) //nolint:gosec,noctx // the go command; it ends with this program's terminal
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w: %s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return out, nil
}

// licence matches the names of files that a distribution of a module must hold.
var licence = regexp.MustCompile(`(?i)^(licen[cs]e|copying|copyright|notice|patents)([-.].*)?$`)

func writeFolder(w io.Writer, name, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("licence of %s: %w", name, err)
	}
	found := false
	for _, e := range entries {
		if !e.Type().IsRegular() || !licence.MatchString(e.Name()) {
			continue
		}
		found = true
		if err := writeFile(w, name, filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	if !found {
		return fmt.Errorf("%s has no licence in %s", name, dir)
	}
	return nil
}

func writeFile(w io.Writer, name, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("licence of %s: %w", name, err)
	}
	if _, err := fmt.Fprintf(w, "\n%s\n%s: %s\n\n%s\n", strings.Repeat("=", 80), name, filepath.Base(path), bytes.TrimSpace(text)); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

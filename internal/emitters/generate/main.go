// Command generate writes tables.go and docs/emitters.md of the files in data.
package main

import (
	"fmt"
	"os"

	"github.com/otelaudit/otelaudit/internal/emitters/file"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run() error {
	files, err := file.LoadAll("data")
	if err != nil {
		return err //nolint:wrapcheck // it says which file
	}
	tables, err := file.Tables(files)
	if err != nil {
		return err //nolint:wrapcheck // it says what
	}
	for path, text := range map[string][]byte{"tables.go": tables, "../../docs/emitters.md": file.Document(files)} {
		if err := os.WriteFile(path, text, 0o644); err != nil { //nolint:gosec // a source file
			return fmt.Errorf("write %s: %w", path, err)
		}
	}
	return nil
}

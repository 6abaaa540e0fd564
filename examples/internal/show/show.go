// Package show is what the example programs have in common and is not their
// point: a folder for the audit log, and a look at what is in it afterwards.
package show

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/otelaudit/otelaudit/auditlog"
)

// Main runs an example, with the path of an audit log in a temporary folder,
// and ends the program.
func Main(run func(ctx context.Context, out io.Writer, path string) error) {
	if err := inTemp(run); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func inTemp(run func(ctx context.Context, out io.Writer, path string) error) (err error) {
	dir, err := os.MkdirTemp("", "otelaudit-example-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	return run(context.Background(), os.Stdout, filepath.Join(dir, "audit.jsonl"))
}

// Lines prints the given members of each line of the log, those that it has.
func Lines(ctx context.Context, out io.Writer, path string, keys ...string) error {
	log, err := auditlog.NewReader(path)
	if err != nil {
		return err
	}
	for entry, err := range log.Query(ctx, auditlog.Filter{}) {
		if err != nil {
			return err
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(entry.Raw, &members); err != nil {
			return err
		}
		var line bytes.Buffer
		for _, key := range keys {
			if value, ok := members[key]; ok {
				fmt.Fprintf(&line, ",%q:%s", key, value)
			}
		}
		if _, err := fmt.Fprintf(out, "{%s}\n", bytes.TrimPrefix(line.Bytes(), []byte(","))); err != nil {
			return err
		}
	}
	return nil
}

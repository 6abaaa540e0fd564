package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/history"
	"github.com/otelaudit/otelaudit/internal/scan"
)

const pathVariable = "OTELAUDIT_PATH"

// logPath returns the path of the log that cmd is about.
func (a *app) logPath(cmd *cobra.Command) string {
	if cmd.Flags().Changed("path") {
		return a.path
	}
	if path := os.Getenv(pathVariable); path != "" {
		return path
	}
	return auditlog.DefaultPath
}

// readVerb makes cmd a verb that reads the log. What f returns ends it;
// damaged lines are told of on the way and counted at the end.
func (a *app) readVerb(cmd *cobra.Command, f func(ctx context.Context, r *auditlog.Reader) error) *cobra.Command {
	activeOnly := cmd.Flags().Bool("active-only", false, "leave the archives out")
	cmd.Args = noArguments
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		warned := newWarnings(a.err)
		a.logger = slog.New(warned)
		opts := []auditlog.ReaderOption{auditlog.WithLogger(a.logger)}
		if *activeOnly {
			opts = append(opts, auditlog.WithActiveOnly())
		}
		path := a.logPath(cmd)
		r, err := auditlog.NewReader(path, opts...)
		if err != nil {
			return plain(err)
		}
		a.log = a.filesOf(r, *activeOnly)
		err = f(cmd.Context(), r)
		if flushErr := a.out.Flush(); err == nil {
			err = flushErr // before the last line on stderr, not behind it
		}
		// As for the warnings themselves: there is nobody left to tell if that fails.
		_ = warned.end()
		damaged := warned.count()
		if damaged > 0 {
			a.sayf("skipped %s", plural(damaged, "damaged line"))
		}
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return explainMissing(cmd.Context(), path, err)
		case err != nil && !a.out.closed():
			return plain(err)
		case damaged > 0:
			return codeError(codeWrong)
		}
		return err
	}
	return cmd
}

func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%s takes flags only, but not %q", cmd.Name(), args[0])
	}
	return nil
}

// filesOf returns the files of the log that r reads.
func (a *app) filesOf(r *auditlog.Reader, activeOnly bool) *history.Log {
	return history.New(scan.NewSource(r.Path(), a.logger, r.MaxLine()), activeOnly)
}

// logExists returns fs.ErrNotExist if there is no log for r to read.
func logExists(ctx context.Context, r *auditlog.Reader) error {
	log := history.New(scan.NewSource(r.Path(), slog.New(slog.DiscardHandler), r.MaxLine()), false)
	snapshot, err := log.Snapshot(ctx)
	if err != nil {
		return err
	}
	return snapshot.Close()
}

// explainMissing returns what to do if err is that there is no log at path.
func explainMissing(ctx context.Context, path string, err error) error {
	r, readerErr := auditlog.NewReader(path)
	if readerErr != nil {
		return plain(err)
	}
	if !errors.Is(logExists(ctx, r), fs.ErrNotExist) {
		return plain(err) // another file is missing
	}
	if strings.HasPrefix(path, "~") {
		path = r.Path() // whose home that is, is what may be wrong
	}
	return fmt.Errorf("there is no log at %s: name another one with --path or $%s, or begin it with otelaudit append", path, pathVariable)
}

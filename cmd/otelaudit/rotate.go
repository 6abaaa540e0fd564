package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/otelaudit/otelaudit/auditlog"
)

func (a *app) rotate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rotate [flags]",
		Short: "Make an archive of the active file now",
		Long: `rotate makes an archive of the active file, however small it is, and ends when the
archive is compressed and on disk. Programs that write the log go on in a new file; an
empty active file stays. The log rotates by itself at 10 MiB.`,
		Example: `  otelaudit rotate
  otelaudit rotate && cp ~/.scout/audit_*.jsonl.gz /backup/`,
		Args: noArguments,
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return a.runRotate(cmd.Context(), a.logPath(cmd))
	}
	return cmd
}

func (a *app) runRotate(ctx context.Context, path string) error {
	// Opening a log makes one, and a mistyped path is no log to make.
	r, err := auditlog.NewReader(path)
	if err != nil {
		return plain(err)
	}
	err = logExists(ctx, r)
	if errors.Is(err, fs.ErrNotExist) {
		return explainMissing(ctx, path, err)
	}
	if err != nil {
		return plain(err)
	}
	warned := newWarnings(a.err)
	log, err := auditlog.Open(path, auditlog.WithLogger(slog.New(warned)))
	if err != nil {
		return plain(err)
	}
	// Close waits for the compression.
	if err := errors.Join(log.Rotate(ctx), log.Close()); err != nil {
		return plain(err)
	}
	if warned.count() > 0 {
		return codeError(codeWrong)
	}
	return nil
}

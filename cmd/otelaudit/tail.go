package main

import (
	"context"
	"math"

	"github.com/spf13/cobra"

	"github.com/otelaudit/otelaudit/auditlog"
)

func (a *app) tail() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tail [flags]",
		Short: "Print the last events",
		Long: `tail prints the last events, oldest first, each line as it is in the file.
Archives are read only as far back as it takes.`,
		Example: `  otelaudit tail
  otelaudit tail -n 1 --event budget | jq .reason`,
	}
	n := &number{value: 20, least: 1, most: math.MaxInt32}
	cmd.Flags().VarP(n, "lines", "n", "how many events")
	event := cmd.Flags().String("event", "", "only events of this `NAME`")
	a.completeFromLog(cmd, "event", func(e auditlog.Event) string { return e.Name })
	return a.readVerb(cmd, func(ctx context.Context, r *auditlog.Reader) error {
		entries, err := r.LastEvents(ctx, int(n.value), *event)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := a.printLine(e.Raw); err != nil {
				return err
			}
		}
		return nil
	})
}

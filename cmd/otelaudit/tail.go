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
Archives are read only as far back as it takes. What matches a session, a model or a
trace, or since when, is what query is for; query --follow goes on.

` + followHelp,
		Example: `  otelaudit tail
  otelaudit tail -n 1 --event budget | jq .reason
  otelaudit tail -f -n 0`,
	}
	n := &number{value: 20, most: math.MaxInt32}
	cmd.Flags().VarP(n, "lines", "n", "how many events; 0, with --follow, begins with the next one")
	event := cmd.Flags().String("event", "", "only events of this `NAME`")
	a.completeFromLog(cmd, "event", func(e auditlog.Event) string { return e.Name })
	follow := cmd.Flags().BoolP("follow", "f", false, "go on with the events that are appended")
	return a.readVerb(cmd, func(ctx context.Context, r *auditlog.Reader) error {
		p := linePrinter{a.out}
		if *follow {
			how := auditlog.Following{Filter: auditlog.Filter{Event: *event}, Last: int(n.value)}
			if how.Last == 0 {
				how.Last = -1
			}
			return a.follow(ctx, r, how, p)
		}
		if n.value == 0 {
			return usagef("-n 0 prints nothing: want 1 or more, or --follow")
		}
		entries, err := r.LastEvents(ctx, int(n.value), *event)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := p.print(e); err != nil {
				return err
			}
		}
		return nil
	})
}

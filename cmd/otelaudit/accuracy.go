package main

import (
	"context"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/otelaudit/otelaudit/auditlog"
)

func (a *app) accuracy() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "accuracy [flags]",
		Short: "Show the share of navigations without a validation failure",
		Long: `accuracy counts nav and validation_fail events and prints
100 × (nav − validation_fail) ÷ nav, to 2 decimals; 100 without nav events.

` + timeHelp,
		Example: `  otelaudit accuracy
  otelaudit accuracy --since 7d --format json | jq .accuracy_pct`,
	}
	since := a.sinceFlag(cmd)
	format := formatFlag(cmd, "table", "json")
	return a.readVerb(cmd, func(ctx context.Context, r *auditlog.Reader) error {
		accuracy, err := r.AccuracyMetrics(ctx, since.time())
		if err != nil {
			return err
		}
		if format.value == "json" {
			return a.out.json(accuracy)
		}
		t := newTable(column{"nav", true}, column{"validation_fail", true}, column{"accuracy (%)", true})
		t.AppendRow(table.Row{accuracy.Nav, accuracy.ValidationFails, decimals(accuracy.Percent, 2)})
		return a.print(t)
	})
}

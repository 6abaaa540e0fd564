package main

import (
	"context"
	"math"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/visible"
)

func (a *app) gates() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "gates [flags]",
		Short: "Show how often the compression gate passed and escalated",
		Long: `gates shows the health of the compression gate. It passes on a gate_compress event
with a confidence, unless the reason is parse_fail, api_error or stale_cascade; it
escalates on gate_escalate, and on gate_compress with the reason stale_cascade.

` + timeHelp,
		Example: `  otelaudit gates
  otelaudit gates --since 24h --last 3 --format json`,
	}
	since := a.sinceFlag(cmd)
	last := &number{value: 10, least: 0, most: math.MaxInt32}
	cmd.Flags().Var(last, "last", "how many of the last queries to show")
	format := formatFlag(cmd, "table", "json")
	return a.readVerb(cmd, func(ctx context.Context, r *auditlog.Reader) error {
		gates, err := r.GateMetrics(ctx, since.time(), int(last.value))
		if err != nil {
			return err
		}
		if format.value == "json" {
			return a.out.json(gates)
		}
		return a.printGates(gates)
	})
}

func (a *app) printGates(gates auditlog.Gates) error {
	t := newTable(column{"outcome", false}, column{"count", true}, column{"rate (%)", true}, column{"mean confidence", true})
	t.AppendRow(table.Row{auditlog.OutcomePass, gates.Passes, decimals(gates.PassPercent, 1), decimals(gates.MeanConfidence, 2)})
	t.AppendRow(table.Row{auditlog.OutcomeEscalate, gates.Escalations, decimals(gates.EscalatePercent, 1)})
	t.AppendFooter(table.Row{"total", gates.Total})
	if err := a.print(t); err != nil || len(gates.Last) == 0 {
		return err
	}
	if err := a.out.WriteByte('\n'); err != nil {
		return err
	}
	t = newTable(column{"last queries", false}, column{"reason", false})
	for _, q := range gates.Last {
		reason := ""
		if q.Reason != nil {
			reason = visible.Excerpt(*q.Reason)
		}
		t.AppendRow(table.Row{q.Outcome, reason})
	}
	return a.print(t)
}

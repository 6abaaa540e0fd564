package main

import (
	"context"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/otelaudit/otelaudit/auditlog"
)

// groupings are the values of --by.
var groupings = map[string]auditlog.GroupBy{
	"event":   auditlog.ByEvent,
	"model":   auditlog.ByModel,
	"session": auditlog.BySession,
	"hour":    auditlog.ByHour,
	"day":     auditlog.ByDay,
}

func (a *app) spend() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "spend [flags]",
		Short: "Sum cost, tokens and events",
		Long: `spend sums the cost in USD and the tokens that events report, and counts the events.
Nothing is computed from price lists: an event with tokens and without a cost counts
as unpriced, and its price is missing from the sum. Hours and days are those of UTC.

A call of a model that the log holds twice is counted once: as an event made of a span
and as a log record, with the same response, request or span id, or as the two records
that Gemini CLI emits for a response. --no-dedup counts every event.

` + timeHelp,
		Example: `  otelaudit spend
  otelaudit spend --since 7d --by model
  otelaudit spend --hours 1 --format json | jq .total.cost`,
	}
	since := a.sinceFlag(cmd)
	until := a.timeFlag(cmd, "until", "only events before this time")
	// A time.Duration holds twice as many hours.
	hours := &number{least: 1, most: 1 << 20}
	cmd.Flags().Var(hours, "hours", "only events since the start of the hour that was N hours ago (at 14:30, 1 means since 13:00)")
	noDedup := cmd.Flags().Bool("no-dedup", false, "count every event, also where two tell of one call")
	by := choiceFlag(cmd, "by", "", "group the sums", "event", "model", "session", "hour", "day")
	format := formatFlag(cmd, "table", "json")
	return a.readVerb(cmd, func(ctx context.Context, r *auditlog.Reader) error {
		if err := checkPeriod(since, until); err != nil {
			return err
		}
		filter := auditlog.Filter{Since: since.time, Until: until.time, NoDedup: *noDedup}
		if hours.value > 0 {
			if !since.time.IsZero() {
				return usagef("--hours and --since both say where to begin; leave one out")
			}
			filter.Since = hourStart(a.now, hours.value)
		}
		spend, err := r.Spend(ctx, filter, groupings[by.value])
		if err != nil {
			return err
		}
		if format.value == "json" {
			return a.out.json(spend)
		}
		return a.print(spendTable(spend, by.value))
	})
}

// hourStart returns the beginning of the hour, in UTC, that was hours ago.
func hourStart(now time.Time, hours int64) time.Time {
	return now.Truncate(time.Hour).Add(-time.Duration(hours) * time.Hour)
}

func spendTable(spend auditlog.Spend, by string) table.Writer {
	t := newTable(column{by, false}, column{"cost (USD)", true}, column{"events", true}, column{"unpriced", true},
		column{"input_t", true}, column{"output_t", true})
	if by == "" {
		t.AppendRow(spendRow("total", spend.Total))
		return t
	}
	for _, g := range spend.Groups {
		key := printable(g.Key)
		if key == "" {
			key = "(none)"
		}
		t.AppendRow(spendRow(key, g.Totals))
	}
	t.AppendFooter(spendRow("total", spend.Total))
	return t
}

func spendRow(key string, sum auditlog.Totals) table.Row {
	return table.Row{key, decimals(sum.Cost, 6), sum.Events, sum.Unpriced, sum.InputTokens, sum.OutputTokens}
}

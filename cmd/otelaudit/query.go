package main

import (
	"context"
	"fmt"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/otelaudit/otelaudit/auditlog"
)

func (a *app) query() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "query [flags]",
		Short: "Print the events that match",
		Long: `query prints the events that match all that is asked for, in the order in which
they were written.

jsonl prints each line as it is in the file; csv has a column for each field of the
format and one with all further attributes as JSON; table shows the fields that fit
on a screen, and holds them in memory until the last event is read.

` + followHelp + `

` + timeHelp,
		Example: `  otelaudit query --since 24h --event budget
  otelaudit query --session 4f0c2e9a --format table
  otelaudit query --since 2026-02-13 --until 2026-02-14 --format csv > friday.csv
  otelaudit query --session 4f0c2e9a --follow
  otelaudit query --trace 5b8efff798038103d269b633813fc60c | jq .cost`,
	}
	since := a.sinceFlag(cmd)
	until := a.timeFlag(cmd, "until", "only events before this time")
	var filter auditlog.Filter
	flags := cmd.Flags()
	flags.StringVar(&filter.Event, "event", "", "only events of this `NAME`")
	flags.StringVar(&filter.Session, "session", "", "only events of the session with this `ID`")
	flags.StringVar(&filter.Model, "model", "", "only events of this `MODEL`")
	flags.StringVar(&filter.TraceID, "trace", "", "only events of the trace with this `ID`")
	format := formatFlag(cmd, "jsonl", "table", "csv")
	follow := flags.BoolP("follow", "f", false, "go on with the events that are appended; not as a table")
	return a.readVerb(cmd, func(ctx context.Context, r *auditlog.Reader) error {
		filter.Since, filter.Until = since.time, until.time
		if err := checkPeriod(since, until); err != nil {
			return err
		}
		var p printer = linePrinter{a.out}
		switch format.value {
		case "table":
			if *follow {
				return usagef("a table is printed when its last row is known: --follow wants --format jsonl or csv")
			}
			return a.queryTable(ctx, r, filter)
		case "csv":
			csv, err := newCSVPrinter(a.out)
			if err != nil {
				return err
			}
			p = csv
		}
		if *follow {
			if !until.time.IsZero() {
				return usagef("--until says where to end and --follow to go on: want one of them")
			}
			return a.follow(ctx, r, auditlog.Following{Filter: filter}, p)
		}
		for e, err := range r.Query(ctx, filter) {
			if err != nil {
				return err
			}
			if err := p.print(e); err != nil {
				return err
			}
		}
		return p.flush()
	})
}

func checkPeriod(since, until *timeFlag) error {
	if !since.time.IsZero() && !until.time.IsZero() && !since.time.Before(until.time) {
		return usagef("--since %s is not before --until %s: no event can match; exchange them or leave one out", since.text, until.text)
	}
	return nil
}

func (a *app) queryTable(ctx context.Context, r *auditlog.Reader, filter auditlog.Filter) error {
	columns := []column{
		{"ts", false}, {"event", false}, {"session_id", false}, {"cost", true}, {"model", false}, {"input_t", true},
		{"output_t", true}, {"duration_ms", true}, {"confidence", true}, {"reason", false}, {"files", false},
	}
	t := newTable(columns...)
	cells := newRow()
	for e, err := range r.Query(ctx, filter) {
		if err != nil {
			return err
		}
		if err := cells.fill(e.Raw); err != nil {
			return fmt.Errorf("%s line %d: %w", e.File, e.Line, err)
		}
		line := make(table.Row, len(columns))
		for i, c := range columns {
			line[i] = printable(cells.of(c.name))
		}
		t.AppendRow(line)
	}
	return a.print(t)
}

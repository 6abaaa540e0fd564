package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"slices"

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

` + timeHelp,
		Example: `  otelaudit query --since 24h --event budget
  otelaudit query --session 4f0c2e9a --format table
  otelaudit query --since 2026-02-13 --until 2026-02-14 --format csv > friday.csv
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
	return a.readVerb(cmd, func(ctx context.Context, r *auditlog.Reader) error {
		filter.Since, filter.Until = since.time, until.time
		if err := checkPeriod(since, until); err != nil {
			return err
		}
		switch format.value {
		case "table":
			return a.queryTable(ctx, r, filter)
		case "csv":
			return a.queryCSV(ctx, r, filter)
		}
		for e, err := range r.Query(ctx, filter) {
			if err != nil {
				return err
			}
			if err := a.printLine(e.Raw); err != nil {
				return err
			}
		}
		return nil
	})
}

func (a *app) printLine(raw []byte) error {
	if _, err := a.out.Write(raw); err != nil {
		return err
	}
	return a.out.WriteByte('\n')
}

func checkPeriod(since, until *timeFlag) error {
	if !since.time.IsZero() && !until.time.IsZero() && !since.time.Before(until.time) {
		return usagef("--since %s is not before --until %s: no event can match; exchange them or leave one out", since.text, until.text)
	}
	return nil
}

func (a *app) queryCSV(ctx context.Context, r *auditlog.Reader, filter auditlog.Filter) error {
	w := csv.NewWriter(a.out)
	if err := w.Write(append(slices.Clone(columnKeys), attributesColumn)); err != nil {
		return err
	}
	cells := newRow()
	for e, err := range r.Query(ctx, filter) {
		if err != nil {
			return err
		}
		if err := cells.fill(e.Raw); err != nil {
			return fmt.Errorf("%s line %d: %w", e.File, e.Line, err)
		}
		if err := w.Write(cells); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
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

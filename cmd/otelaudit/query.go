package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/visible"
)

func (a *app) query() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "query [flags]",
		Short: "Print the events that match",
		Long: `query prints the events that match all that is asked for, in the order in which
they were written.

jsonl prints each line as it is in the file; csv has a column for each field of the
format and one with all further attributes as JSON; table shows the fields that fit
on a screen, fewer of them where there are fewer than 100 columns, with times in the
time zone of --timezone, and holds them in memory until the last event is read. In csv
a text that a spreadsheet would take for a formula has an apostrophe in front.

` + followHelp + `

` + timeHelp,
		Example: `  otelaudit query --since 24h --event budget
  otelaudit query --session 4f0c2e9a --format table
  otelaudit query --since 2026-02-13 --until 2026-02-14 --format csv > friday.csv
  otelaudit query --session 4f0c2e9a --follow
  otelaudit query --trace 5b8efff798038103d269b633813fc60c | jq .cost`,
	}
	since := a.sinceFlag(cmd)
	until := a.untilFlag(cmd)
	var filter auditlog.Filter
	flags := cmd.Flags()
	flags.StringVar(&filter.Event, "event", "", "only events of this `NAME`")
	flags.StringVar(&filter.Session, "session", "", "only events of the session with this `ID`")
	flags.StringVar(&filter.Model, "model", "", "only events of this `MODEL`")
	flags.Var((*wholeTrace)(&filter.TraceID), "trace", "only events of the trace with this `ID`")
	a.completeFromLog(cmd, "event", func(e auditlog.Event) string { return e.Name })
	a.completeFromLog(cmd, "session", func(e auditlog.Event) string { return e.SessionID })
	a.completeFromLog(cmd, "model", func(e auditlog.Event) string { return e.Model })
	a.completeFromLog(cmd, "trace", func(e auditlog.Event) string { return e.TraceID })
	format := formatFlag(cmd, "jsonl", "table", "csv")
	follow := flags.BoolP("follow", "f", false, "go on with the events that are appended; not as a table")
	return a.readVerb(cmd, func(ctx context.Context, r *auditlog.Reader) error {
		var err error
		if filter.Since, filter.Until, err = period(since, until); err != nil {
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
			if !filter.Until.IsZero() {
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

func (a *app) queryTable(ctx context.Context, r *auditlog.Reader, filter auditlog.Filter) error {
	// The keys of the lines are the names of the columns.
	columns := []column{
		{"ts", false}, {"event", false}, {"session_id", false}, {"cost", true}, {"model", false}, {"input_t", true},
		{"output_t", true}, {"duration_ms", true}, {"confidence", true}, {"reason", false}, {"files", false},
	}
	s := sheet{columns: columns, whole: 1}
	timeLayout := "2006-01-02T15:04:05.000Z07:00"
	if a.compact() {
		s.columns = slices.Clone(s.columns[:7])
		s.columns[2].name = "session"
		timeLayout = time.DateTime
	}
	cells := newRow()
	for e, err := range r.Query(ctx, filter) {
		if err != nil {
			return err
		}
		if err := cells.fill(e.Raw); err != nil {
			return fmt.Errorf("%s line %d: %w", e.File, e.Line, err)
		}
		line := make([]string, len(s.columns))
		for i, c := range columns[:len(line)] {
			cell := cells.of(c.name)
			switch {
			case c.name == "ts":
				cell = a.timeCell(e, cell, timeLayout)
			case c.number:
				cell = numberCell(cell)
			}
			line[i] = visible.Excerpt(cell)
		}
		s.rows = append(s.rows, line)
	}
	return a.printSheet(s)
}

// timeCell is the time of an event on the user's clock. A ts that is none stays as it is.
func (a *app) timeCell(e auditlog.Entry, ts, layout string) string {
	t, ok := e.Time()
	if !ok {
		return ts
	}
	return a.shown(t).Format(layout)
}

// numberCell shortens a number that is spelled out so long that it would widen
// the table.
func numberCell(number string) string {
	const tooWide = 17
	if len(number) < tooWide {
		return number
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return number
	}
	return strconv.FormatFloat(f, 'g', 6, 64)
}

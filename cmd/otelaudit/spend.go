package main

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/visible"
)

// groupings are the values of --by.
var groupings = map[string]auditlog.GroupBy{
	"event":   auditlog.ByEvent,
	"model":   auditlog.ByModel,
	"session": auditlog.BySession,
	"hour":    auditlog.ByHour,
	"day":     auditlog.ByDay,
	"week":    auditlog.ByWeek,
	"month":   auditlog.ByMonth,
}

func (a *app) spend() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "spend [flags]",
		Short: "Sum cost, tokens and events",
		Long: `spend sums the cost in USD and the tokens that events report, and counts the events.
Nothing is computed from price lists: an event with tokens and without a cost counts
as unpriced, and its price is missing from the sum.

An event without a session of its own has the one that a span above it names, else the
one that its trace names.

Hours, days, weeks and months are those of --timezone. A week begins on a Monday, by
whose date it is named. --hours counts hours of UTC.

A table is compact where there are fewer than 100 columns, of the terminal or of
$COLUMNS: it shortens numbers (1.2M) and long names, and has columns of unpriced events
and failed calls only if there are some. A wide one has columns of calls, if there are
other events, and of the parts of tokens that are known. json and csv have everything,
and every digit. csv has a row
for each group, or with --breakdown for each model of each group, and none for the
total: it is their sum. A text that a spreadsheet would take for a formula has an
apostrophe in front.

Calls are requests to a model, also those that failed; a failed call without tokens is
not unpriced. cache_read_t and cache_write_t are parts of input_t, cache_write_1h_t is
one of cache_write_t, and reasoning_t one of output_t.

A call of a model that the log holds more than once is counted once: its lines share a
call_id, a response, request or span id, or one was made of the span above the other.
FORMAT.md says what else must be equal. A line that stands twice is one event: with the
same log.record.uid, ts, event, cost and tokens as one of the 4,096 events before it.
--no-dedup counts every event.

` + timeHelp,
		Example: `  otelaudit spend
  otelaudit spend --since 7d --by model
  otelaudit spend --since monday --by day --breakdown --timezone Europe/Berlin
  otelaudit spend --by month --format csv > spend.csv
  otelaudit spend --hours 1 --format json | jq .total.cost`,
	}
	since, until := a.sinceFlag(cmd), a.untilFlag(cmd)
	// A time.Duration holds twice as many hours.
	hours := &number{least: 1, most: 1 << 20}
	cmd.Flags().Var(hours, "hours", "only events since the start of the hour that was N hours ago (at 14:30, 1 means since 13:00)")
	noDedup := cmd.Flags().Bool("no-dedup", false, "count every event: both records of one call, and each copy of a line")
	by := choiceFlag(cmd, "by", "", "group the sums", "event", "model", "session", "hour", "day", "week", "month")
	breakdown := cmd.Flags().Bool("breakdown", false, "divide each group by model")
	format := formatFlag(cmd, "table", "json", "csv")
	return a.readVerb(cmd, func(ctx context.Context, r *auditlog.Reader) error {
		from, to, err := period(since, until)
		if err != nil {
			return err
		}
		filter := auditlog.Filter{Since: from, Until: to, NoDedup: *noDedup, TimeZone: a.zone.loc}
		if hours.value > 0 {
			if !from.IsZero() {
				return usagef("--hours and --since both say where to begin; leave one out")
			}
			filter.Since = hourStart(a.now, hours.value)
			if !to.IsZero() && !filter.Since.Before(to) {
				return usagef("--hours %d does not begin before --until %s: no event can match; want more hours, or leave one out", hours.value, visible.Excerpt(until.text))
			}
		}
		levels := []auditlog.GroupBy{groupings[by.value]}
		if *breakdown {
			switch by.value {
			case "":
				return usagef("--breakdown divides groups by model; say by what they are with --by")
			case "model":
				return usagef("--breakdown divides groups by model, and --by model makes one of each; leave one out")
			}
			levels = append(levels, auditlog.ByModel)
		}
		spend, err := r.Spend(ctx, filter, levels...)
		if err != nil {
			return err
		}
		switch format.value {
		case "json":
			return a.out.json(spend)
		case "csv":
			return a.spendCSV(spend, by.value, *breakdown)
		}
		return a.printSheet(spendSheet(spend, by.value, a.compact()))
	})
}

// hourStart returns the beginning of the hour, in UTC, that was hours ago.
func hourStart(now time.Time, hours int64) time.Time {
	return now.Truncate(time.Hour).Add(-time.Duration(hours) * time.Hour)
}

func spendSheet(spend auditlog.Spend, by string, compact bool) sheet {
	f := newTotalsFormat(compact, spend.Total)
	s := sheet{columns: append([]column{{by, false}}, f.columns()...)}
	total := append([]string{"total"}, f.cells(spend.Total)...)
	if by == "" {
		s.rows = [][]string{total}
		return s
	}
	for _, g := range spend.Groups {
		s.rows = append(s.rows, append([]string{groupName(g, by)}, f.cells(g.Totals)...))
		for _, part := range g.Groups {
			s.rows = append(s.rows, append([]string{"  └ " + groupName(part, "model")}, f.cells(part.Totals)...))
		}
	}
	s.footer = total
	return s
}

// groupName returns what a table calls a group.
func groupName(g auditlog.Group, by string) string {
	switch {
	case g.Key == "":
		return "(none)"
	case by == "hour" && !g.Start.IsZero():
		return g.Start.Format("2006-01-02 15:04 MST")
	}
	return visible.Excerpt(g.Key)
}

// totalsFormat says how a table shows totals. Some columns are there only if a total has
// something in them.
type totalsFormat struct {
	compact                        bool
	unpriced, calls, failed        bool
	cacheRead, cacheWrite, thought bool
}

func newTotalsFormat(compact bool, of ...auditlog.Totals) totalsFormat {
	f := totalsFormat{compact: compact, unpriced: !compact}
	for _, t := range of {
		f.unpriced = f.unpriced || t.Unpriced > 0
		f.failed = f.failed || t.Failed > 0
		if !compact {
			f.calls = f.calls || t.Calls != t.Events
			f.cacheRead = f.cacheRead || t.CacheReadTokens > 0
			f.cacheWrite = f.cacheWrite || t.CacheWriteTokens > 0
			f.thought = f.thought || t.ReasoningTokens > 0
		}
	}
	return f
}

func (f totalsFormat) columns() []column {
	columns := []column{{"cost (USD)", true}, {"events", true}}
	add := func(shown bool, name string) {
		if shown {
			columns = append(columns, column{name, true})
		}
	}
	add(f.calls, "calls")
	add(f.failed, "failed")
	add(f.unpriced, "unpriced")
	add(true, "input_t")
	add(f.cacheRead, "cache_read_t")
	add(f.cacheWrite, "cache_write_t")
	add(true, "output_t")
	add(f.thought, "reasoning_t")
	return columns
}

func (f totalsFormat) cells(t auditlog.Totals) []string {
	cells := []string{f.cost(t.Cost), f.count(t.Events)}
	add := func(shown bool, n int64) {
		if shown {
			cells = append(cells, f.count(n))
		}
	}
	add(f.calls, t.Calls)
	add(f.failed, t.Failed)
	add(f.unpriced, t.Unpriced)
	add(true, t.InputTokens)
	add(f.cacheRead, t.CacheReadTokens)
	add(f.cacheWrite, t.CacheWriteTokens)
	add(true, t.OutputTokens)
	add(f.thought, t.ReasoningTokens)
	return cells
}

func (f totalsFormat) cost(usd float64) string {
	if f.compact {
		return amount(usd, 4)
	}
	return amount(usd, 6)
}

func (f totalsFormat) count(n int64) string {
	if f.compact {
		return shortCount(n)
	}
	return count(n)
}

// totalsColumns are the names of totalsCells, the keys of JSON.
var totalsColumns = []string{
	"events", "unpriced", "cost", "input_t", "output_t",
	"calls", "failed", "cache_read_t", "cache_write_t", "cache_write_1h_t", "reasoning_t",
}

// totalsCells are totals in CSV, in the digits of JSON.
func totalsCells(t auditlog.Totals) []string {
	cells := []string{strconv.FormatInt(t.Events, 10), strconv.FormatInt(t.Unpriced, 10), csvNumber(t.Cost)}
	for _, n := range [...]int64{
		t.InputTokens, t.OutputTokens, t.Calls, t.Failed,
		t.CacheReadTokens, t.CacheWriteTokens, t.CacheWriteHourTokens, t.ReasoningTokens,
	} {
		cells = append(cells, strconv.FormatInt(n, 10))
	}
	return cells
}

func csvNumber(f float64) string {
	number, err := json.Marshal(f)
	if err != nil {
		return "" // NaN and the infinities, which no sum is
	}
	return string(number)
}

func (a *app) spendCSV(spend auditlog.Spend, by string, breakdown bool) error {
	w := a.out.csv()
	isPeriod := by == "hour" || by == "day" || by == "week" || by == "month"
	var header []string
	if by != "" {
		header = append(header, by)
	}
	if isPeriod {
		header = append(header, "start")
	}
	if breakdown {
		header = append(header, "model")
	}
	rows := [][]string{append(header, totalsColumns...)}
	for _, g := range spend.Groups {
		cells := []string{csvText(g.Key)}
		if isPeriod {
			cells = append(cells, startText(g.Start))
		}
		if !breakdown {
			rows = append(rows, append(cells, totalsCells(g.Totals)...))
		}
		for _, part := range g.Groups {
			rows = append(rows, slices.Concat(cells, []string{csvText(part.Key)}, totalsCells(part.Totals)))
		}
	}
	if by == "" {
		rows = append(rows, totalsCells(spend.Total))
	}
	return w.WriteAll(rows)
}

func startText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
}

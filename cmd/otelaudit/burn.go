package main

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/calendar"
)

// burnWindow is what the burn rate is measured over.
const burnWindow = time.Hour

func (a *app) burn() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "burn [flags]",
		Short: "Show how fast money and tokens go, and where the hour and the day will end",
		Long: `burn shows what was spent in the current hour and the current day, of --timezone, and
where they will end if it goes on as in the last 60 minutes:

    burn rate   what the events of the last 60 minutes cost, in USD per hour,
                and their tokens, input and output, per minute
    projection  what the hour, or the day, has cost until now
                + burn rate × what is left of it

The same goes for the tokens. The sums of the hour and the day are those that guard
compares with its limits. An event whose time cannot be read, or is more than 5 minutes
ahead of the clock, counts at the last usable time before it in the log. A negative cost
counts as 0. The cost of unpriced events is missing from all of it, and a call that the
log holds more than once is counted once, as in spend. json and csv have the projected tokens too.

With --live it goes on until it is interrupted, and shows all of it again every --interval:
a table in its place on a terminal, json one line each time.`,
		Example: `  otelaudit burn
  otelaudit burn --timezone America/New_York
  otelaudit burn --format json | jq .day.projected.cost
  otelaudit burn --live`,
	}
	format := formatFlag(cmd, "table", "json", "csv")
	live := cmd.Flags().Bool("live", false, "go on until interrupted")
	interval := cmd.Flags().Duration("interval", 5*time.Second, "with --live: how long until it is shown again, such as 500ms or 1m")
	return a.readVerb(cmd, func(ctx context.Context, r *auditlog.Reader) error {
		switch {
		case *live && format.value == "csv":
			return usagef("--live shows a table or json, but not csv")
		case *live && *interval <= 0:
			return usagef("--interval %v is no time to wait; want one such as 5s", *interval)
		case !*live && cmd.Flags().Changed("interval"):
			return usagef("--interval is for --live")
		case *live:
			return a.burnLive(ctx, r, format.value, *interval)
		}
		return a.burnOnce(ctx, r, format.value, nil)
	})
}

// burnOnce measures and prints. onDamage is that of a Filter.
func (a *app) burnOnce(ctx context.Context, r *auditlog.Reader, format string, onDamage func(*auditlog.DamageError)) error {
	burn, err := measureBurn(ctx, r, a.shown(a.now).Truncate(time.Millisecond), onDamage)
	if err != nil {
		return err
	}
	switch format {
	case "json":
		return a.out.json(burn)
	case "csv":
		return a.burnCSV(burn)
	}
	return a.printBurn(burn)
}

// burnLive ends when ctx does.
func (a *app) burnLive(ctx context.Context, r *auditlog.Reader, format string, interval time.Duration) error {
	const home, clearBelow = "\x1b[H", "\x1b[J"
	between := "\n"
	if format == "json" || a.out.terminal() {
		between = ""
	}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	var onDamage func(*auditlog.DamageError) // the first time, it is told of
	for first := true; ; first = false {
		if format != "json" {
			a.out.control(home + clearBelow)
		}
		if !first {
			if _, err := a.out.WriteString(between); err != nil {
				return err
			}
		}
		err := a.burnOnce(ctx, r, format, onDamage)
		if ctx.Err() != nil {
			return nil
		}
		if err == nil {
			err = a.out.Flush()
		}
		if err != nil {
			return err
		}
		onDamage = silent
		select {
		case <-ctx.Done():
			return nil
		case a.now = <-tick.C:
		}
	}
}

func silent(*auditlog.DamageError) {}

// burn is the JSON of the verb.
type burn struct {
	Now  time.Time   `json:"now"`
	Rate burnRate    `json:"rate"`
	Hour burntPeriod `json:"hour"`
	Day  burntPeriod `json:"day"`
}

// burnRate is what was spent in the window before now, and how fast that is.
type burnRate struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
	auditlog.Totals
	CostPerHour     float64 `json:"cost_per_hour"`     // USD
	TokensPerMinute float64 `json:"tokens_per_minute"` // input and output
}

// burntPeriod is what was spent in a period until now, and will be at its end.
type burntPeriod struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
	auditlog.Totals
	Projected projection `json:"projected"`
}

type projection struct {
	Cost         float64 `json:"cost"` // USD
	InputTokens  int64   `json:"input_t"`
	OutputTokens int64   `json:"output_t"`
}

// measureBurn reads what was spent until now, which is a whole millisecond.
func measureBurn(ctx context.Context, r *auditlog.Reader, now time.Time, onDamage func(*auditlog.DamageError)) (burn, error) {
	hour, day := calendar.Hour(now), calendar.Day(now)
	window := calendar.Period{Start: now.Add(-burnWindow), End: now}
	// Lines have milliseconds: an event of just now is before the next one.
	until := now.Add(time.Millisecond)
	spent, err := r.SpentIn(ctx, now, onDamage, auditlog.Period{Start: window.Start, End: until}, auditlog.Period(hour), auditlog.Period(day))
	if err != nil {
		return burn{}, err
	}
	b := burn{Now: now, Rate: burnRate{Start: window.Start, End: window.End, Totals: spent[0]}}
	b.Rate.CostPerHour = b.Rate.Cost / burnWindow.Hours()
	b.Rate.TokensPerMinute = (float64(b.Rate.InputTokens) + float64(b.Rate.OutputTokens)) / burnWindow.Minutes()
	project := func(p calendar.Period, so auditlog.Totals) burntPeriod {
		left := p.End.Sub(now).Hours() / burnWindow.Hours() // windows until the end
		return burntPeriod{Start: p.Start, End: p.End, Totals: so, Projected: projection{
			Cost:         finite(so.Cost + b.Rate.Cost*left),
			InputTokens:  projectTokens(so.InputTokens, b.Rate.InputTokens, left),
			OutputTokens: projectTokens(so.OutputTokens, b.Rate.OutputTokens, left),
		}}
	}
	b.Hour, b.Day = project(hour, spent[1]), project(day, spent[2])
	return b, nil
}

// finite returns the largest number instead of an infinity, which JSON lacks.
func finite(f float64) float64 {
	return max(-math.MaxFloat64, min(f, math.MaxFloat64))
}

func projectTokens(spent, rate int64, left float64) int64 {
	more := math.Round(float64(rate) * left)
	if more >= float64(math.MaxInt64-spent) {
		return math.MaxInt64
	}
	return spent + int64(more)
}

func (a *app) printBurn(b burn) error {
	f := newTotalsFormat(a.compact(), b.Day.Totals, b.Rate.Totals)
	s := sheet{columns: append([]column{{"", false}, {"since", false}}, f.columns()...)}
	s.columns = append(s.columns, column{"projected (USD)", true})
	row := func(name string, start time.Time, t auditlog.Totals, projected string) {
		cells := append([]string{name, start.Format("15:04")}, f.cells(t)...)
		s.rows = append(s.rows, append(cells, projected))
	}
	row("last 60 minutes", b.Rate.Start, b.Rate.Totals, "")
	row("this hour", b.Hour.Start, b.Hour.Totals, f.cost(b.Hour.Projected.Cost))
	row("today", b.Day.Start, b.Day.Totals, f.cost(b.Day.Projected.Cost))
	if err := a.printSheet(s); err != nil {
		return err
	}
	_, err := fmt.Fprintf(a.out, "\nburn rate: %s USD per hour, %s tokens per minute (%s)\n",
		f.cost(b.Rate.CostPerHour), thousands(decimals(b.Rate.TokensPerMinute, 1)), b.Now.Format("2006-01-02 15:04:05 MST"))
	return err
}

func (a *app) burnCSV(b burn) error {
	header := append([]string{"period", "start", "end"}, totalsColumns...)
	rows := [][]string{append(header, "projected_cost", "projected_input_t", "projected_output_t")}
	row := func(name string, start, end time.Time, t auditlog.Totals, projected ...string) {
		cells := append([]string{name, startText(start), startText(end)}, totalsCells(t)...)
		rows = append(rows, append(cells, projected...))
	}
	row("last_60_minutes", b.Rate.Start, b.Rate.End, b.Rate.Totals, "", "", "")
	for _, p := range []struct {
		name string
		burntPeriod
	}{{"hour", b.Hour}, {"day", b.Day}} {
		row(p.name, p.Start, p.End, p.Totals, csvNumber(p.Projected.Cost),
			strconv.FormatInt(p.Projected.InputTokens, 10), strconv.FormatInt(p.Projected.OutputTokens, 10))
	}
	return a.out.csv().WriteAll(rows)
}

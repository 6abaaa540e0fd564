package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/bridge"
	"github.com/otelaudit/otelaudit/examples/internal/collector"
)

// width is that of the report, in columns.
const width = 98

// firstLines is how many lines of the audit log are shown.
const firstLines = 3

// report is what a person wants to see of a run.
type report struct {
	dir           string
	files         files
	collectorURL  string
	first, second bridge.Stats
	log           *auditlog.Reader
	received      collector.Received
}

func (r report) write(ctx context.Context, w io.Writer) error {
	spend, err := r.log.Spend(ctx, auditlog.Filter{}, auditlog.ByModel)
	if err != nil {
		return err
	}
	sessions, err := r.log.Spend(ctx, auditlog.Filter{}, auditlog.BySession)
	if err != nil {
		return err
	}
	lines, err := r.head(ctx)
	if err != nil {
		return err
	}
	arrived, err := joinTraces(r.received)
	if err != nil {
		return err
	}
	if got, want := int64(arrived.events), spend.Total.Events; got != want {
		return fmt.Errorf("the collector received %d of %d audit events", got, want)
	}
	shown, ok := arrived.traceWith(auditlog.EventBudget)
	if !ok {
		return errors.New("the collector received no trace with a budget event")
	}

	var b strings.Builder
	b.WriteString("otelaudit quickstart: an agent app, its audit log, a replay, a collector\n\n")
	fmt.Fprintf(&b, "  collector   an OpenTelemetry Collector in this process, at %s\n", r.collectorURL)
	fmt.Fprintf(&b, "  agent       %d sessions; %d spans to the collector, %d events to the audit log\n",
		len(sessions.Groups), arrived.spans, spend.Total.Events)
	fmt.Fprintf(&b, "  replay      %s to the collector\n", plural(r.first.Sent, "event"))
	fmt.Fprintf(&b, "  replay      %s, as a second run sends only what is new\n", plural(r.second.Sent, "new event"))

	heading(&b, fmt.Sprintf("audit.jsonl, %d of %d lines; the first one whole", len(lines), spend.Total.Events))
	for i, line := range lines {
		if i == 0 {
			b.WriteString(fold(line))
		} else {
			fmt.Fprintf(&b, "  %s\n", cut(line, width-2))
		}
	}

	heading(&b, "Spend by model")
	b.WriteString(indent(spendTable(spend)))
	if spend.Total.Unpriced > 0 {
		fmt.Fprintf(&b, "  unpriced: used tokens, but nobody reported a cost. That is not 0, so it is counted.\n")
	}

	heading(&b, "One trace, as the collector received it: spans, and the audit events (●) of each")
	b.WriteString(indent(shown.table()))
	fmt.Fprintf(&b, "  trace %s. All %d events found their span in the collector.\n", shown.id, arrived.events)

	heading(&b, "Files, yours to keep or remove")
	fmt.Fprintf(&b, "  %s%c\n", r.dir, filepath.Separator)
	for _, f := range []struct{ path, what string }{
		{r.files.audit, "the audit log"},
		{r.files.received, "what the collector received: traces and events, OTLP JSON"},
		{r.files.collectorLog, "the collector's own log"},
	} {
		fmt.Fprintf(&b, "    %-24s%s\n", filepath.Base(f.path), f.what)
	}

	heading(&b, "Next, from the repository's folder")
	fmt.Fprintf(&b, "  export OTELAUDIT_PATH=%s\n", r.files.audit)
	b.WriteString("  go run ./cmd/otelaudit spend --by session\n")
	fmt.Fprintf(&b, "  go run ./cmd/otelaudit query --trace %s --format table\n", shown.id)
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("print the report: %w", err)
	}
	return nil
}

// head returns the first lines of the audit log.
func (r report) head(ctx context.Context) ([]string, error) {
	var lines []string
	for entry, err := range r.log.Query(ctx, auditlog.Filter{}) {
		if err != nil {
			return nil, err
		}
		if lines = append(lines, string(entry.Raw)); len(lines) == firstLines {
			break
		}
	}
	return lines, nil
}

func spendTable(spend auditlog.Spend) string {
	t := newTable()
	t.AppendHeader(table.Row{"model", "events", "tokens in", "tokens out", "USD", "unpriced"})
	row := func(name string, t auditlog.Totals) table.Row {
		return table.Row{name, t.Events, t.InputTokens, t.OutputTokens, fmt.Sprintf("%.4f", t.Cost), t.Unpriced}
	}
	for _, g := range spend.Groups {
		name := g.Key
		if name == "" {
			name = "(no model)" // events that are no calls
		}
		t.AppendRow(row(name, g.Totals))
	}
	t.AppendFooter(row("total", spend.Total))
	alignRight(t, 2, 3, 4, 5, 6)
	return t.Render()
}

func alignRight(t table.Writer, columns ...int) {
	configs := make([]table.ColumnConfig, len(columns))
	for i, column := range columns {
		configs[i] = table.ColumnConfig{
			Number: column, Align: text.AlignRight, AlignHeader: text.AlignRight, AlignFooter: text.AlignRight,
		}
	}
	t.SetColumnConfigs(configs)
}

// newTable returns a table in the style of the report.
func newTable() table.Writer {
	t := table.NewWriter()
	style := table.StyleRounded
	style.Format.Header, style.Format.Footer = text.FormatDefault, text.FormatDefault
	t.SetStyle(style)
	return t
}

func heading(b *strings.Builder, s string) { fmt.Fprintf(b, "\n%s\n", s) }

func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// indent moves lines two columns to the right.
func indent(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		b.WriteString("  " + strings.TrimSuffix(line, "\n") + "\n")
	}
	return b.String()
}

// fold breaks a line of JSON between its members, where it gets too long.
func fold(line string) string {
	var b strings.Builder
	row := ""
	for member := range strings.SplitSeq(strings.ReplaceAll(line, `,"`, ",\n\""), "\n") {
		if row != "" && utf8.RuneCountInString("  "+row+member) > width {
			b.WriteString(row + "\n")
			row = " "
		}
		row += member
	}
	return indent(b.String() + row)
}

// cut shortens s to n columns.
func cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

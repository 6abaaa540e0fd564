package main

import (
	"os"
	"strconv"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"
)

// column is the header of a column of a table.
type column struct {
	name   string
	number bool // aligned to the right
}

// newTable returns a table without frames and colours, the same on a terminal
// and in a pipe.
func newTable(columns ...column) table.Writer {
	t := table.NewWriter()
	style := table.StyleDefault
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	style.Box.MiddleSeparator, style.Box.MiddleHorizontal = "-", "-"
	style.Box.UnfinishedRow = "…"
	style.Format.Header, style.Format.Footer = text.FormatDefault, text.FormatDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Options.SeparateHeader, style.Options.SeparateFooter = true, true
	t.SetStyle(style)
	t.SuppressTrailingSpaces()
	header := make(table.Row, len(columns))
	configs := make([]table.ColumnConfig, len(columns))
	for i, c := range columns {
		header[i] = c.name
		align := text.AlignLeft
		if c.number {
			align = text.AlignRight
		}
		configs[i] = table.ColumnConfig{Number: i + 1, Align: align, AlignHeader: align, AlignFooter: align}
	}
	t.AppendHeader(header)
	t.SetColumnConfigs(configs)
	return t
}

// print writes a table; rows are cut at the width of the terminal.
func (a *app) print(t table.Writer) error {
	if width, ok := a.width(); ok {
		t.Style().Size.WidthMax = width
	}
	_, err := a.out.WriteString(t.Render() + "\n")
	return err
}

// width returns how many columns of characters a table may have: $COLUMNS, else
// those of the terminal. A pipe has no bound.
func (a *app) width() (int, bool) {
	if width, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && width > 0 {
		return width, true
	}
	f, ok := a.streams.out.(*os.File)
	if !ok {
		return 0, false
	}
	width, _, err := term.GetSize(int(f.Fd())) //nolint:gosec // a descriptor is a small number
	return width, err == nil && width > 0
}

// compact reports whether tables show less, because not all of it fits.
func (a *app) compact() bool {
	const enough = 100
	width, ok := a.width()
	return ok && width < enough
}

const (
	// maxText is the width of a cell of text, so that one long name does not
	// push the numbers of all rows out of sight.
	maxText = 64
	// minText is what is left of it where space is short.
	minText = 8
)

// sheet is a table in cells, before it is known how wide it may be.
type sheet struct {
	columns []column
	rows    [][]string
	footer  []string // nil for none
	whole   int      // the first columns, which are never shortened to fit
}

// printSheet writes a table in which texts are shortened so that the numbers
// fit.
func (a *app) printSheet(s sheet) error {
	most := s.textWidths(a.width())
	t := newTable(s.columns...)
	for _, row := range s.rows {
		t.AppendRow(tableRow(row, most))
	}
	if s.footer != nil {
		t.AppendFooter(tableRow(s.footer, most))
	}
	return a.print(t)
}

// textWidths returns the width of each column.
func (s sheet) textWidths(limit int, limited bool) []int {
	const gap = 2
	widths := make([]int, len(s.columns))
	total := gap * len(s.columns) // the line below the header is as long
	for i, c := range s.columns {
		widths[i] = text.StringWidthWithoutEscSequences(c.name)
		for _, row := range s.rows {
			widths[i] = max(widths[i], text.StringWidthWithoutEscSequences(row[i]))
		}
		if s.footer != nil {
			widths[i] = max(widths[i], text.StringWidthWithoutEscSequences(s.footer[i]))
		}
		if !c.number {
			widths[i] = min(widths[i], maxText)
		}
		total += widths[i]
	}
	for limited && total > limit {
		widest := -1
		for i, c := range s.columns {
			least := max(minText, text.StringWidthWithoutEscSequences(c.name))
			if i >= s.whole && !c.number && widths[i] > least && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break // the rows are cut at their ends
		}
		widths[widest]--
		total--
	}
	return widths
}

func tableRow(cells []string, widths []int) table.Row {
	row := make(table.Row, len(cells))
	for i, cell := range cells {
		row[i] = cut(cell, widths[i])
	}
	return row
}

// cut shortens a text to a width, which wide characters count twice in.
func cut(s string, width int) string {
	if text.StringWidthWithoutEscSequences(s) <= width {
		return s
	}
	var b strings.Builder
	left := width - 1 // for the mark
	for _, r := range s {
		if left -= text.RuneWidth(r); left < 0 {
			break
		}
		b.WriteRune(r)
	}
	return b.String() + "…"
}

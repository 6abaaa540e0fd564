package main

import (
	"os"

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
	if width, ok := terminalWidth(a.streams.out); ok {
		t.Style().Size.WidthMax = width
	}
	_, err := a.out.WriteString(t.Render() + "\n")
	return err
}

func terminalWidth(w any) (int, bool) {
	f, ok := w.(*os.File)
	if !ok {
		return 0, false
	}
	width, _, err := term.GetSize(int(f.Fd())) //nolint:gosec // a descriptor is a small number
	return width, err == nil && width > 0
}

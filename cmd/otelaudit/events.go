package main

import (
	"fmt"
	"slices"

	"github.com/otelaudit/otelaudit/auditlog"
)

// printer prints events one after the other.
type printer interface {
	print(e auditlog.Entry) error
	// flush passes on what was printed, up to the process's own buffer.
	flush() error
}

var (
	_ printer = linePrinter{}
	_ printer = (*csvPrinter)(nil)
)

// linePrinter prints each line as it is in the file.
type linePrinter struct{ out *output }

func (p linePrinter) print(e auditlog.Entry) error {
	if _, err := p.out.Write(e.Raw); err != nil {
		return err
	}
	return p.out.WriteByte('\n')
}

func (p linePrinter) flush() error { return nil }

// csvPrinter prints a column for each field and one for all other attributes.
type csvPrinter struct {
	w     csvWriter
	cells row
}

// newCSVPrinter prints the header.
func newCSVPrinter(out *output) (*csvPrinter, error) {
	p := &csvPrinter{out.csv(), newRow()}
	return p, p.w.Write(append(slices.Clone(columnKeys), attributesColumn))
}

func (p *csvPrinter) print(e auditlog.Entry) error {
	if err := p.cells.fill(e.Raw); err != nil {
		return fmt.Errorf("%s line %d: %w", e.File, e.Line, err)
	}
	return p.w.Write(p.cells.safe())
}

func (p *csvPrinter) flush() error {
	p.w.Flush()
	return p.w.Error()
}

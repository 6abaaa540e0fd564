package scan

import "github.com/otelaudit/otelaudit/internal/jsonline"

// amounts are what sums need of an event.
type Amounts struct {
	Cost             float64
	Input, Output    int64
	Priced, Unpriced bool
	Tokens           bool // input or output is there
}

func AmountsOf(f *Fields) Amounts {
	var a Amounts
	var hasInput, hasOutput bool
	a.Input, hasInput = WholeValue(f[FieldInput], jsonline.MaxExactInt-1)
	a.Output, hasOutput = WholeValue(f[FieldOutput], jsonline.MaxExactInt-1)
	a.Cost, a.Priced = FiniteValue(f[FieldCost])
	a.Tokens = hasInput || hasOutput
	a.Unpriced = !a.Priced && a.Tokens
	return a
}

package scan

import "github.com/otelaudit/otelaudit/internal/jsonline"

// Amounts are the cost and the tokens of an event.
type Amounts struct {
	Cost          float64 // USD
	Input, Output int64
	Priced        bool // a cost is reported, if only 0
	Unpriced      bool // tokens are reported, and no cost
	Tokens        bool // input or output is reported
}

// AmountsOf returns the amounts of a line.
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

package scan

import (
	"bytes"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// Amounts are what an event says was used.
type Amounts struct {
	Cost          float64 // USD
	Input, Output int64
	Parts         TokenParts
	Priced        bool // a cost is reported, if only 0
	Unpriced      bool // tokens are reported, and no cost
	Tokens        bool // input or output is reported
	Call          bool // the event is a call of a model
	Failed        bool // the event is a call of a model that failed
	// SpanRecord says that the line is a span record: no event, see ADR 0050.
	SpanRecord bool
}

// TokenParts are parts of the input and output tokens.
type TokenParts struct{ CacheRead, CacheWrite, CacheWriteHour, Reasoning int64 }

// EventSpanRecord is the event of a span record.
const EventSpanRecord = "otelaudit.span"

// AmountsOf returns the amounts of a line.
func AmountsOf(f *Fields) Amounts {
	var a Amounts
	var hasInput, hasOutput bool
	a.Input, hasInput = WholeValue(f[FieldInput], jsonline.MaxExactInt-1)
	a.Output, hasOutput = WholeValue(f[FieldOutput], jsonline.MaxExactInt-1)
	a.Cost, a.Priced = FiniteValue(f[FieldCost])
	a.Tokens = hasInput || hasOutput
	if f[FieldCacheRead] != nil || f[FieldCacheWrite] != nil || f[FieldCacheWriteHour] != nil || f[FieldReasoning] != nil {
		for i, n := range [...]*int64{&a.Parts.CacheRead, &a.Parts.CacheWrite, &a.Parts.CacheWriteHour, &a.Parts.Reasoning} {
			*n, _ = WholeValue(f[FieldCacheRead+i], jsonline.MaxExactInt-1)
		}
	}
	a.Call = a.Priced || a.Tokens
	switch {
	case f[FieldCallID] != nil:
		if (!a.Call || f[FieldFailed] != nil) && f.derives(callID) {
			a.Call, a.Failed = true, string(f[FieldFailed]) == "true"
		}
	case !a.Call && f[FieldSpanMade] != nil:
		a.SpanRecord = IsString(f[FieldEvent], EventSpanRecord)
	}
	a.SetUnpriced()
	return a
}

// SetUnpriced sets Unpriced. A call that failed and used nothing costs nothing.
func (a *Amounts) SetUnpriced() {
	a.Unpriced = a.Tokens && !a.Priced && (!a.Failed || a.Input != 0 || a.Output != 0)
}

// otelKeys are members of otel that readers use.
var otelKeys = jsonline.NewKeys("derived", "same", "scope")

const (
	otelDerived = iota
	otelSame
	otelScope
	otelKeyCount
)

var scopeKeys = jsonline.NewKeys("name")

// Texts of otel.derived, quoted.
const (
	callID         = `"call_id"`
	sessionDefault = `"session_default"`
)

// derives reports whether otel.derived of the line has a text, which is quoted.
func (f *Fields) derives(quoted string) bool {
	otel := f[FieldOtel]
	if len(otel) == 0 || !bytes.Contains(otel, []byte(quoted)) {
		return false
	}
	var values [otelKeyCount][]byte
	return otelKeys.Scan(otel, values[:]) == nil && hasElement(values[otelDerived], quoted)
}

// hasElement reports whether a raw value is a list with a text, which is quoted.
func hasElement(list []byte, quoted string) (found bool) {
	if !bytes.Contains(list, []byte(quoted)) {
		return false
	}
	err := jsonline.EachElement(list, func(element []byte) bool {
		found = string(element) == quoted
		return !found
	})
	return err == nil && found
}

// Envelope is what readers need of otel.
type Envelope struct {
	// CallID says that the call_id of the line is one. On lines without otel, and on those
	// of writers before call_id, it is an attribute of its writer.
	CallID bool
	// DefaultSession says that the session of the line is a default, and was not completed.
	DefaultSession bool
	Same, Scope    []byte // raw, nil if they are not there; Scope is its name
}

// Envelope reads otel.
func (f *Fields) Envelope() (e Envelope) {
	var values [otelKeyCount][]byte
	if f[FieldOtel] == nil || otelKeys.Scan(f[FieldOtel], values[:]) != nil {
		return e
	}
	e.CallID = f[FieldCallID] != nil && hasElement(values[otelDerived], callID)
	e.DefaultSession = f[FieldCompleted] == nil && hasElement(values[otelDerived], sessionDefault)
	e.Same = values[otelSame]
	var name [1][]byte
	if values[otelScope] != nil && scopeKeys.Scan(values[otelScope], name[:]) == nil {
		e.Scope = name[0]
	}
	return e
}

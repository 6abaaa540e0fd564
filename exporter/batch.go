package exporter

import (
	"context"

	"github.com/otelaudit/otelaudit/internal/otelline"
)

// Batch holds the lines of records and spans that no SDK of this process made:
// it is how the components for the OpenTelemetry Collector write what they
// received. Only packages of this module can make what its methods take. It is
// not safe for concurrent use.
type Batch struct {
	enc    *encoder
	rule   *spanRule
	origin *origin
	// senders has records without a session get one of the process that sent them.
	senders bool
	wants   func(event string) bool // nil: all
}

// NewBatch returns an empty batch, which shares the memory of earlier ones.
// Call Release after it.
func (e *Exporter) NewBatch() *Batch {
	return &Batch{enc: e.kept.get(e), rule: e.rule}
}

// NewBatch returns an empty batch to whose spans the rule of p applies. Call
// Release after it.
func (p *SpanProcessor) NewBatch() *Batch {
	return &Batch{enc: p.exp.kept.get(p.exp), rule: p.rule}
}

// Expect makes room for so many lines, of the size that the last batch had: to
// grow to it step by step would copy them several times.
func (b *Batch) Expect(lines int) { b.enc.expect(lines) }

// SetOrigin says where the records and spans that follow come from. Call it
// first.
func (b *Batch) SetOrigin(o *otelline.Origin) {
	b.origin, b.enc.originText = b.enc.origins.of(b.enc.sources, o, b.enc.originText[:0])
}

// SetFilter leaves out the events for whose name wants is false.
func (b *Batch) SetFilter(wants func(event string) bool) { b.wants = wants }

// Skip leaves out the next n lines: those that are in the file already.
func (b *Batch) Skip(n int) { b.enc.skip = n }

// Attributes returns what to add the attributes of the next record to, before
// AddRecord.
func (b *Batch) Attributes() *otelline.Attributes {
	b.enc.attrs.Begin()
	return b.enc.attrs
}

// Record returns what to make the next record.
func (b *Batch) Record() *otelline.Record { return &b.enc.record }

// AddRecord adds the line of what Record and Attributes returned.
func (b *Batch) AddRecord() {
	b.enc.attrs.Finish(b.enc.cfg.replace)
	if b.leavesOut() {
		return
	}
	b.enc.append(b.origin, b.sessions())
}

// AddSpan adds the line of a span if it is an event, as [SpanProcessor] says.
func (b *Batch) AddSpan(span *otelline.Span) {
	if !b.rule.mayBeEvent(span, b.origin) {
		return
	}
	h := b.enc.classify(b.rule, span, b.origin)
	if h.kind == 0 {
		return
	}
	b.enc.readSpan(span, &h)
	if b.leavesOut() {
		return
	}
	b.enc.appendSpan(&h, b.origin, b.sessions())
}

// NameSenders has the records that follow, if they name no session, belong to one
// of the process that sent them, and not to that of the log.
func (b *Batch) NameSenders() { b.senders = true }

func (b *Batch) sessions() sessions {
	if b.senders {
		return sessions{other: b.origin.sender}
	}
	return sessions{other: b.enc.log.SessionID()}
}

// leavesOut reports whether the record that was read is not to be written.
func (b *Batch) leavesOut() bool {
	return b.wants != nil && !b.wants(b.enc.reading.nameOf(&b.enc.record))
}

// Len returns the number of lines.
func (b *Batch) Len() int { return b.enc.lines.Len() }

// Refused returns the number of records whose line is too long to be written.
func (b *Batch) Refused() int { return b.enc.lines.Refused() }

// Size returns the number of bytes of the lines.
func (b *Batch) Size() int { return b.enc.lines.Size() }

// Write appends the lines as one append. When it returns nil they are in the
// kernel, under the promises of [auditlog.Log.Append], whose errors it returns.
// The end of ctx is looked at as [Exporter.Export] does.
func (b *Batch) Write(ctx context.Context) error {
	e := b.enc.Exporter
	return e.report(e.write(ctx, &b.enc.lines, appendLines))
}

// WriteToDisk is Write that returns nil when the lines are on stable storage.
func (b *Batch) WriteToDisk(ctx context.Context) error {
	e := b.enc.Exporter
	return e.report(e.write(ctx, &b.enc.lines, appendLinesToDisk))
}

// Release gives the memory of b back; b is of no use after it.
func (b *Batch) Release() { b.enc.kept.put(b.enc) }

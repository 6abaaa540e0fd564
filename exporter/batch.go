package exporter

import (
	"cmp"
	"context"
	"errors"

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
	spans   []batchSpan             // that were announced
	next    int                     // of them, for AddSpan
	traces  []*traceSpans           // of them
	due     []spanRecord            // that were added
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
	b.enc.appendOfSpan(b.origin, b.sessions())
}

// maxAnnounced is how many spans of a request are taken in. Each needs some hundred
// bytes as long as the request is being written.
const maxAnnounced = 1 << 17

// MayNameSession reports whether an attribute of that key can name a session.
func (b *Batch) MayNameSession(key string) bool { return b.enc.sources.naming.has(key) }

// Announce says that AddSpan will be called with span: parents may stand behind their
// children. Announce all spans before the first AddSpan, in the same order. Of the
// attributes it needs those of which MayNameSession says so, and those that are maps,
// with all others if there is one.
func (b *Batch) Announce(span *otelline.Span) {
	if len(b.spans) == maxAnnounced || len(b.traces) > 0 {
		return
	}
	s := batchSpan{spanNews: spanNews{key: spanKey{span.TraceID, span.SpanID}, parent: span.ParentID}}
	session := b.enc.named(span.Attributes, span.Name, b.origin)
	s.session, s.names = cmp.Or(session, b.origin.session(span.Name)), session != ""
	b.spans = append(b.spans, s)
}

// announced returns the next span that was announced, nil behind the last one.
func (b *Batch) announced() *batchSpan {
	if b.next == len(b.spans) {
		return nil
	}
	if b.next == 0 {
		b.traces = b.enc.spans.announce(b.spans)
	}
	b.next++
	return &b.spans[b.next-1]
}

// AddSpan adds the line of a span if it is an event, as [SpanProcessor] says.
func (b *Batch) AddSpan(span *otelline.Span) {
	s := b.announced()
	from := b.sessions()
	if s != nil && s.ancestor != "" {
		b.enc.found = s.ancestor
		from.ancestor = b.enc.isFound
	}
	line := b.addEventOf(span, from)
	if s != nil {
		s.settled, s.line, s.record = s.key.isValid(), line, recordOf(span, from.other)
	}
}

func (b *Batch) addEventOf(span *otelline.Span, from sessions) bool {
	if !b.rule.mayBeEvent(span, b.origin) {
		return false
	}
	h := b.enc.classify(b.rule, span, b.origin)
	if h.kind == 0 {
		return false
	}
	b.enc.readSpan(span, &h)
	if b.leavesOut() {
		return false
	}
	b.enc.appendSpan(&h, b.origin, from)
	return true
}

// AddRecords adds the records of spans that are due, behind the last AddSpan. The lines
// that Skip leaves out do not count them. fits is asked after each, and ends it with
// its error.
func (b *Batch) AddRecords(fits func() error) error {
	if m := b.enc.spans; m.active.Load() {
		b.due = m.settleAll(b.spans, b.traces, b.due[:0])
		b.traces = nil
	}
	b.enc.skip = 0
	if b.wants != nil && !b.wants(EventSpan) {
		b.due = nil
	}
	for i := range b.due {
		b.enc.appendRecord(&b.due[i])
		if err := fits(); err != nil {
			return err
		}
	}
	return nil
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
	return b.write(ctx, appendLines)
}

// WriteToDisk is Write that returns nil when the lines are on stable storage.
func (b *Batch) WriteToDisk(ctx context.Context) error {
	return b.write(ctx, appendLinesToDisk)
}

func (b *Batch) write(ctx context.Context, to appendFunc) error {
	e := b.enc.Exporter
	err := e.write(ctx, &b.enc.lines, to)
	if long, ok := errors.AsType[*TooLongError](err); err == nil || ok && long.Err == nil {
		b.due = nil
	}
	return e.report(err)
}

// Release gives the memory of b back; b is of no use after it.
func (b *Batch) Release() {
	m := b.enc.spans
	if len(b.traces) > 0 { // the request was refused
		b.due = m.settleAll(nil, b.traces, b.due[:0])
	}
	m.giveBack(b.due)
	b.enc.kept.put(b.enc)
}

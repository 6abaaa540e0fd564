package exporter

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/emitters"
	"github.com/otelaudit/otelaudit/internal/jsonline"
	"github.com/otelaudit/otelaudit/internal/otelline"
)

// Exporter writes records to an audit log. [New] makes one. It is safe for
// concurrent use. Nil and the zero Exporter have no log: Export returns an error, and
// the other methods do nothing.
type Exporter struct {
	log      *auditlog.Log
	cfg      config
	sources  *sourceTable
	rule     *spanRule // for batches
	origins  originCache
	metrics  *telemetry // nil: none
	encoders sync.Pool
	spans    *spanMemory // of the log
	kept     keptEncoders
	lineSize atomic.Int64 // bytes of a line of the last batch, about
	unknown  atomic.Int64 // records that looked like calls, and are of no known kind
	stopped  atomic.Bool
}

var _ sdklog.Exporter = (*Exporter)(nil)

// New returns an exporter to log, which the caller owns: shut the exporter
// down first, then close the log. The error says which option is wrong.
func New(log *auditlog.Log, opts ...Option) (*Exporter, error) {
	if log == nil {
		return nil, errors.New("exporter: the log is nil; open one with auditlog.Open")
	}
	cfg := newConfig(opts)
	sources, err := newSourceTable(cfg)
	if err != nil {
		return nil, fmt.Errorf("exporter: %w", err)
	}
	e := &Exporter{log: log, cfg: cfg, sources: sources, rule: newSpanRule(sources, nil), spans: memoryOf(log)}
	if e.metrics, err = newTelemetry(cfg.meterProvider(), log, &e.unknown); err != nil {
		return nil, fmt.Errorf("exporter: %w", err)
	}
	e.encoders.New = func() any { return e.newEncoder() }
	return e, nil
}

// errNoLog is the error of what was not made by its constructor.
var errNoLog = errors.New("exporter: there is no log to write to; make the Exporter with New")

func (e *Exporter) hasLog() bool { return e != nil && e.log != nil }

// CheckOptions returns the error that [New] would return for opts, for programs
// that check a configuration before there is a log.
func CheckOptions(opts ...Option) error {
	if _, err := newSourceTable(newConfig(opts)); err != nil {
		return fmt.Errorf("exporter: %w", err)
	}
	return nil
}

// Export writes records, one line each, in their order, as one append. When it
// returns nil they are in the kernel, under the promises of
// [auditlog.Log.Append], whose errors it returns. A record whose line is longer
// than the longest line of the log is left out, the others are written, and the
// error is a [*TooLongError].
//
// The end of ctx does not lose records: it ends the wait for the disk, with an
// [*auditlog.SyncError]. After Shutdown the error is
// sdklog.ErrExporterShutdown.
func (e *Exporter) Export(ctx context.Context, records []sdklog.Record) error {
	if !e.hasLog() {
		return errNoLog
	}
	if e.stopped.Load() {
		return sdklog.ErrExporterShutdown
	}
	var enc *encoder
	if len(records) > 1 {
		enc = e.kept.get(e)
		defer e.kept.put(enc)
		enc.expect(len(records))
	} else {
		enc = e.encoder() // without the lock that kept has
		defer e.release(enc)
	}
	of := sessions{context: sessionOf(ctx), other: e.log.SessionID()}
	for i := range records {
		enc.read(&records[i])
		enc.appendOfSpan(enc.originOf(&records[i]), of)
	}
	return e.report(e.write(ctx, &enc.lines, e.log.AppendLines))
}

// report tells the callback of an error, and returns it.
func (e *Exporter) report(err error) error {
	if err != nil && e.cfg.onError != nil {
		e.cfg.onError(err)
	}
	return err
}

// write appends lines with one of the log's methods, and reports that as an
// export of so many records.
func (e *Exporter) write(ctx context.Context, lines *jsonline.Lines, to func(context.Context, *jsonline.Lines) error) error {
	records := lines.Len() + lines.Refused()
	start := e.metrics.start(ctx, records)
	err := e.append(ctx, lines, to)
	written := lines.Len()
	if err != nil {
		written = writtenOf(written, err)
	}
	if n := lines.Refused(); n > 0 {
		err = &TooLongError{Records: n, Longest: e.log.MaxLine(), Err: err}
	}
	e.metrics.end(ctx, start, records, written, err)
	return err
}

// append appends lines. A context that ends while others are writing must not
// lose them: then they are written without it.
func (e *Exporter) append(ctx context.Context, lines *jsonline.Lines, to func(context.Context, *jsonline.Lines) error) error {
	if lines.Len() == 0 {
		return nil // all were refused
	}
	err := to(ctx, lines)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil && !isPartlyWritten(err) && errors.Is(err, context.Cause(ctx)) {
		err = to(context.WithoutCancel(ctx), lines)
	}
	if err != nil {
		return fmt.Errorf("exporter: %w", err)
	}
	return nil
}

// isPartlyWritten reports whether some or all of what was appended is in the
// file.
func isPartlyWritten(err error) bool {
	if _, ok := errors.AsType[*auditlog.SyncError](err); ok {
		return true
	}
	_, ok := errors.AsType[*auditlog.BatchError](err)
	return ok
}

// ForceFlush returns nil when every record exported before is on stable
// storage. After Shutdown it does nothing.
func (e *Exporter) ForceFlush(ctx context.Context) error {
	if !e.hasLog() || e.stopped.Load() {
		return nil
	}
	return e.sync(ctx)
}

// Shutdown ends the exporter: it syncs, and Export returns
// sdklog.ErrExporterShutdown after it. The log stays open. Further calls do
// nothing.
func (e *Exporter) Shutdown(ctx context.Context) error {
	if !e.hasLog() || e.stopped.Swap(true) {
		return nil
	}
	err := e.sync(ctx)
	if closeErr := e.metrics.close(); closeErr != nil {
		err = errors.Join(err, fmt.Errorf("exporter: stop metrics: %w", closeErr))
	}
	return err
}

func (e *Exporter) sync(ctx context.Context) error {
	if err := e.log.Sync(ctx); err != nil {
		return e.report(fmt.Errorf("exporter: %w", err))
	}
	return nil
}

// encoder holds what encoding needs and can be used again.
type encoder struct {
	*Exporter

	record  otelline.Record
	isSpan  bool // the record was made of a span
	kind    emitters.Kind
	from    spanKey       // where lookUp begins
	lookUp  func() string // ofSpan, which would be made for each record
	found   string        // the session of an ancestor
	isFound func() string // returns it
	attrs   *otelline.Attributes
	stamped []byte // the log.record.uid that the record got since it was read
	made    []byte // the log.record.uid that was made for the record
	reading reading
	probe   reading // of the attributes of a span, before it is known what that is
	line    otelline.Line
	uids    *uidMaker
	lines   jsonline.Lines
	skip    int       // leave out the next lines, this many
	now     time.Time // zero as long as nobody asked

	key    originKey // of origin
	origin *origin

	originText []byte // of the last origin of a batch
}

func (e *Exporter) newEncoder() *encoder {
	enc := &encoder{Exporter: e, attrs: otelline.NewAttributes(e.sources.keys), uids: newUIDMaker()}
	enc.reading = reading{table: e.sources, attrs: enc.attrs}
	enc.probe = reading{table: e.sources, attrs: otelline.NewAttributes(e.sources.keys)}
	enc.line.Attributes = enc.attrs
	enc.lookUp, enc.isFound = enc.ofSpan, func() string { return enc.found }
	return enc
}

// maxPooledBytes keeps one huge batch from holding its memory for good.
const maxPooledBytes = 1 << 20

func (e *Exporter) encoder() *encoder { return e.encoders.Get().(*encoder) }

func (e *Exporter) release(enc *encoder) {
	if enc.lines.Cap() > maxPooledBytes {
		return
	}
	enc.reset()
	e.encoders.Put(enc)
}

// lineBuffers hold what was encoded and waits to be written, for so long that
// the encoder had better be used by others: then the processor's caches keep it.
var lineBuffers = sync.Pool{New: func() any { return new(jsonline.Lines) }}

// takeLines returns what was encoded, and leaves none. Give it to releaseLines.
func (enc *encoder) takeLines() *jsonline.Lines {
	lines := lineBuffers.Get().(*jsonline.Lines)
	*lines, enc.lines = enc.lines, *lines
	return lines
}

func releaseLines(lines *jsonline.Lines) {
	if lines.Cap() <= maxPooledBytes {
		lines.Reset()
		lineBuffers.Put(lines)
	}
}

// reset lets go of what was encoded.
func (enc *encoder) reset() {
	enc.lines.Reset()
	enc.attrs.Reset()
	enc.probe.attrs.Reset()
	for _, r := range [...]*reading{&enc.reading, &enc.probe} {
		r.json.reset()
		r.plan.forget()
	}
	enc.record = otelline.Record{}
	enc.stamped, enc.made = nil, nil
	enc.skip = 0
	enc.now = time.Time{}
	enc.line.Reset()
}

func (enc *encoder) read(record *sdklog.Record) {
	enc.record.Read(record)
	enc.attrs.Read(record, enc.cfg.replace)
}

// append encodes the record that was read. session is that of the context. A line
// that is too long is refused, and does not count among those to skip.
func (enc *encoder) append(o *origin, of sessions) {
	enc.isSpan = false
	enc.add(enc.encode(o, of, nil))
}

// appendOfSpan is append for a record that may have the session of its span.
func (enc *encoder) appendOfSpan(o *origin, of sessions) {
	if enc.from = keyOfRecord(&enc.record); enc.spans.has(enc.from) {
		of.ancestor = enc.lookUp
	}
	enc.append(o, of)
	if of.ancestor != nil && enc.kind == emitters.Call {
		enc.spans.markLine(enc.from)
	}
}

// appendSpan encodes the event of a span that was read.
func (enc *encoder) appendSpan(h *happening, o *origin, of sessions) {
	enc.isSpan = true
	enc.add(enc.encode(o, of, h))
}

func (enc *encoder) add(buf []byte) {
	switch {
	case len(buf)-enc.lines.Size() > enc.log.MaxLine()+len("\n"):
		enc.lines.Refuse()
	case enc.skip > 0:
		enc.skip--
	default:
		enc.lines.Commit(buf)
	}
}

// encode returns the buffer of the lines with the record that was read behind
// them. of is nil for a log record, else what its span is.
func (enc *encoder) encode(o *origin, from sessions, of *happening) []byte {
	l := &enc.line
	l.Derived = otelline.Derived{}
	d := &l.Derived
	r := &enc.reading // calls through the table would move a local one to the heap
	if r.event = EventSpan; of == nil || of.kind != emitters.Step {
		r.event = r.nameOf(&enc.record)
	}
	enc.made = nil
	var h happening
	if of != nil {
		r.begin(o, enc.probe.name, false)
		h = *of
	} else {
		r.begin(o, r.event, true)
		h = r.happened(&enc.record)
	}
	withUsage := h.kind == emitters.Call || h.kind == emitters.Open
	r.derive(d, o, from, withUsage)
	if h.kind == emitters.Open {
		var is bool
		if is, h.failed = r.isCall(d, &enc.record); is {
			h.kind = emitters.Call
		} else if withUsage = false; enc.looksLikeCall(d) {
			enc.unknown.Add(1)
		}
	}
	if !withUsage {
		for _, f := range usage {
			enc.attrs.Disown(f)
			d.Clear(f)
		}
	}
	l.UID = nil
	if !enc.cfg.withoutUID && !enc.attrs.HasUID() {
		l.UID = enc.uid()
	}
	enc.mark(d, &h)
	enc.kind = h.kind
	l.Event, l.Time, l.Origin = r.event, enc.time(), o.encoded
	if l.Emitter = nil; r.rules != nil {
		l.Emitter = r.rules.encoded
	}
	if l.Same = l.Same[:0]; h.kind == emitters.Call {
		l.Same = enc.same(l.Same, d, &h)
	}
	return l.Append(enc.lines.Buffer(), &enc.record)
}

// looksLikeCall reports whether a log record that is no call has tokens or a
// cost.
func (enc *encoder) looksLikeCall(d *otelline.Derived) bool {
	for _, f := range [...]otelline.Field{otelline.Cost, otelline.InputTokens, otelline.OutputTokens} {
		if d.Has(f) || enc.attrs.Owns(f) {
			return true
		}
	}
	return false
}

// uid returns the log.record.uid that is made for the record.
func (enc *encoder) uid() []byte {
	switch {
	case enc.made != nil:
	case enc.stamped != nil:
		enc.made = enc.stamped
	default:
		enc.made = enc.uids.next(enc.observed())
	}
	return enc.made
}

// time returns what ts says.
func (enc *encoder) time() time.Time {
	if t := enc.record.Time; !t.IsZero() {
		return t
	}
	if t, ok := enc.reading.time(); ok {
		return t
	}
	return enc.observed()
}

// observed returns when the record was, now if it does not say. It is asked for
// what most records do say, so that they need no look at the clock.
func (enc *encoder) observed() time.Time {
	if t := enc.record.Observed; !t.IsZero() {
		return t
	}
	if enc.now.IsZero() {
		enc.now = time.Now()
	}
	return enc.now
}

func (enc *encoder) originOf(record *sdklog.Record) *origin {
	scope := record.InstrumentationScope()
	key := keyOf(&scope, record.Resource())
	if enc.origin == nil || key != enc.key {
		enc.key, enc.origin = key, enc.cached(key, scope)
	}
	return enc.origin
}

// cached is on its own so that the scope escapes only where it has to.
func (enc *encoder) cached(key originKey, scope instrumentation.Scope) *origin {
	return enc.origins.get(enc.sources, key, &scope)
}

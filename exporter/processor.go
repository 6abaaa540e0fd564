package exporter

import (
	"context"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelaudit/otelaudit/internal/jsonline"
	"github.com/otelaudit/otelaudit/internal/otelline"
)

// Processor writes each record to the audit log before Emit returns: it never
// drops one, and goroutines share writes and fsyncs. [NewProcessor] makes one.
// It is safe for concurrent use.
type Processor struct {
	exp     *Exporter
	cfg     processorConfig
	errors  *errorSummary // nil: each error is returned
	stopped atomic.Bool
}

var _ sdklog.Processor = (*Processor)(nil)

// NewProcessor returns a processor that writes with exp. Register it first, so
// that the processors behind it see what it stamps on records. Without an exporter,
// or with one that [New] did not make, OnEmit returns an error for each record, and
// so does the zero Processor.
func NewProcessor(exp *Exporter, opts ...ProcessorOption) *Processor {
	p := &Processor{exp: exp}
	for _, opt := range opts {
		if opt != nil {
			p.cfg = opt.applyProcessor(p.cfg)
		}
	}
	if p.cfg.errorSummary && exp.hasLog() {
		p.errors = newErrorSummary("records", exp.log.Path())
	}
	return p
}

// OnEmit writes record. When it returns nil the line is in the kernel, and
// [WithWaitForDisk] on disk; else how soon it is there is said by the options of
// the log. The end of ctx changes nothing about that. A record that the filters
// of p leave out is not written, nor is one after Shutdown. [WithErrorSummary] makes
// less of a nil.
//
// A record without log.record.uid gets one, and one without a session that of
// ctx ([ContextWithSession]) as session.id, unless limits of the LoggerProvider
// leave no room for them, or it has another session.id, an empty one for example:
// then they are on the line only. Processors behind this one see them.
func (p *Processor) OnEmit(ctx context.Context, record *sdklog.Record) error {
	if p.stopped.Load() || !p.wants(ctx, parametersOf(record)) {
		return nil
	}
	if !p.exp.hasLog() {
		return errNoLog
	}
	lines := p.encode(ctx, record)
	defer releaseLines(lines)
	to := p.exp.log.AppendLines
	if p.cfg.waitForDisk {
		to = p.exp.log.AppendLinesToDisk
	}
	err := p.exp.report(p.exp.write(context.WithoutCancel(ctx), lines, to))
	if p.errors == nil {
		return err
	}
	if err == nil {
		p.errors.worked()
		return nil
	}
	return p.errors.failed(err, err)
}

// encode returns the line of record, on which it stamps what is missing. Give it to
// releaseLines.
func (p *Processor) encode(ctx context.Context, record *sdklog.Record) *jsonline.Lines {
	enc := p.exp.encoder()
	defer p.exp.release(enc)
	session := sessionOf(ctx)
	enc.read(record)
	enc.stamp(record, session)
	of := sessions{context: session, other: enc.log.SessionID()}
	if enc.spans.active.Load() && !trace.SpanContextFromContext(ctx).IsRemote() {
		enc.appendOfSpan(enc.originOf(record), of)
	} else {
		enc.append(enc.originOf(record), of)
	}
	return enc.takeLines()
}

// Enabled reports whether a record of that kind would be written: what the
// filters of p say, and false after Shutdown.
func (p *Processor) Enabled(ctx context.Context, param sdklog.EnabledParameters) bool {
	return !p.stopped.Load() && p.wants(ctx, param)
}

// ForceFlush returns nil when every record that OnEmit wrote is on stable
// storage; of those that it could not write OnEmit told. After Shutdown it does
// nothing.
func (p *Processor) ForceFlush(ctx context.Context) error {
	if p.stopped.Load() || !p.exp.hasLog() {
		return nil
	}
	return p.exp.sync(ctx) // also if somebody shut the exporter down, since OnEmit still writes
}

// Shutdown shuts the exporter down. The log stays open.
func (p *Processor) Shutdown(ctx context.Context) error {
	p.stopped.Store(true)
	if p.errors != nil {
		p.errors.stop()
	}
	return p.exp.Shutdown(ctx)
}

// stamp adds to the record that was read what it lacks. The line will have it too.
func (enc *encoder) stamp(record *sdklog.Record, session string) {
	var room [2]attribute.KeyValue
	add := room[:0]
	var uid []byte
	if !enc.cfg.withoutUID && !enc.attrs.HasUID() && (enc.cfg.replace == nil || !carries(record, otelline.KeyUID)) {
		uid = enc.uids.next(enc.observed())
		add = append(add, attribute.String(otelline.KeyUID, string(uid)))
	}
	if session != "" && !enc.hasSession(record) && !carries(record, otelline.KeySessionID) {
		add = append(add, attribute.String(otelline.KeySessionID, session))
	}
	if len(add) == 0 {
		return
	}
	before, dropped := *record, record.DroppedAttributes()
	record.AddAttributes(add...)
	if record.DroppedAttributes() != dropped || !endsIn(record, add) {
		// The provider's limits dropped or cut them, and counted that.
		*record = before
		return
	}
	enc.stamped = uid // the line has it though a hook takes the attribute away
	if len(add) == 1 && uid != nil && enc.cfg.replace == nil {
		return // as good as read
	}
	enc.read(record)
}

// carries reports whether record has an attribute of that key, also where the
// line has no use for it: to add another one would replace it.
func carries(record *sdklog.Record, key attribute.Key) (found bool) {
	record.WalkAttributes(func(kv attribute.KeyValue) bool {
		found = kv.Key == key
		return !found
	})
	return found
}

// hasSession reports whether the record that was read names a session itself.
func (enc *encoder) hasSession(record *sdklog.Record) bool {
	if enc.attrs.Owns(otelline.Session) {
		return true
	}
	r := &enc.reading
	r.event = r.nameOf(&enc.record)
	r.begin(enc.originOf(record), r.event, true)
	return r.session() != ""
}

// endsIn reports whether the last attributes of record are attrs.
func endsIn(record *sdklog.Record, attrs []attribute.KeyValue) bool {
	skip := record.AttributesLen() - len(attrs)
	same := skip >= 0
	record.WalkAttributes(func(kv attribute.KeyValue) bool {
		if skip--; skip < 0 {
			want := attrs[-skip-1]
			same = same && kv.Key == want.Key && kv.Value.AsString() == want.Value.AsString()
		}
		return same
	})
	return same
}

package exporter

import (
	"cmp"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/otelaudit/otelaudit/internal/emitters"
	"github.com/otelaudit/otelaudit/internal/otelline"
)

// ofSpan returns the session of the span enc.from, or of the nearest of its
// ancestors that names one, "" if none is known to.
func (enc *encoder) ofSpan() string {
	m := enc.spans
	if !m.has(enc.from) {
		return ""
	}
	key := enc.from
	for range maxAncestors {
		session, live, parent, ok := m.look(key)
		if !ok {
			return ""
		}
		if live != nil {
			session = cmp.Or(enc.namedByLive(live), session)
		}
		if session != "" {
			return session
		}
		if key.span = parent; !parent.IsValid() {
			return ""
		}
	}
	return ""
}

// namedByLive returns the session that a span which has not ended names.
func (enc *encoder) namedByLive(span sdktrace.ReadOnlySpan) string {
	scope := span.InstrumentationScope()
	o := enc.cached(keyOf(&scope, span.Resource()), scope)
	return cmp.Or(enc.named(span.Attributes(), span.Name(), o), o.session(span.Name()))
}

// named returns the session that the attributes of a span name, "" if they name
// none. It reads them into enc.probe.
func (enc *encoder) named(attrs []attribute.KeyValue, name string, o *origin) string {
	if !enc.sources.mayName(attrs) {
		return ""
	}
	p := &enc.probe
	p.attrs.ReadList(attrs, enc.cfg.replace)
	if v, ok := p.attrs.Own(otelline.Session); ok {
		return v.AsString()
	}
	event := p.event
	p.event = name
	p.begin(o, name, false)
	session := p.session()
	p.event = event
	return session
}

// mayName reports whether a span with such attributes can name a session. Most spans
// name none, and need no further look.
func (t *sourceTable) mayName(attrs []attribute.KeyValue) bool {
	for i := range attrs {
		if kv := &attrs[i]; t.naming.has(string(kv.Key)) || kv.Value.Type() == attribute.MAP {
			return true
		}
	}
	return false
}

// recordOf returns what the record of a span says, but for its session.
func recordOf(span *otelline.Span, sender string) spanRecord {
	r := spanRecord{parent: span.ParentID, flags: span.Flags, name: span.Name, end: span.End, duration: -1, sender: sender}
	if !span.Start.IsZero() && !span.End.IsZero() {
		r.duration = max(span.End.Sub(span.Start), 0)
	}
	return r
}

// noOrigin is that of span records: they are small.
var noOrigin = &origin{}

// appendRecord encodes the record of a span. One whose line is too long is left out:
// it is nothing that a sender asked for.
func (enc *encoder) appendRecord(r *spanRecord) {
	attrs := enc.attrs
	attrs.Begin()
	if r.duration >= 0 {
		ms := r.duration.Round(time.Millisecond) / time.Millisecond
		attrs.Add(otelline.Duration.Key(), otelline.Int64Value(int64(ms)))
	}
	attrs.Add(keySpanName, otelline.StringValue(r.name))
	if r.parent.IsValid() {
		attrs.Add(keyParentID, otelline.StringValue(r.parent.String()))
	}
	attrs.Finish(enc.cfg.replace)
	enc.record = otelline.Record{Time: r.end, Observed: r.end, EventName: EventSpan, TraceID: r.trace, SpanID: r.span, Flags: r.flags}
	enc.stamped, enc.isSpan = nil, true
	buf := enc.encode(noOrigin, sessions{context: r.session, other: r.sender}, &happening{kind: emitters.Step})
	if len(buf)-enc.lines.Size() <= enc.log.MaxLine()+len("\n") {
		enc.lines.Commit(buf)
	}
}

// EventSpan is the event of a span record: a small line of a span that is no event
// itself, from which readers complete sessions and trees (FORMAT.md section 5).
const EventSpan = "otelaudit.span"

// newsOf returns what is said of a span of the SDK, but for its session.
func newsOf(span sdktrace.ReadOnlySpan) spanNews {
	parent := span.Parent()
	return spanNews{key: keyOfSpan(span), parent: parent.SpanID(), remote: parent.IsRemote()}
}

// parentKey returns where the search for a session of an ancestor begins; nowhere
// for a parent of another process.
func (n *spanNews) parentKey() spanKey {
	if n.remote {
		return spanKey{}
	}
	return spanKey{n.key.trace, n.parent}
}

// keyOfRecord returns the span of a log record.
func keyOfRecord(r *otelline.Record) spanKey { return spanKey{r.TraceID, r.SpanID} }

package exporter

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"

	"github.com/otelaudit/otelaudit/internal/emitters"
	"github.com/otelaudit/otelaudit/internal/jsonline"
	"github.com/otelaudit/otelaudit/internal/otelline"
)

const (
	// keySpanName is the attribute of events that were made of a span.
	keySpanName = "otelaudit.span.name"
	// keyParentID is the attribute that says the parent of that span: the events
	// of a trace can be put in a tree without its spans.
	keyParentID = "otelaudit.span.parent_id"

	eventTool = "execute_tool"
	eventChat = "chat" // of a call that does not say its operation
)

// maxResponseID bounds the part of a call_id that a peer chooses, in bytes.
const maxResponseID = 256

// happening is what a record is as an audit event.
type happening struct {
	kind   emitters.Kind // 0: a span that is no event
	event  string        // of a span
	rule   *recordRule   // nil: the name of the span alone said it
	failed bool
	// why is the reason of a failure that no attribute says.
	why string
}

// spanRule says which spans are events.
type spanRule struct {
	sources *sourceTable
	names   map[string]bool // of spans that are calls of a model by their name alone: true if the caller says so
}

// modelCallNames are those of the Vercel AI SDK, which says no operation. Spans
// whose attributes say what they are are not called by their name.
var modelCallNames = [...]string{
	"ai.generateText.doGenerate", "ai.streamText.doStream", "ai.generateObject.doGenerate", "ai.streamObject.doStream",
	"ai.embed.doEmbed", "ai.embedMany.doEmbed",
}

func newSpanRule(sources *sourceTable, names []string) *spanRule {
	r := &spanRule{sources: sources, names: make(map[string]bool)}
	for _, name := range modelCallNames {
		r.names[name] = false
	}
	for _, name := range names {
		r.names[name] = true
	}
	return r
}

// mayBeEvent reports whether a span can be an event. Most spans are none, and need
// no further look.
func (r *spanRule) mayBeEvent(span *otelline.Span, o *origin) bool {
	if o.scope != nil {
		return true
	}
	for i := range span.Attributes {
		if kv := &span.Attributes[i]; r.sources.deciding.has(string(kv.Key)) || kv.Value.Type() == attribute.MAP {
			return true
		}
	}
	_, ok := r.names[span.Name]
	return ok
}

// classify says what a span is. It reads the attributes of span into enc.probe.
func (enc *encoder) classify(rule *spanRule, span *otelline.Span, o *origin) (h happening) {
	p := &enc.probe
	p.attrs.ReadList(span.Attributes, nil)
	p.begin(o, span.Name, false)
	h.rule = p.match(emitters.Spans)
	if h.rule != nil {
		h.kind = h.rule.kind
	}
	switch h.kind {
	case emitters.Call, emitters.Sum, emitters.Tool:
	default:
		if own, ok := rule.names[span.Name]; !ok || !own && h.rule != nil {
			if h.rule == nil && p.attrs.HasAny(enc.sources.usage) {
				enc.unknown.Add(1)
			}
			return happening{}
		}
		h.kind, h.rule = emitters.Call, nil
	}
	h.event = enc.eventOf(&h, span)
	if h.kind != emitters.Sum || span.Failed {
		kind, message, thrown := "", "", false
		if span.Events != nil {
			kind, message, thrown = span.Events.Exception()
		}
		h.failed = span.Failed || p.failed(h.rule, thrown)
		h.why = cmp.Or(span.Status, message, kind)
	}
	return h
}

// eventOf returns the name of the event of a span.
func (enc *encoder) eventOf(h *happening, span *otelline.Span) string {
	if h.kind == emitters.Tool {
		return eventTool
	}
	if h.rule == nil {
		return cmp.Or(enc.probe.attribute(enc.sources.operation), span.Name)
	}
	if h.rule.eventKey != otelline.NoKey {
		if name := enc.probe.attribute(h.rule.eventKey); name != "" {
			return name
		}
	}
	return cmp.Or(h.rule.event, enc.probe.attribute(enc.sources.operation), eventChat)
}

// attribute returns the text of an attribute, "" of another type.
func (r *reading) attribute(id otelline.KeyID) string {
	v, ok := r.attrs.Get(id)
	if !ok {
		return ""
	}
	text, _ := textOf(v)
	return text
}

// failed reports whether the attributes say that a call or a tool failed. thrown
// says that there is an exception.
func (r *reading) failed(rule *recordRule, thrown bool) bool {
	if rule != nil && (rule.failed || r.anyHolds(rule.failedIf)) {
		return true
	}
	finished, isError := r.finish()
	if isError {
		return true
	}
	if !thrown && !r.httpError() {
		return false
	}
	// An attempt that failed before one that succeeded leaves such traces too.
	output, _ := r.integer(otelline.OutputTokens, count)
	return !finished && output == 0
}

func (r *reading) httpError() bool {
	status, ok := r.number(sourceHTTPStatus, count)
	return ok && status >= 400 && status < 1000
}

// finish reports whether there is a reason why the model stopped, and whether
// that is an error.
func (r *reading) finish() (finished, isError bool) {
	for _, s := range r.sources(sourceFinish) {
		v, ok := r.get(s.source)
		if !ok {
			continue
		}
		if text, ok := textOf(v); ok {
			if text == "[]" {
				continue
			}
			return true, isErrorText(text)
		}
		if r.attrs.IsStrings(v) {
			texts := stringsOf(r.attrs.Any(v))
			if slices.ContainsFunc(texts, isErrorText) {
				return true, true
			}
			finished = finished || len(texts) > 0
		}
	}
	return finished, false
}

// isErrorText reports whether a finish reason is an error: it, or a list of it as
// JSON.
func isErrorText(text string) bool {
	return strings.EqualFold(text, "error") || strings.EqualFold(text, `["error"]`)
}

func stringsOf(v attribute.Value) (list []string) {
	switch v.Type() {
	case attribute.STRINGSLICE:
		return v.AsStringSlice()
	case attribute.SLICE:
		for _, e := range v.AsSlice() {
			list = append(list, e.AsString())
		}
	}
	return list
}

// readSpan reads the event of a span, as read does a record. What the span
// carries itself under the name of a field goes before what is made of its times
// and its status.
func (enc *encoder) readSpan(span *otelline.Span, h *happening) {
	attrs := enc.attrs
	attrs.Begin()
	for _, kv := range span.Attributes {
		attrs.AddAny(kv)
	}
	has := enc.probe.attrs.HasOwnKey
	if !has(otelline.Duration) && !span.Start.IsZero() && !span.End.IsZero() { // a collector may receive neither
		ms := max(span.End.Sub(span.Start), 0).Round(time.Millisecond) / time.Millisecond
		attrs.Add(otelline.Duration.Key(), otelline.Int64Value(int64(ms)))
	}
	enc.record = otelline.Record{
		Time: span.End, Observed: span.End, EventName: h.event, Dropped: span.Dropped,
		TraceID: span.TraceID, SpanID: span.SpanID, Flags: span.Flags,
	}
	if span.Failed || h.failed {
		enc.record.Severity = log.SeverityError
		if h.why != "" && !has(otelline.Reason) && !enc.probe.saysWhy() {
			attrs.Add(otelline.Reason.Key(), otelline.StringValue(h.why))
		}
	}
	attrs.Add(keySpanName, otelline.StringValue(span.Name))
	if span.ParentID.IsValid() {
		attrs.Add(keyParentID, otelline.StringValue(span.ParentID.String()))
	}
	attrs.Finish(enc.cfg.replace)
}

// saysWhy reports whether an attribute says why something failed, better than a
// status does.
func (r *reading) saysWhy() bool {
	if r.attribute(r.table.errorMessage) != "" {
		return true
	}
	for _, s := range r.sources(otelline.Reason) {
		if s.known {
			if _, ok := r.sourceText(s.source); ok {
				return true
			}
		}
	}
	return false
}

// happened says what a log record is, before its fields are derived.
func (r *reading) happened(record *otelline.Record) (h happening) {
	h.rule = r.match(emitters.Logs)
	h.kind = emitters.Open
	if h.rule != nil {
		h.kind = h.rule.kind
	}
	if h.kind == emitters.Call || h.kind == emitters.Tool {
		h.failed = record.Severity >= log.SeverityError || r.failed(h.rule, r.thrown())
	}
	return h
}

// thrown reports whether a log record has an exception.
func (r *reading) thrown() bool {
	return r.attribute(r.table.exceptionType) != "" || r.attribute(r.table.exceptionMessage) != ""
}

// isCall says whether a log record of which no emitter says what it is tells of a
// call, and whether that failed.
func (r *reading) isCall(d *otelline.Derived, record *otelline.Record) (is, failed bool) {
	failed = record.Severity >= log.SeverityError || r.failed(nil, r.thrown())
	has := func(f otelline.Field) bool { return d.Has(f) || r.attrs.Owns(f) }
	cost, input, output := has(otelline.Cost), has(otelline.InputTokens), has(otelline.OutputTokens)
	if cost || input || output {
		// Prose may mention numbers. It tells of a call if it says of which model.
		return r.event != eventOther || has(otelline.Model) && (cost || input && output), failed
	}
	if isOperation(r.attribute(r.table.operation)) {
		if _, ok := r.text(sourceResponse); ok {
			return true, failed
		}
		finished, _ := r.finish()
		return finished || failed, failed
	}
	return failed && has(otelline.Model) && namesCall(r.event), failed
}

func isOperation(name string) bool {
	switch name {
	case "chat", "text_completion", "generate_content", "embeddings", "completion", "embedding":
		return true
	}
	return false
}

// namesCall reports whether the name of an event is one of calls of a model.
func namesCall(event string) bool {
	return strings.HasPrefix(event, "llm.") || strings.HasPrefix(event, "gen_ai.") ||
		strings.HasSuffix(event, ".api_error") || strings.HasSuffix(event, ".api_request")
}

// mark sets the fields of a call or a tool that say what became of it.
func (enc *encoder) mark(d *otelline.Derived, h *happening) {
	r := &enc.reading
	if h.kind != emitters.Call && h.kind != emitters.Tool {
		d.Clear(otelline.Tool)
		return
	}
	if h.kind == emitters.Call {
		d.Clear(otelline.Tool)
		enc.identify(d, h)
	}
	if !h.failed {
		if d.Has(otelline.Reason) {
			d.Clear(otelline.Reason)
		}
		return
	}
	if !r.attrs.Owns(otelline.Failed) {
		d.Failed = true
		d.Set(otelline.Failed)
	}
	if !r.attrs.Owns(otelline.Reason) && !d.Has(otelline.Reason) {
		d.Reason = "error"
		if status, ok := r.number(sourceHTTPStatus, count); ok && status >= 400 {
			d.Reason = "HTTP " + strconv.FormatInt(int64(status), 10)
		}
		d.Set(otelline.Reason)
	}
}

// identify sets the call_id.
func (enc *encoder) identify(d *otelline.Derived, h *happening) {
	r, record := &enc.reading, &enc.record
	d.Set(otelline.CallID)
	d.CallID = otelline.CallIdentity{}
	if record.TraceID.IsValid() {
		if id, ok := r.text(sourceResponse); ok && len(id) <= maxResponseID {
			d.CallID.Trace, d.CallID.Response = record.TraceID, id
			return
		}
		ofSpan := enc.isSpan || h.rule != nil && h.rule.ofSpan
		if ofSpan && record.SpanID.IsValid() {
			d.CallID.Trace, d.CallID.Span = record.TraceID, record.SpanID
			return
		}
	}
	if id := enc.attrs.UID(); id != "" && len(id) <= maxResponseID {
		d.CallID.UID = id
		return
	}
	d.CallID.Made = enc.uid()
}

// same returns the text that the two tellings of a call have in common, as the
// emitter's data says.
func (enc *encoder) same(buf []byte, d *otelline.Derived, h *happening) []byte {
	if h.rule == nil || len(h.rule.same) == 0 {
		return buf
	}
	for i, f := range h.rule.same {
		if i > 0 {
			buf = append(buf, ' ')
		}
		v, own := enc.attrs.Own(f)
		switch {
		case own && v.Type() == attribute.STRING:
			buf = append(buf, v.AsString()...)
		case own && v.Type() == attribute.INT64:
			buf = jsonline.AppendInt(buf, v.AsInt64())
		case own && v.Type() == attribute.FLOAT64:
			buf = jsonline.AppendFloat(buf, v.AsFloat64())
		case f == otelline.Session:
			buf = append(buf, d.Session...)
		case f == otelline.Cost && d.Has(f):
			buf = jsonline.AppendFloat(buf, d.Cost)
		case f == otelline.Duration && d.Has(f):
			buf = jsonline.AppendInt(buf, d.Duration)
		case f == otelline.Model && d.Has(f):
			buf = append(buf, d.Model...)
		case d.Has(f):
			buf = jsonline.AppendInt(buf, enc.reading.tokens(d, f))
		default:
			return buf[:0] // one of them is not there
		}
	}
	return buf
}

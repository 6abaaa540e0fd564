package exporter

import (
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"

	"github.com/otelaudit/otelaudit/internal/otelline"
)

// keySpanName is the attribute of events that were made of a span.
const keySpanName = "otelaudit.span.name"

// keyParentID is the attribute that says the parent of that span: the events
// of a trace can be put in a tree without its spans.
const keyParentID = "otelaudit.span.parent_id"

// modelCallNames are spans that are calls of a model by their name alone:
// the Vercel AI SDK says no operation.
var modelCallNames = [...]string{
	"ai.generateText.doGenerate", "ai.streamText.doStream", "ai.generateObject.doGenerate", "ai.streamObject.doStream",
	"ai.embed.doEmbed", "ai.embedMany.doEmbed",
}

// modelCall is what a span is as an audit event.
type modelCall struct {
	event string // empty: the span is none
	sums  bool   // it sums up what its children used
}

// What the kinds of spans mean: false for a call of a model, true for a sum.
var (
	operations = map[string]bool{
		"chat": false, "text_completion": false, "generate_content": false, "embeddings": false,
		"invoke_agent": true, "invoke_workflow": true,
	}
	openInferenceKinds = map[string]bool{"LLM": false, "EMBEDDING": false, "AGENT": true, "CHAIN": true}
	langfuseTypes      = map[string]bool{"generation": false, "embedding": false}
)

// spanRule says which spans are events.
type spanRule struct {
	sources *sourceTable
	names   map[string]struct{} // of spans that are calls of a model by their name alone
	attrs   sync.Pool           // of *otelline.Attributes, for spans with maps
}

// spanKind is what the attributes of a span say of it.
type spanKind struct {
	operation, openInference, langfuse, request string
	usage                                       bool // in a map; else it is looked for when it matters
}

func newSpanRule(sources *sourceTable, names []string) *spanRule {
	r := &spanRule{sources: sources, names: make(map[string]struct{})}
	r.attrs.New = func() any { return otelline.NewAttributes(sources.keys) }
	for _, name := range append(slices.Clip(names), modelCallNames[:]...) {
		r.names[name] = struct{}{}
	}
	return r
}

func (r *spanRule) classify(span *otelline.Span) modelCall {
	kind := r.kindOf(span)
	if sums, ok := operations[kind.operation]; ok && (sums || span.Failed || kind.usage || r.hasUsage(span)) {
		return modelCall{kind.operation, sums}
	}
	if sums, ok := openInferenceKinds[kind.openInference]; ok {
		return modelCall{kind.openInference, sums}
	}
	if sums, ok := langfuseTypes[kind.langfuse]; ok {
		return modelCall{kind.langfuse, sums}
	}
	if kind.request != "" {
		return modelCall{kind.request, false}
	}
	if _, ok := r.names[span.Name]; ok {
		if kind.operation != "" {
			return modelCall{kind.operation, false}
		}
		return modelCall{span.Name, false}
	}
	return modelCall{}
}

// first sets to if it is not: of a repeated key the first occurrence counts.
func first(to *string, v attribute.Value) {
	if *to == "" {
		*to = v.AsString()
	}
}

// kindOf does not look up each attribute of a span in the table: most spans are
// no calls of a model.
func (r *spanRule) kindOf(span *otelline.Span) (kind spanKind) {
	for _, kv := range span.Attributes {
		switch kv.Value.Type() {
		case attribute.STRING:
		case attribute.MAP:
			return r.kindWithMaps(span)
		default:
			continue
		}
		switch kv.Key {
		case keyOperation:
			first(&kind.operation, kv.Value)
		case keySpanKind:
			first(&kind.openInference, kv.Value)
		case keyLangfuseType:
			first(&kind.langfuse, kv.Value)
		case keyRequestType:
			first(&kind.request, kv.Value)
		}
	}
	return kind
}

// kindWithMaps is kindOf for a span whose maps are to be looked into.
func (r *spanRule) kindWithMaps(span *otelline.Span) spanKind {
	attrs := r.attrs.Get().(*otelline.Attributes)
	attrs.ReadList(span.Attributes, nil)
	text := func(id otelline.KeyID) string {
		v, _ := attrs.Get(id)
		return v.AsString() // empty of other types
	}
	t := r.sources
	kind := spanKind{text(t.operation), text(t.spanKind), text(t.langfuseType), text(t.requestType), t.hasUsage(attrs)}
	attrs.Reset()
	r.attrs.Put(attrs)
	return kind
}

// hasUsage reports whether the span has a source of tokens or of a cost.
func (r *spanRule) hasUsage(span *otelline.Span) bool {
	for _, kv := range span.Attributes {
		if r.sources.isUsage(string(kv.Key)) {
			return true
		}
	}
	return false
}

// readSpan reads the event of a span, as read does a record. What the span
// carries itself under the name of a field goes before what is made of its times
// and its status.
func (enc *encoder) readSpan(span *otelline.Span, call modelCall) {
	attrs := enc.attrs
	attrs.Begin()
	for _, kv := range span.Attributes {
		attrs.AddAny(kv)
	}
	has := func(key string) bool {
		return slices.ContainsFunc(span.Attributes, func(kv attribute.KeyValue) bool { return string(kv.Key) == key })
	}
	if !has(otelline.Duration.Key()) && !span.Start.IsZero() && !span.End.IsZero() { // a collector may receive neither
		ms := max(span.End.Sub(span.Start), 0).Round(time.Millisecond) / time.Millisecond
		attrs.Add(otelline.Duration.Key(), otelline.Int64Value(int64(ms)))
	}
	enc.record = otelline.Record{
		Time: span.End, Observed: span.End, EventName: call.event, Dropped: span.Dropped,
		TraceID: span.TraceID, SpanID: span.SpanID, Flags: span.Flags,
	}
	if span.Failed {
		enc.record.Severity = log.SeverityError
		attrs.Finish(nil) // the message may be in a map
		if span.Status != "" && !has(otelline.Reason.Key()) && !attrs.Has(enc.sources.errorMessage) {
			attrs.Add(otelline.Reason.Key(), otelline.StringValue(span.Status))
		}
	}
	attrs.Add(keySpanName, otelline.StringValue(span.Name))
	if span.ParentID.IsValid() {
		attrs.Add(keyParentID, otelline.StringValue(span.ParentID.String()))
	}
	attrs.Finish(enc.cfg.replace)
}

// appendSpan encodes the event of a span that was read.
func (enc *encoder) appendSpan(call modelCall, o *origin, session string) {
	enc.reading.withoutUsage = call.sums
	enc.append(o, session)
	enc.reading.withoutUsage = false
}

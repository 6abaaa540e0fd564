package exporter

import (
	"slices"
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

const (
	keyLangfuseType = "langfuse.observation.type"
	keyRequestType  = "llm.request.type" // OpenLLMetry
)

// spanRule says which spans are events.
type spanRule struct {
	sources *sourceTable
	names   map[string]struct{} // of spans that are calls of a model by their name alone
}

func newSpanRule(sources *sourceTable, names []string) *spanRule {
	r := &spanRule{sources: sources, names: make(map[string]struct{})}
	for _, name := range append(slices.Clip(names), modelCallNames[:]...) {
		r.names[name] = struct{}{}
	}
	return r
}

func (r *spanRule) classify(span *otelline.Span) modelCall {
	var operation, kind, langfuse, request string
	for _, kv := range span.Attributes {
		if kv.Value.Type() != attribute.STRING {
			continue
		}
		switch kv.Key {
		case keyOperation:
			operation = kv.Value.AsString()
		case keySpanKind:
			kind = kv.Value.AsString()
		case keyLangfuseType:
			langfuse = kv.Value.AsString()
		case keyRequestType:
			request = kv.Value.AsString()
		}
	}
	if sums, ok := operations[operation]; ok && (sums || span.Failed || r.hasUsage(span)) {
		return modelCall{operation, sums}
	}
	if sums, ok := openInferenceKinds[kind]; ok {
		return modelCall{kind, sums}
	}
	if sums, ok := langfuseTypes[langfuse]; ok {
		return modelCall{langfuse, sums}
	}
	if request != "" {
		return modelCall{request, false}
	}
	if _, ok := r.names[span.Name]; ok {
		if operation != "" {
			return modelCall{operation, false}
		}
		return modelCall{span.Name, false}
	}
	return modelCall{}
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
	if !has(otelline.Duration.Key()) {
		ms := max(span.End.Sub(span.Start), 0).Round(time.Millisecond) / time.Millisecond
		attrs.Add(otelline.Duration.Key(), otelline.Int64Value(int64(ms)))
	}
	enc.record = otelline.Record{
		Time: span.End, Observed: span.End, EventName: call.event, Dropped: span.Dropped,
		TraceID: span.TraceID, SpanID: span.SpanID, Flags: span.Flags,
	}
	if span.Failed {
		enc.record.Severity = log.SeverityError
		if span.Status != "" && !has(otelline.Reason.Key()) && !has("error.message") {
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
func (enc *encoder) appendSpan(call modelCall, o *origin, now time.Time, session string) {
	enc.reading.withoutUsage = call.sums
	enc.append(o, now, session)
	enc.reading.withoutUsage = false
}

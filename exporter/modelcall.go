package exporter

import (
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// keySpanName is the attribute of events that were made of a span.
const keySpanName = "otelaudit.span.name"

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

func (p *SpanProcessor) classify(span sdktrace.ReadOnlySpan) modelCall {
	var operation, kind, langfuse, request string
	for _, kv := range span.Attributes() {
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
	if sums, ok := operations[operation]; ok && (sums || p.hasUsage(span) || span.Status().Code == codes.Error) {
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
	if _, ok := p.names[span.Name()]; ok {
		if operation != "" {
			return modelCall{operation, false}
		}
		return modelCall{span.Name(), false}
	}
	return modelCall{}
}

// hasUsage reports whether the span has a source of tokens or of a cost.
func (p *SpanProcessor) hasUsage(span sdktrace.ReadOnlySpan) bool {
	for _, kv := range span.Attributes() {
		if p.exp.sources.isUsage(string(kv.Key)) {
			return true
		}
	}
	return false
}

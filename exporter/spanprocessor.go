package exporter

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/otelline"
)

// SpanProcessor writes one audit event for each span that is a call of a
// model, when the span ends: most GenAI instrumentations say tokens and cost on
// spans only. [NewSpanProcessor] makes one; give it to the TracerProvider with
// sdktrace.WithSpanProcessor. It is safe for concurrent use.
//
// The event is named after the operation, chat for example. Its time is the
// span's end, its duration_ms the span's; it has the span's trace context,
// resource, scope and attributes, from which cost, tokens and model are taken as
// from those of a log record. Of a span that failed the status is the reason, unless
// an attribute says one. The attribute otelaudit.span.name holds the span's name,
// and tells such events from others.
//
// A span is a call of a model if it carries usage, or failed, and
// gen_ai.operation.name is chat, text_completion, generate_content or embeddings; if
// openinference.span.kind is LLM or EMBEDDING; if langfuse.observation.type is
// generation or embedding; if it has llm.request.type; or if its name is one of
// [WithSpanNames] or of the Vercel AI SDK's calls of models (ai.generateText.doGenerate, …).
// Spans that sum up what their children used (invoke_agent, invoke_workflow; AGENT and CHAIN of
// OpenInference) become events without usage, so that no call is counted twice.
//
// Only spans that are recorded end here: those that a sampler drops are not
// seen.
type SpanProcessor struct {
	exp     *Exporter
	names   map[string]struct{}
	records recordCache
	stopped atomic.Bool
	// sessions are those of the contexts of spans that have not ended yet.
	sessions sync.Map // spanKey → string
}

// spanKey identifies a span.
type spanKey struct {
	trace trace.TraceID
	span  trace.SpanID
}

func keyOfSpan(span sdktrace.ReadOnlySpan) spanKey {
	return spanKey{span.SpanContext().TraceID(), span.SpanContext().SpanID()}
}

var _ sdktrace.SpanProcessor = (*SpanProcessor)(nil)

// SpanProcessorOption configures a [SpanProcessor]. Every [Option] is one too.
type SpanProcessorOption interface {
	applySpan(cfg spanConfig) spanConfig
}

type spanConfig struct {
	exporter []Option
	names    []string
}

type spanOption func(spanConfig) spanConfig

func (o spanOption) applySpan(cfg spanConfig) spanConfig { return o(cfg) }

func (o option) applySpan(cfg spanConfig) spanConfig {
	cfg.exporter = append(slices.Clip(cfg.exporter), o)
	return cfg
}

// WithSpanNames names further spans that are calls of a model.
func WithSpanNames(names ...string) SpanProcessorOption {
	names = slices.Clone(names)
	return spanOption(func(cfg spanConfig) spanConfig {
		cfg.names = append(slices.Clip(cfg.names), names...)
		return cfg
	})
}

// NewSpanProcessor returns a span processor that writes to log, which the
// caller owns. It takes the log and not an [Exporter], because spans may end
// after the LoggerProvider was shut down: shut the TracerProvider down too before
// you close the log. The error says which option is wrong.
func NewSpanProcessor(log *auditlog.Log, opts ...SpanProcessorOption) (*SpanProcessor, error) {
	var cfg spanConfig
	for _, opt := range opts {
		cfg = opt.applySpan(cfg)
	}
	exp, err := New(log, cfg.exporter...)
	if err != nil {
		return nil, err
	}
	p := &SpanProcessor{exp: exp, names: make(map[string]struct{})}
	for _, name := range append(cfg.names, modelCallNames[:]...) {
		p.names[name] = struct{}{}
	}
	return p, nil
}

// OnStart keeps the session of the span's context ([ContextWithSession]) for
// its event, which has it unless an attribute of the span names one. The span
// is left as it is.
func (p *SpanProcessor) OnStart(parent context.Context, span sdktrace.ReadWriteSpan) {
	if session := sessionOf(parent); session != "" && !p.stopped.Load() {
		p.sessions.Store(keyOfSpan(span), session)
	}
}

// OnEnd writes the event of the span, if it has one. Errors are handed to
// otel.Handle.
func (p *SpanProcessor) OnEnd(span sdktrace.ReadOnlySpan) {
	kept, _ := p.sessions.LoadAndDelete(keyOfSpan(span))
	session, _ := kept.(string)
	if p.stopped.Load() {
		return
	}
	call := p.classify(span)
	if call.event == "" {
		return
	}
	record, err := p.records.get(span)
	if err == nil {
		fill(&record, span, call.event)
		err = p.write(&record, call.sums, session)
	}
	if err != nil {
		otel.Handle(p.exp.report(fmt.Errorf("write the event of span %q: %w", span.Name(), err)))
	}
}

func (p *SpanProcessor) write(record *sdklog.Record, sums bool, session string) error {
	enc := p.exp.encoder()
	defer p.exp.release(enc)
	enc.read(record)
	enc.reading.withoutUsage = sums
	enc.append(record, time.Now(), session)
	enc.reading.withoutUsage = false
	return p.exp.write(context.Background(), &enc.lines, p.exp.log.AppendLines)
}

// fill makes record the event of span. What the span carries itself under the
// name of a field goes before what is made of its times and its status.
func fill(record *sdklog.Record, span sdktrace.ReadOnlySpan, event string) {
	attrs := slices.Clone(span.Attributes())
	has := func(key string) bool {
		return slices.ContainsFunc(attrs, func(kv attribute.KeyValue) bool { return string(kv.Key) == key })
	}
	if !has(otelline.Duration.Key()) {
		ms := max(span.EndTime().Sub(span.StartTime()), 0).Round(time.Millisecond) / time.Millisecond
		attrs = append(attrs, attribute.Int64(otelline.Duration.Key(), int64(ms)))
	}
	if status := span.Status(); status.Code == codes.Error {
		record.SetSeverity(log.SeverityError)
		if status.Description != "" && !has(otelline.Reason.Key()) && !has("error.message") {
			attrs = append(attrs, attribute.String(otelline.Reason.Key(), status.Description))
		}
	}
	attrs = append(attrs, attribute.String(keySpanName, span.Name()))
	context := span.SpanContext()
	record.SetEventName(event)
	record.SetTimestamp(span.EndTime())
	record.SetObservedTimestamp(span.EndTime())
	record.SetAttributes(attrs...)
	record.SetTraceID(context.TraceID())
	record.SetSpanID(context.SpanID())
	record.SetTraceFlags(context.TraceFlags())
}

// ForceFlush returns nil when every event written before is on stable storage.
func (p *SpanProcessor) ForceFlush(ctx context.Context) error { return p.exp.ForceFlush(ctx) }

// Shutdown syncs; spans that end after it are not written. The log stays open.
func (p *SpanProcessor) Shutdown(ctx context.Context) error {
	p.stopped.Store(true)
	return p.exp.Shutdown(ctx)
}

// recordCache holds an empty record for each scope and resource. It is safe for
// concurrent use.
type recordCache struct {
	mu    sync.Mutex
	cache map[originKey]sdklog.Record
}

func (c *recordCache) get(span sdktrace.ReadOnlySpan) (sdklog.Record, error) {
	scope := span.InstrumentationScope()
	key := keyOf(&scope, span.Resource())
	c.mu.Lock()
	defer c.mu.Unlock()
	record, ok := c.cache[key]
	if !ok {
		var err error
		if record, err = otelline.NewRecord(scope, span.Resource(), -1); err != nil {
			return record, err
		}
		if c.cache == nil || len(c.cache) >= maxOrigins {
			c.cache = make(map[originKey]sdklog.Record)
		}
		c.cache[key] = record
	}
	return record.Clone(), nil
}

package exporter

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/otelline"
	"github.com/otelaudit/otelaudit/internal/visible"
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
// and tells such events from others; otelaudit.span.parent_id is the id of its
// parent, if it has one.
//
// Which spans are calls of a model and which are executions of tools is said by
// their attributes, for each known emitter in docs/emitters.md, and for others by
// gen_ai.operation.name. [WithSpanNames] names further calls.
// An attribute that is a map says all this of what is in it, as in a log record.
// Spans that sum up what their children used (invoke_agent, invoke_workflow; AGENT and CHAIN of
// OpenInference) become events without usage, so that no call is counted twice.
//
// Only spans that are recorded end here: those that a sampler drops are not
// seen.
type SpanProcessor struct {
	exp     *Exporter
	rule    *spanRule
	errors  *errorSummary
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
		if opt != nil {
			cfg = opt.applySpan(cfg)
		}
	}
	exp, err := New(log, cfg.exporter...)
	if err != nil {
		return nil, err
	}
	return &SpanProcessor{
		exp: exp, rule: newSpanRule(exp.sources, cfg.names),
		errors: newErrorSummary("events of spans", log.Path()),
	}, nil
}

// OnStart keeps the session of the span's context ([ContextWithSession]) for
// its event, which has it unless an attribute of the span names one. The span
// is left as it is.
func (p *SpanProcessor) OnStart(parent context.Context, span sdktrace.ReadWriteSpan) {
	if session := sessionOf(parent); session != "" && p.exp.hasLog() && !p.stopped.Load() {
		p.sessions.Store(keyOfSpan(span), session)
	}
}

// OnEnd writes the event of the span, if it has one. Errors are handed to
// otel.Handle, as [WithErrorSummary] says, and each to [WithOnError].
func (p *SpanProcessor) OnEnd(span sdktrace.ReadOnlySpan) {
	kept, _ := p.sessions.LoadAndDelete(keyOfSpan(span))
	session, _ := kept.(string)
	if p.stopped.Load() || !p.exp.hasLog() {
		return
	}
	events := spanEvents(span.Events())
	of := spanOf(span, events)
	scope := span.InstrumentationScope()
	enc := p.exp.encoder()
	defer p.exp.release(enc)
	o := enc.cached(keyOf(&scope, span.Resource()), scope)
	if !p.rule.mayBeEvent(&of, o) {
		return
	}
	h := enc.classify(p.rule, &of, o)
	if h.kind == 0 {
		return
	}
	enc.readSpan(&of, &h)
	enc.appendSpan(&h, o, sessions{context: session, other: p.exp.log.SessionID()})
	err := p.exp.write(context.Background(), &enc.lines, appendLines)
	if err == nil {
		p.errors.worked()
		return
	}
	full := p.exp.report(fmt.Errorf("write the event of span %q: %w", visible.Cut(of.Name), err))
	if told := p.errors.failed(err, full); told != nil {
		otel.Handle(told)
	}
}

// spanEvents are the events of a span of the SDK.
type spanEvents []sdktrace.Event

var _ otelline.SpanEvents = spanEvents(nil)

// Exception returns the last exception.
func (e spanEvents) Exception() (kind, message string, ok bool) {
	for _, event := range slices.Backward(e) {
		if !otelline.IsException(event.Name) {
			continue
		}
		for _, kv := range event.Attributes {
			switch kv.Key {
			case otelline.KeyExceptionType:
				kind = kv.Value.AsString()
			case otelline.KeyExceptionMessage:
				message = kv.Value.AsString()
			}
		}
		return kind, message, true
	}
	return "", "", false
}

func spanOf(span sdktrace.ReadOnlySpan, events spanEvents) otelline.Span {
	context, status := span.SpanContext(), span.Status()
	return otelline.Span{
		Name:       span.Name(),
		Attributes: span.Attributes(),
		Dropped:    int64(span.DroppedAttributes()),
		Start:      span.StartTime(),
		End:        span.EndTime(),
		Failed:     status.Code == codes.Error,
		Status:     status.Description,
		TraceID:    context.TraceID(),
		SpanID:     context.SpanID(),
		ParentID:   span.Parent().SpanID(),
		Flags:      context.TraceFlags(),
		Events:     events,
	}
}

// ForceFlush returns nil when every event written before is on stable storage.
func (p *SpanProcessor) ForceFlush(ctx context.Context) error { return p.exp.ForceFlush(ctx) }

// Shutdown syncs; spans that end after it are not written. The log stays open.
func (p *SpanProcessor) Shutdown(ctx context.Context) error {
	p.stopped.Store(true)
	if p.errors != nil {
		p.errors.stop()
	}
	return p.exp.Shutdown(ctx)
}

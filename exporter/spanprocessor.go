package exporter

import (
	"cmp"
	"context"
	"fmt"
	"slices"
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
}

// spanKey identifies a span.
type spanKey struct {
	trace trace.TraceID
	span  trace.SpanID
}

func (k *spanKey) isValid() bool { return k.trace.IsValid() && k.span.IsValid() }

func keyOfSpan(span sdktrace.ReadOnlySpan) spanKey {
	return spanKey{span.SpanContext().TraceID(), span.SpanContext().SpanID()}
}

var _ sdktrace.SpanProcessor = (*SpanProcessor)(nil)

// SpanProcessorOption configures a [SpanProcessor]. Every [Option] is one too.
type SpanProcessorOption interface {
	SetupOption
	applySpan(cfg spanConfig) spanConfig
}

type spanConfig struct {
	exporter []Option
	names    []string
	traces   *int
}

type spanOption func(spanConfig) spanConfig

func (o spanOption) applySpan(cfg spanConfig) spanConfig { return o(cfg) }

func (o spanOption) applySetup(cfg setupConfig) setupConfig {
	cfg.spans = append(slices.Clip(cfg.spans), o)
	return cfg
}

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

// What [WithRecentTraces] takes if nobody says it, and at most, in traces.
const (
	DefaultRecentTraces = 1024
	MaxRecentTraces     = 1 << 20
)

// WithRecentTraces says of how many traces the spans are remembered, 1,024 by
// default, for the sessions that spans and log records have from an ancestor. There
// is room for 64 times as many spans, of at most some 700 bytes each. The trace that
// was used longest ago is forgotten first. 0 remembers none. A log has one memory: of
// several numbers for it the largest counts.
func WithRecentTraces(n int) SpanProcessorOption {
	return spanOption(func(cfg spanConfig) spanConfig {
		cfg.traces = &n
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
	traces := DefaultRecentTraces
	if cfg.traces != nil {
		if traces = *cfg.traces; traces < 0 || traces > MaxRecentTraces {
			return nil, fmt.Errorf("exporter: WithRecentTraces(%d): want from 0 to %d traces", traces, MaxRecentTraces)
		}
	}
	exp, err := New(log, cfg.exporter...)
	if err != nil {
		return nil, err
	}
	exp.spans.allow(traces)
	return &SpanProcessor{
		exp: exp, rule: newSpanRule(exp.sources, cfg.names),
		errors: newErrorSummary("events of spans", log.Path()),
	}, nil
}

// OnStart remembers the span, with its parent and the session of its context
// ([ContextWithSession]): its event has that session unless an attribute of the span
// names one. The span is left as it is.
func (p *SpanProcessor) OnStart(parent context.Context, span sdktrace.ReadWriteSpan) {
	if !p.exp.hasLog() || p.stopped.Load() {
		return
	}
	news := newsOf(span)
	news.session = sessionOf(parent)
	p.exp.spans.begin(&news, span)
}

// OnEnd writes the event of the span, if it has one, and the span records that are
// due. Errors are handed to otel.Handle, as [WithErrorSummary] says, and each to
// [WithOnError].
func (p *SpanProcessor) OnEnd(span sdktrace.ReadOnlySpan) {
	if p.stopped.Load() || !p.exp.hasLog() {
		return
	}
	events := spanEvents(span.Events())
	of := spanOf(span, events)
	scope := span.InstrumentationScope()
	news := newsOf(span)
	m := p.exp.spans
	ofContext, _, _, _ := m.look(news.key)
	enc := p.exp.encoder()
	defer p.exp.release(enc)
	o := enc.cached(keyOf(&scope, span.Resource()), scope)
	line := enc.addEventOf(p.rule, &of, o, &news, ofContext)
	session := enc.named(of.Attributes, of.Name, o)
	news.session, news.names = cmp.Or(session, ofContext, o.session(of.Name)), session != ""
	if !line && news.names {
		enc.from = news.parentKey()
		news.known = enc.ofSpan() == session
	}
	record := recordOf(&of, p.exp.log.SessionID())
	due := m.end(&news, line, &record)
	for i := range due {
		if r := &due[i]; r.session == "" && !r.remote {
			enc.from = spanKey{r.trace, r.parent}
			r.session = enc.ofSpan()
		}
		enc.appendRecord(&due[i])
	}
	if enc.lines.Len()+enc.lines.Refused() == 0 {
		return
	}
	err := p.exp.write(context.Background(), &enc.lines, appendLines)
	if err == nil {
		p.errors.worked()
		return
	}
	m.giveBack(due)
	full := p.exp.report(fmt.Errorf("write the event of span %q: %w", visible.Cut(of.Name), err))
	if told := p.errors.failed(err, full); told != nil {
		otel.Handle(told)
	}
}

// addEventOf encodes the event of a span, and reports whether it has one. context is
// the session that it has from its context.
func (enc *encoder) addEventOf(rule *spanRule, of *otelline.Span, o *origin, news *spanNews, context string) bool {
	if !rule.mayBeEvent(of, o) {
		return false
	}
	h := enc.classify(rule, of, o)
	if h.kind == 0 {
		return false
	}
	enc.readSpan(of, &h)
	from := sessions{context: context, other: enc.log.SessionID()}
	if enc.from = news.parentKey(); enc.spans.has(enc.from) {
		from.ancestor = enc.lookUp
	}
	enc.appendSpan(&h, o, from)
	return true
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

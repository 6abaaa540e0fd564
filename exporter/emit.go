package exporter

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/otelline"
	"github.com/otelaudit/otelaudit/internal/visible"
)

// Emit emits event as a log record of logger. Its fields become attributes of
// the names that they have on the line (cost, model, input_t, …) and its Name
// the EventName. It carries the span of ctx, in place of which the event may
// name another trace, span or flags, and the session of ctx ([ContextWithSession]), unless it has a
// SessionID. Without a Time it happened now.
//
// Emit returns nothing, as emitting does in OpenTelemetry: what is wrong with
// the event is handed to otel.Handle, and the record is emitted all the same.
func Emit(ctx context.Context, logger log.Logger, event auditlog.Event) {
	var r log.Record
	r.SetEventName(event.Name)
	r.SetTimestamp(event.Time)
	if event.Time.IsZero() {
		r.SetTimestamp(time.Now())
	}
	if event.SessionID == "" {
		event.SessionID = sessionOf(ctx)
	}
	attrs := fieldAttributes(&event)
	attrs, err := appendAttributes(attrs, event.Attributes)
	r.AddAttributes(attrs...)
	if err := errors.Join(event.Validate(), err); err != nil {
		otel.Handle(fmt.Errorf("exporter: emit event %q: %w", visible.Cut(event.Name), err))
	}
	logger.Emit(withTrace(ctx, &event), r)
}

func fieldAttributes(event *auditlog.Event) []attribute.KeyValue {
	attrs := make([]attribute.KeyValue, 0, int(otelline.NumFields)+len(event.Attributes))
	add := func(f otelline.Field, v attribute.Value) {
		attrs = append(attrs, attribute.KeyValue{Key: attribute.Key(f.Key()), Value: v})
	}
	if event.SessionID != "" {
		add(otelline.Session, attribute.StringValue(event.SessionID))
	}
	if event.Cost != nil {
		add(otelline.Cost, attribute.Float64Value(*event.Cost))
	}
	if event.Model != "" {
		add(otelline.Model, attribute.StringValue(event.Model))
	}
	if event.InputTokens != nil {
		add(otelline.InputTokens, attribute.Int64Value(*event.InputTokens))
	}
	for _, tokens := range [...]struct {
		field otelline.Field
		n     *int64
	}{
		{otelline.OutputTokens, event.OutputTokens},
		{otelline.CacheReadTokens, event.CacheReadTokens}, {otelline.CacheWriteTokens, event.CacheWriteTokens},
		{otelline.CacheWriteHourTokens, event.CacheWriteHourTokens}, {otelline.ReasoningTokens, event.ReasoningTokens},
	} {
		if tokens.n != nil {
			add(tokens.field, attribute.Int64Value(*tokens.n))
		}
	}
	if event.Files != nil {
		add(otelline.Files, attribute.StringSliceValue(event.Files))
	}
	if event.Reason != "" {
		add(otelline.Reason, attribute.StringValue(event.Reason))
	}
	if event.Confidence != nil {
		add(otelline.Confidence, attribute.Int64Value(*event.Confidence))
	}
	if event.Duration != nil {
		ms := event.Duration.Round(time.Millisecond) / time.Millisecond
		add(otelline.Duration, attribute.Int64Value(int64(ms)))
	}
	if event.Config != nil {
		add(otelline.Config, valueOf(event.Config, 1))
	}
	return attrs
}

// appendAttributes appends the further attributes, in the order of their keys.
// One whose key is also that of a field is left out, and an error says so: of
// two attributes with one key the SDK keeps one.
func appendAttributes(attrs []attribute.KeyValue, further map[string]any) ([]attribute.KeyValue, error) {
	fields := attrs
	var errs []error
next:
	for _, key := range sortedKeys(further) {
		v := further[key]
		if v == nil {
			continue
		}
		if key == "" {
			errs = append(errs, errors.New("an attribute has no key, and OpenTelemetry drops those; name it"))
			continue
		}
		for _, field := range fields {
			if string(field.Key) == key {
				errs = append(errs, fmt.Errorf("attribute %q (%s) is left out, because the field of the event is set too", visible.Cut(key), visible.Cut(fmt.Sprint(v))))
				continue next
			}
		}
		attrs = append(attrs, attribute.KeyValue{Key: attribute.Key(key), Value: valueOf(v, 1)})
	}
	return attrs, errors.Join(errs...)
}

// withTrace returns ctx with what event says of the trace context. A part that
// is not valid, which Validate tells of, leaves that of ctx.
func withTrace(ctx context.Context, event *auditlog.Event) context.Context {
	if event.TraceID == "" && event.SpanID == "" && event.TraceFlags == nil {
		return ctx
	}
	of := trace.SpanContextFromContext(ctx)
	cfg := trace.SpanContextConfig{TraceID: of.TraceID(), SpanID: of.SpanID(), TraceFlags: of.TraceFlags()}
	if id, err := trace.TraceIDFromHex(event.TraceID); err == nil {
		if id != cfg.TraceID {
			cfg.SpanID, cfg.TraceFlags = trace.SpanID{}, 0 // they are of another trace
		}
		cfg.TraceID = id
	}
	if id, err := trace.SpanIDFromHex(event.SpanID); err == nil {
		cfg.SpanID = id
	}
	if event.TraceFlags != nil {
		cfg.TraceFlags = trace.TraceFlags(*event.TraceFlags)
	}
	return trace.ContextWithSpanContext(ctx, trace.NewSpanContext(cfg))
}

package auditlogexporter

import (
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelaudit/otelaudit/internal/jsonline"
	"github.com/otelaudit/otelaudit/internal/otelline"
)

// readRecord makes to what r is, but for its attributes. Of its flags it takes the
// lowest eight bits, those of the trace context: the others have no meaning yet.
func readRecord(to *otelline.Record, r plog.LogRecord) {
	// One by one: a whole record would be put together elsewhere and copied.
	to.Time = timeOf(r.Timestamp())
	to.Observed = timeOf(r.ObservedTimestamp())
	to.EventName = r.EventName()
	to.Severity = log.Severity(r.SeverityNumber())
	to.SeverityText = r.SeverityText()
	to.Body = valueOf(r.Body(), 1)
	to.Dropped = int64(r.DroppedAttributesCount())
	to.TraceID = trace.TraceID(r.TraceID())
	to.SpanID = trace.SpanID(r.SpanID())
	to.Flags = trace.TraceFlags(r.Flags()) //nolint:gosec // the other bits are reserved
}

// spanOf returns what an event is made of. attrs are those of the span.
func spanOf(s ptrace.Span, attrs []attribute.KeyValue) otelline.Span {
	return otelline.Span{
		Name:       s.Name(),
		Attributes: attrs,
		Dropped:    int64(s.DroppedAttributesCount()),
		Start:      timeOf(s.StartTimestamp()),
		End:        timeOf(s.EndTimestamp()),
		Failed:     s.Status().Code() == ptrace.StatusCodeError,
		Status:     s.Status().Message(),
		TraceID:    trace.TraceID(s.TraceID()),
		SpanID:     trace.SpanID(s.SpanID()),
		ParentID:   trace.SpanID(s.ParentSpanID()),
		Flags:      trace.TraceFlags(s.Flags()), //nolint:gosec // the other bits are of the parent
	}
}

// originOf returns where records or spans come from.
func originOf(scope pcommon.InstrumentationScope, scopeURL string, resource pcommon.Resource, resourceURL string) otelline.Origin {
	return otelline.Origin{
		ScopeName: scope.Name(), ScopeVersion: scope.Version(), ScopeSchemaURL: scopeURL,
		ScopeAttributes:    sorted(scope.Attributes()),
		ResourceAttributes: sorted(resource.Attributes()), ResourceSchemaURL: resourceURL,
	}
}

// sorted returns attributes in the order in which the SDK has those of a scope
// or a resource.
func sorted(m pcommon.Map) []attribute.KeyValue {
	if m.Len() == 0 {
		return nil
	}
	attrs := appendMembers(make([]attribute.KeyValue, 0, m.Len()), m, 1)
	slices.SortStableFunc(attrs, func(a, b attribute.KeyValue) int { return strings.Compare(string(a.Key), string(b.Key)) })
	return attrs
}

func addAttributes(to *otelline.Attributes, m pcommon.Map) {
	for key, v := range m.All() {
		switch v.Type() {
		case pcommon.ValueTypeStr:
			to.Add(key, otelline.StringValue(v.Str()))
		case pcommon.ValueTypeInt:
			to.Add(key, otelline.Int64Value(v.Int()))
		case pcommon.ValueTypeDouble:
			to.Add(key, otelline.Float64Value(v.Double()))
		case pcommon.ValueTypeBool:
			to.Add(key, otelline.BoolValue(v.Bool()))
		default:
			to.AddAny(attribute.KeyValue{Key: attribute.Key(key), Value: valueOf(v, 1)})
		}
	}
}

func appendMembers(attrs []attribute.KeyValue, m pcommon.Map, depth int) []attribute.KeyValue {
	m.Range(func(key string, v pcommon.Value) bool {
		attrs = append(attrs, attribute.KeyValue{Key: attribute.Key(key), Value: valueOf(v, depth)})
		return true
	})
	return attrs
}

// valueOf returns the value of an attribute or a body. depth is how many lists
// and maps are around it; what is deeper than the line takes is not converted,
// since the encoder replaces what it is in by a text that says so.
func valueOf(v pcommon.Value, depth int) attribute.Value {
	switch v.Type() {
	case pcommon.ValueTypeStr:
		return attribute.StringValue(v.Str())
	case pcommon.ValueTypeInt:
		return attribute.Int64Value(v.Int())
	case pcommon.ValueTypeDouble:
		return attribute.Float64Value(v.Double())
	case pcommon.ValueTypeBool:
		return attribute.BoolValue(v.Bool())
	case pcommon.ValueTypeBytes:
		return attribute.ByteSliceValue(v.Bytes().AsRaw())
	case pcommon.ValueTypeSlice:
		if depth > jsonline.MaxDepth {
			return attribute.SliceValue()
		}
		list := make([]attribute.Value, 0, v.Slice().Len())
		for _, e := range v.Slice().All() {
			list = append(list, valueOf(e, depth+1))
		}
		return attribute.SliceValue(list...)
	case pcommon.ValueTypeMap:
		if depth > jsonline.MaxDepth {
			return attribute.MapValue()
		}
		return attribute.MapValue(appendMembers(make([]attribute.KeyValue, 0, v.Map().Len()), v.Map(), depth+1)...)
	}
	return attribute.Value{} // empty
}

// timeOf returns the zero Time for a time that is not said.
func timeOf(t pcommon.Timestamp) time.Time {
	if t == 0 {
		return time.Time{}
	}
	const second = uint64(time.Second)
	return time.Unix(int64(uint64(t)/second), int64(uint64(t)%second)) //nolint:gosec // neither is above 2^63
}

package auditlogexporter

import (
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/otelaudit/otelaudit/internal/otelline"
)

// readRecord makes to what r is, but for its attributes. Of its flags it takes the
// lowest eight bits, those of the trace context: the others have no meaning yet.
func (c *conversion) readRecord(to *otelline.Record, r plog.LogRecord) {
	// One by one: a whole record would be put together elsewhere and copied.
	to.Time = timeOf(r.Timestamp())
	to.Observed = timeOf(r.ObservedTimestamp())
	to.EventName = r.EventName()
	to.Severity = log.Severity(r.SeverityNumber())
	to.SeverityText = r.SeverityText()
	to.Body = c.value(r.Body())
	to.Dropped = int64(r.DroppedAttributesCount())
	to.TraceID = trace.TraceID(r.TraceID())
	to.SpanID = trace.SpanID(r.SpanID())
	to.Flags = trace.TraceFlags(r.Flags()) //nolint:gosec // the other bits are reserved
}

// spanOf returns what an event is made of. attrs are those of the span.
func spanOf(s ptrace.Span, attrs []attribute.KeyValue, events *spanEvents) otelline.Span {
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
		Events:     events,
	}
}

// spanEvents are the events of a received span.
type spanEvents struct{ list ptrace.SpanEventSlice }

var _ otelline.SpanEvents = (*spanEvents)(nil)

// Exception returns the last exception.
func (e *spanEvents) Exception() (kind, message string, ok bool) {
	for i := e.list.Len() - 1; i >= 0; i-- {
		event := e.list.At(i)
		if !otelline.IsException(event.Name()) {
			continue
		}
		text := func(key string) string {
			v, ok := event.Attributes().Get(key)
			if !ok || v.Type() != pcommon.ValueTypeStr {
				return ""
			}
			return v.Str()
		}
		return text(otelline.KeyExceptionType), text(otelline.KeyExceptionMessage), true
	}
	return "", "", false
}

// originOf returns where records or spans come from.
func (c *conversion) originOf(scope pcommon.InstrumentationScope, scopeURL string, resource pcommon.Resource, resourceURL string) otelline.Origin {
	return otelline.Origin{
		ScopeName: scope.Name(), ScopeVersion: scope.Version(), ScopeSchemaURL: scopeURL,
		ScopeAttributes:    c.sorted(scope.Attributes()),
		ResourceAttributes: c.sorted(resource.Attributes()), ResourceSchemaURL: resourceURL,
	}
}

// sorted returns attributes in the order in which the SDK has those of a scope
// or a resource.
func (c *conversion) sorted(m pcommon.Map) []attribute.KeyValue {
	if m.Len() == 0 {
		return nil
	}
	attrs := c.appendAttributes(make([]attribute.KeyValue, 0, m.Len()), m)
	slices.SortStableFunc(attrs, func(a, b attribute.KeyValue) int { return strings.Compare(string(a.Key), string(b.Key)) })
	return attrs
}

func (c *conversion) addAttributes(to *otelline.Attributes, m pcommon.Map) {
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
			to.AddAny(attribute.KeyValue{Key: attribute.Key(key), Value: c.value(v)})
		}
	}
}

func (c *conversion) appendAttributes(attrs []attribute.KeyValue, m pcommon.Map) []attribute.KeyValue {
	for key, v := range m.All() {
		attrs = append(attrs, attribute.KeyValue{Key: attribute.Key(key), Value: c.value(v)})
	}
	return attrs
}

// conversion converts the values of one request.
type conversion struct {
	// tooDeep is set by a value that nests deeper than a line of the log can hold.
	// The encoder would put a text in its place.
	tooDeep bool
}

// err returns why the request cannot be written, nil if it can.
func (c *conversion) err() error {
	if !c.tooDeep {
		return nil
	}
	return consumererror.NewPermanent(status.Errorf(codes.InvalidArgument,
		"auditlog exporter: a value has more than %d lists and maps in each other, which no line of an audit log can hold; send it as text", otelline.MaxNesting))
}

// value returns the value of an attribute or a body.
func (c *conversion) value(v pcommon.Value) attribute.Value {
	levels := 0
	converted := valueOf(v, 1, &levels)
	if levels > 0 && !otelline.Fits(converted, levels) {
		c.tooDeep = true
	}
	return converted
}

// valueOf is value for a value in a list or map. level is 1 plus how many lists
// and maps are around v. Deepest becomes the level of the deepest list or map.
// What is deeper than a line takes is not converted: the request is refused.
func valueOf(v pcommon.Value, level int, deepest *int) attribute.Value {
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
		if *deepest = max(*deepest, level); level > otelline.MaxNesting {
			return attribute.SliceValue()
		}
		list := make([]attribute.Value, 0, v.Slice().Len())
		for _, e := range v.Slice().All() {
			list = append(list, valueOf(e, level+1, deepest))
		}
		return attribute.SliceValue(list...)
	case pcommon.ValueTypeMap:
		if *deepest = max(*deepest, level); level > otelline.MaxNesting {
			return attribute.MapValue()
		}
		members := make([]attribute.KeyValue, 0, v.Map().Len())
		for key, e := range v.Map().All() {
			members = append(members, attribute.KeyValue{Key: attribute.Key(key), Value: valueOf(e, level+1, deepest)})
		}
		return attribute.MapValue(members...)
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

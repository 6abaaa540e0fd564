package otelline

import (
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/trace"
)

// Record is what the encoder reads of a log record beside its attributes and
// its origin. A record of the SDK is one ([Record.Read]), and so can be what a
// collector received: the SDK's own has no setters for the count of dropped
// attributes and for where it comes from.
type Record struct {
	Time, Observed time.Time // zero: not said
	EventName      string
	Severity       log.Severity
	SeverityText   string
	Body           attribute.Value
	Dropped        int64 // attributes
	TraceID        trace.TraceID
	SpanID         trace.SpanID
	Flags          trace.TraceFlags
}

// Read takes everything from a record of the SDK.
func (r *Record) Read(from *sdklog.Record) {
	*r = Record{
		Time:         from.Timestamp(),
		Observed:     from.ObservedTimestamp(),
		EventName:    from.EventName(),
		Severity:     from.Severity(),
		SeverityText: from.SeverityText(),
		Body:         from.Body(),
		Dropped:      int64(from.DroppedAttributes()),
		TraceID:      from.TraceID(),
		SpanID:       from.SpanID(),
		Flags:        from.TraceFlags(),
	}
}

// Span is what an audit event is made of where a span is the call of a model.
type Span struct {
	Name       string
	Attributes []attribute.KeyValue
	Start, End time.Time
	Dropped    int64  // attributes
	Failed     bool   // its status is an error
	Status     string // description of the status
	TraceID    trace.TraceID
	SpanID     trace.SpanID
	ParentID   trace.SpanID // zero without a parent
	Flags      trace.TraceFlags
	Events     SpanEvents // nil: there are none
}

// SpanEvents are the events of a span.
type SpanEvents interface {
	// Exception returns the type and the message of the last exception, and whether
	// there is one.
	Exception() (kind, message string, ok bool)
}

// IsException reports whether a span event of that name is an exception.
func IsException(event string) bool {
	return event == "exception" || event == "gen_ai.client.operation.exception"
}

// Attributes of an exception.
const (
	KeyExceptionType    = "exception.type"
	KeyExceptionMessage = "exception.message"
)

// Origin is the scope and the resource that records come from. The attributes
// of each are in the order of their keys. Those of the SDK repeat none; what a
// collector receives may.
type Origin struct {
	ScopeName, ScopeVersion, ScopeSchemaURL string
	ScopeAttributes                         []attribute.KeyValue
	ResourceAttributes                      []attribute.KeyValue
	ResourceSchemaURL                       string
}

// OriginOf returns the origin of what the SDK made. res may be nil.
func OriginOf(scope *instrumentation.Scope, res *resource.Resource) Origin {
	o := Origin{ScopeName: scope.Name, ScopeVersion: scope.Version, ScopeSchemaURL: scope.SchemaURL}
	if scope.Attributes.Len() > 0 {
		o.ScopeAttributes = scope.Attributes.ToSlice()
	}
	if res != nil {
		o.ResourceAttributes, o.ResourceSchemaURL = res.Attributes(), res.SchemaURL()
	}
	return o
}

package otlpwire

import (
	"math"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
)

// record writes the fields of a LogRecord, as otlploghttp does. extra are
// attributes that follow the record's own.
func (w *writer) record(r *sdklog.Record, extra []attribute.KeyValue) {
	attrs := make([]attribute.KeyValue, 0, r.AttributesLen()+len(extra))
	r.WalkAttributes(func(kv attribute.KeyValue) bool {
		attrs = append(attrs, kv)
		return true
	})
	own := attrs
	for _, kv := range extra {
		if !hasKey(own, kv.Key) {
			attrs = append(attrs, kv)
		}
	}

	w.nonEmpty(recordEventName, []byte(r.EventName()))
	w.unixNano(recordObserved, r.ObservedTimestamp())
	if id := r.SpanID(); id.IsValid() {
		w.text(recordSpanID, id[:])
	}
	if id := r.TraceID(); id.IsValid() {
		w.text(recordTraceID, id[:])
	}
	w.flags(byte(r.TraceFlags()))
	w.dropped(int64(r.DroppedAttributes()))
	w.attributes(recordAttributes, attrs)
	begun := w.size()
	w.value(r.Body())
	w.message(recordBody, begun)
	w.nonEmpty(recordSeverityText, []byte(r.SeverityText()))
	w.severity(int64(r.Severity()))
	w.unixNano(recordTime, r.Timestamp())
}

func hasKey(attrs []attribute.KeyValue, key attribute.Key) bool {
	for i := range attrs {
		if attrs[i].Key == key {
			return true
		}
	}
	return false
}

// unixNano writes a time unless it is 0, or one that OTLP cannot hold.
func (w *writer) unixNano(tag byte, t time.Time) {
	if n := unixNano(t); n > 0 {
		w.fixed64(tag, n)
	}
}

// unixNano returns nanoseconds since 1970, and 0 for what does not fit into the 64
// bits of OTLP, which have no sign: before 1970, and from July 2554 on.
func unixNano(t time.Time) uint64 {
	seconds := t.Unix()
	if seconds < 0 || seconds > math.MaxUint64/1_000_000_000 {
		return 0
	}
	rest := uint64(t.Nanosecond()) //nolint:gosec // not negative
	n := uint64(seconds)*1e9 + rest
	if n < rest { // it wrapped around, within the last second
		return 0
	}
	return n
}

func (w *writer) flags(flags byte) {
	if flags != 0 {
		w.fixed32(recordFlags, uint32(flags))
	}
}

func (w *writer) dropped(n int64) {
	if n = min(n, math.MaxUint32); n > 0 {
		w.number(recordDropped, uint64(n))
	}
}

// severity writes a severity number unless it is none that OTLP has.
func (w *writer) severity(n int64) {
	if n >= int64(log.SeverityTrace1) && n <= int64(log.SeverityFatal4) {
		w.number(recordSeverity, uint64(n))
	}
}

// attributes writes a repeated KeyValue.
func (w *writer) attributes(tag byte, attrs []attribute.KeyValue) {
	for _, kv := range slices.Backward(attrs) {
		begun := w.size()
		w.value(kv.Value)
		w.message(keyValueValue, begun)
		w.nonEmpty(keyValueKey, []byte(kv.Key))
		w.message(tag, begun)
	}
}

// value writes an AnyValue. The slices of one type that the API has do not come
// from a line.
func (w *writer) value(v attribute.Value) {
	begun := w.size()
	switch v.Type() {
	case attribute.EMPTY:
	case attribute.BOOL:
		w.bool(anyBool, v.AsBool())
	case attribute.INT64:
		w.number(anyInt, uint64(v.AsInt64())) //nolint:gosec // the same bits
	case attribute.FLOAT64:
		w.double(anyDouble, v.AsFloat64())
	case attribute.STRING:
		w.text(anyString, []byte(v.AsString()))
	case attribute.BYTESLICE:
		w.text(anyBytes, v.AsByteSlice())
	case attribute.SLICE:
		for _, e := range slices.Backward(v.AsSlice()) {
			element := w.size()
			w.value(e)
			w.message(listValues, element)
		}
		w.message(anyArray, begun)
	case attribute.MAP:
		w.attributes(listValues, v.AsMap())
		w.message(anyMap, begun)
	default:
		w.text(anyString, []byte("INVALID")) // as otlploghttp
	}
}

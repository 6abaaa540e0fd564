package otelline

import (
	"encoding/hex"

	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// spanContext is the trace context of a line.
type spanContext struct {
	trace trace.TraceID
	span  trace.SpanID
	flags trace.TraceFlags
}

// take takes m if it is a valid part of a trace context.
func (c *spanContext) take(m member) bool {
	switch string(m.key) {
	case KeyTraceID:
		var id trace.TraceID
		if !parseHex(id[:], m.value) || !id.IsValid() {
			return false
		}
		c.trace = id
	case KeySpanID:
		var id trace.SpanID
		if !parseHex(id[:], m.value) || !id.IsValid() {
			return false
		}
		c.span = id
	case KeyTraceFlags:
		var flags [1]byte
		if !parseHex(flags[:], m.value) {
			return false
		}
		c.flags = trace.TraceFlags(flags[0])
	default:
		return false
	}
	return true
}

// parseHex fills dst from a raw value, a string of as many digits as it takes.
func parseHex(dst, lit []byte) bool {
	if jsonline.KindOf(lit) != jsonline.String || len(lit) != 2*len(dst)+2 {
		return false
	}
	_, err := hex.Decode(dst, lit[1:len(lit)-1])
	return err == nil
}

func (c *spanContext) set(r *sdklog.Record) {
	r.SetTraceID(c.trace)
	r.SetSpanID(c.span)
	r.SetTraceFlags(c.flags)
}

package otelline

import (
	"math/bits"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// Line is what the encoder needs beside a record.
type Line struct {
	Attributes *Attributes // of the record
	// Event is the name of the event; not empty.
	Event string
	// Time is what ts says.
	Time time.Time
	// UID is the log.record.uid of a record that has none; empty adds none.
	UID []byte
	// Derived are the fields that the record does not carry itself.
	Derived Derived
	// Origin is what AppendOrigin gave for the record's scope and resource.
	Origin []byte
	// Emitter is the member emitter of otel, with a comma behind it, or empty.
	Emitter []byte
	// Same is the member same of otel; empty: none.
	Same []byte

	// Times of records that follow each other are mostly of one second. They are
	// mostly observed in one too, which is a later one for some.
	clock, observed jsonline.Clock
}

// Reset lets go of everything but the memory of attributes.
func (l *Line) Reset() {
	l.Event, l.Time, l.UID, l.Derived, l.Origin, l.Emitter, l.Same = "", time.Time{}, nil, Derived{}, nil, nil, l.Same[:0]
}

// Derived holds the fields of a line that are computed from other attributes,
// or defaults. A field counts if its bit is set; one that an attribute stands
// as must not be.
type Derived struct {
	fields uint32
	// SessionDefault says that the session is a default, and names none.
	SessionDefault bool
	// Failed is the value of the field Failed.
	Failed bool

	Session, Model, Reason, Tool string
	CallID                       CallIdentity
	Cost                         float64 // finite
	// Tokens are from 0 to 2^53−1, as Duration.
	InputTokens, OutputTokens         int64
	CacheReadTokens, CacheWriteTokens int64
	CacheWriteHourTokens              int64
	ReasoningTokens                   int64
	Confidence                        int64           // from 0 to 100
	Duration                          int64           // ms
	Files                             attribute.Value // a string, or a slice that holds only strings
}

// CallIdentity is what the field CallID is put together from: a trace with a
// response id, or with a span; or, without a trace, a UID.
type CallIdentity struct {
	Trace    trace.TraceID
	Span     trace.SpanID // used if Response is empty
	Response string
	UID      string // of the record; used if Trace is not valid
	Made     []byte // a UID that was made; used if UID is empty
}

// append appends the id as a JSON string. A response id goes behind a slash and a
// span behind a dash, so that no response id is taken for a span.
func (c *CallIdentity) append(dst []byte) []byte {
	if !c.Trace.IsValid() {
		if c.UID != "" {
			return jsonline.AppendString(dst, c.UID)
		}
		return append(append(append(dst, '"'), c.Made...), '"')
	}
	// Half of the trace id is enough beside the other one, and random where the
	// first half is a time or empty.
	dst = jsonline.AppendHex(append(dst, '"'), c.Trace[len(c.Trace)/2:])
	if c.Response == "" {
		dst = jsonline.AppendHex(append(dst, '-'), c.Span[:])
		return append(dst, '"')
	}
	dst = append(dst, '/')
	quote := len(dst)
	dst = jsonline.AppendString(dst, c.Response)
	copy(dst[quote:], dst[quote+1:])
	return dst[:len(dst)-1]
}

// Set marks f as derived.
func (d *Derived) Set(f Field) { d.fields |= 1 << f }

// Clear marks f as not derived.
func (d *Derived) Clear(f Field) { d.fields &^= 1 << f }

// Has reports whether f is derived.
func (d *Derived) Has(f Field) bool { return d.fields&(1<<f) != 0 }

// Append appends the record as one line, its line feed included.
func (l *Line) Append(dst []byte, r *Record) []byte {
	dst = l.clock.AppendTime(append(dst, `{"ts":`...), l.Time)
	dst = jsonline.AppendString(append(dst, `,"event":`...), l.Event)
	a := l.Attributes
	for left := a.owns | l.Derived.fields; left != 0; left &= left - 1 {
		dst = l.appendField(dst, Field(bits.TrailingZeros32(left))) //nolint:gosec // few
	}
	aside := 0 // attributes that go into the envelope
	for i := range a.list {
		p := &a.places[i]
		if p.id < firstReserved && a.own[p.id] == int32(i) { //nolint:gosec // a record holds fewer
			continue
		}
		if !a.stands(i) {
			aside++
			continue
		}
		kv := &a.list[i]
		if p.plain {
			dst = jsonline.AppendPlainMember(dst, kv.key)
		} else {
			dst = append(jsonline.AppendString(append(dst, ','), kv.key), ':')
		}
		dst = a.appendValue(dst, kv.value)
	}
	if len(l.UID) > 0 {
		dst = append(dst, `,"log.record.uid":"`...)
		dst = append(append(dst, l.UID...), '"')
	}
	dst = appendTraceContext(dst, r)
	dst = l.appendEnvelope(append(dst, `,"otel":{`...), r, aside)
	return append(dst, '}', '}', '\n')
}

func (l *Line) appendField(dst []byte, f Field) []byte {
	own := l.Attributes.own[f]
	dst = append(dst, ',', '"')
	dst = append(dst, fieldKeys[f]...)
	dst = append(dst, '"', ':')
	if own >= 0 {
		return l.Attributes.appendValue(dst, l.Attributes.list[own].value)
	}
	d := &l.Derived
	switch f {
	case Session:
		return jsonline.AppendString(dst, d.Session)
	case Cost:
		return jsonline.AppendFloat(dst, d.Cost)
	case Model:
		return jsonline.AppendString(dst, d.Model)
	case InputTokens:
		return jsonline.AppendInt(dst, d.InputTokens)
	case OutputTokens:
		return jsonline.AppendInt(dst, d.OutputTokens)
	case CacheReadTokens:
		return jsonline.AppendInt(dst, d.CacheReadTokens)
	case CacheWriteTokens:
		return jsonline.AppendInt(dst, d.CacheWriteTokens)
	case CacheWriteHourTokens:
		return jsonline.AppendInt(dst, d.CacheWriteHourTokens)
	case ReasoningTokens:
		return jsonline.AppendInt(dst, d.ReasoningTokens)
	case Files:
		if d.Files.Type() == attribute.STRING {
			dst = jsonline.AppendString(append(dst, '['), d.Files.AsString())
			return append(dst, ']')
		}
		return appendValue(dst, &d.Files, 1)
	case Reason:
		return jsonline.AppendString(dst, d.Reason)
	case Confidence:
		return jsonline.AppendInt(dst, d.Confidence)
	case Tool:
		return jsonline.AppendString(dst, d.Tool)
	case Failed:
		return appendBool(dst, d.Failed)
	case CallID:
		return d.CallID.append(dst)
	default:
		return jsonline.AppendInt(dst, d.Duration) // a config is never derived
	}
}

func appendTraceContext(dst []byte, r *Record) []byte {
	trace, flags := r.TraceID, byte(r.Flags)
	if trace.IsValid() {
		dst = jsonline.AppendHex(append(dst, `,"trace_id":"`...), trace[:])
		dst = append(dst, '"')
	}
	if span := r.SpanID; span.IsValid() {
		dst = jsonline.AppendHex(append(dst, `,"span_id":"`...), span[:])
		dst = append(dst, '"')
	}
	if trace.IsValid() || flags != 0 {
		const digits = "0123456789abcdef"
		dst = append(dst, `,"trace_flags":"`...)
		dst = append(dst, digits[flags>>4], digits[flags&0xf], '"')
	}
	return dst
}

// appendEnvelope appends the members of otel. Each is written with a comma
// behind it, and the last comma is taken back.
func (l *Line) appendEnvelope(dst []byte, r *Record, aside int) []byte {
	start := len(dst)
	if t := r.Time; !t.IsZero() {
		dst = l.clock.AppendUnixNano(append(dst, `"time_unix_nano":`...), t)
		dst = append(dst, ',')
	}
	if t := r.Observed; !t.IsZero() {
		dst = l.observed.AppendUnixNano(append(dst, `"observed_time_unix_nano":`...), t)
		dst = append(dst, ',')
	}
	if name := r.EventName; name != l.Event {
		dst = jsonline.AppendString(append(dst, `"event_name":`...), name)
		dst = append(dst, ',')
	}
	if n := r.Severity; n != 0 {
		dst = strconv.AppendInt(append(dst, `"severity_number":`...), int64(n), 10)
		dst = append(dst, ',')
	}
	if text := r.SeverityText; text != "" {
		dst = jsonline.AppendString(append(dst, `"severity_text":`...), text)
		dst = append(dst, ',')
	}
	if body := &r.Body; body.Type() != attribute.EMPTY {
		dst = appendValue(append(dst, `"body":`...), body, 2)
		dst = append(dst, ',')
	}
	if n := r.Dropped; n != 0 {
		dst = strconv.AppendInt(append(dst, `"dropped_attributes_count":`...), n, 10)
		dst = append(dst, ',')
	}
	dst = l.Derived.append(dst)
	if aside > 0 {
		dst = l.appendAside(append(dst, `"attributes":`...), aside)
		dst = append(dst, ',')
	}
	dst = append(dst, l.Emitter...)
	if len(l.Same) > 0 {
		dst = jsonline.AppendString(append(dst, `"same":`...), string(l.Same))
		dst = append(dst, ',')
	}
	dst = append(dst, l.Origin...)
	if len(dst) > start && dst[len(dst)-1] == ',' {
		dst = dst[:len(dst)-1]
	}
	return dst
}

func (d *Derived) append(dst []byte) []byte {
	if d.fields == 0 {
		return dst
	}
	dst = append(dst, `"derived":[`...)
	for left := d.fields; left != 0; left &= left - 1 {
		dst = append(dst, '"')
		dst = append(dst, fieldKeys[bits.TrailingZeros32(left)]...)
		dst = append(dst, '"', ',')
	}
	if d.SessionDefault {
		dst = append(append(append(dst, '"'), KeySessionDefault...), '"', ',')
	}
	dst[len(dst)-1] = ']'
	return append(dst, ',')
}

// appendAside appends the attributes that cannot stand at the top level.
func (l *Line) appendAside(dst []byte, n int) []byte {
	a := l.Attributes
	aside := make([]attribute.KeyValue, 0, n)
	for i := range a.list {
		if !a.stands(i) {
			aside = append(aside, a.any(i))
		}
	}
	return appendMap(dst, aside, 2)
}

// AppendOrigin appends the members scope and resource of otel, each with a
// comma behind it. They are the same for many records and best kept.
func AppendOrigin(dst []byte, o *Origin) []byte {
	start := len(dst)
	dst = append(dst, `"scope":{`...)
	empty := len(dst)
	dst = appendTextMember(dst, "name", o.ScopeName)
	dst = appendTextMember(dst, "version", o.ScopeVersion)
	dst = appendTextMember(dst, "schema_url", o.ScopeSchemaURL)
	dst = appendAttributesMember(dst, o.ScopeAttributes)
	dst = closeOrDrop(dst, start, empty)

	start = len(dst)
	dst = append(dst, `"resource":{`...)
	empty = len(dst)
	dst = appendAttributesMember(dst, o.ResourceAttributes)
	dst = appendTextMember(dst, "schema_url", o.ResourceSchemaURL)
	return closeOrDrop(dst, start, empty)
}

func appendAttributesMember(dst []byte, attrs []attribute.KeyValue) []byte {
	if len(attrs) == 0 {
		return dst
	}
	return append(appendMap(append(dst, `"attributes":`...), attrs, 3), ',')
}

func appendTextMember(dst []byte, key, text string) []byte {
	if text == "" {
		return dst
	}
	dst = append(append(append(dst, '"'), key...), '"', ':')
	return append(jsonline.AppendString(dst, text), ',')
}

// closeOrDrop ends the object that begins at start, or takes it back if
// nothing was appended behind empty.
func closeOrDrop(dst []byte, start, empty int) []byte {
	if len(dst) == empty {
		return dst[:start]
	}
	dst[len(dst)-1] = '}' // the comma behind the last member
	return append(dst, ',')
}

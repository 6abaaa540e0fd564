package auditlog

import (
	"fmt"
	"math"
	"time"

	"github.com/otelaudit/otelaudit/internal/jsonline"
	"github.com/otelaudit/otelaudit/internal/visible"
)

// Keys of a line that have a meaning of their own, FORMAT.md section 2.
const (
	keyTime       = "ts"
	keyEvent      = "event"
	keySession    = "session_id"
	keyCost       = "cost"
	keyModel      = "model"
	keyInput      = "input_t"
	keyOutput     = "output_t"
	keyCacheRead  = "cache_read_t"
	keyCacheWrite = "cache_write_t"
	keyCacheHour  = "cache_write_1h_t"
	keyReasoning  = "reasoning_t"
	keyFiles      = "files"
	keyReason     = "reason"
	keyConfidence = "confidence"
	keyDuration   = "duration_ms"
	keyConfig     = "config"
	keyTraceID    = "trace_id"
	keySpanID     = "span_id"
	keyTraceFlags = "trace_flags"
	keyOtel       = "otel"
)

// fieldOf returns the field of Event that a key of FORMAT.md section 2 is
// written from, and whether key is one of them. otel has no field.
func fieldOf(key string) (field string, reserved bool) {
	switch key {
	case keyTime:
		return "Time", true
	case keyEvent:
		return "Name", true
	case keySession:
		return "SessionID", true
	case keyCost:
		return "Cost", true
	case keyModel:
		return "Model", true
	case keyInput:
		return "InputTokens", true
	case keyOutput:
		return "OutputTokens", true
	case keyCacheRead:
		return "CacheReadTokens", true
	case keyCacheWrite:
		return "CacheWriteTokens", true
	case keyCacheHour:
		return "CacheWriteHourTokens", true
	case keyReasoning:
		return "ReasoningTokens", true
	case keyFiles:
		return "Files", true
	case keyReason:
		return "Reason", true
	case keyConfidence:
		return "Confidence", true
	case keyDuration:
		return "Duration", true
	case keyConfig:
		return "Config", true
	case keyTraceID:
		return "TraceID", true
	case keySpanID:
		return "SpanID", true
	case keyTraceFlags:
		return "TraceFlags", true
	case keyOtel:
		return "", true
	}
	return "", false
}

// eventEncoder is what encodes events that follow each other: mostly they are of
// one second.
type eventEncoder struct {
	lines jsonline.Lines
	clock jsonline.Clock
	// most is the length in bytes of the longest line, 0 for any.
	most int
}

// append appends e as one line, its line feed included, in the order and
// spelling of FORMAT.md. index is e's place in the batch, for errors; now and
// session stand in for what e leaves open. dst is returned unchanged with an
// error, which is always an *EventError.
func (enc *eventEncoder) append(dst []byte, e *Event, index int, now time.Time, session string) ([]byte, error) {
	if field, reason := checkEvent(e); reason != "" {
		return dst, &EventError{Index: index, Field: field, Reason: reason}
	}
	start := len(dst)
	var values valueEncoder
	if enc.most > 0 {
		values.most = start + enc.most
	}
	if !values.fits(dst, len(e.Name)+len(e.SessionID)+len(e.Model)+len(e.Reason)) {
		return dst, enc.tooLong(index)
	}
	if !e.Time.IsZero() {
		now = e.Time
	}
	if e.SessionID != "" {
		session = e.SessionID
	}
	dst = enc.clock.AppendTime(append(dst, `{"ts":`...), now)
	dst = jsonline.AppendString(append(dst, `,"event":`...), e.Name)
	dst = jsonline.AppendString(append(dst, `,"session_id":`...), session)
	if e.Cost != nil {
		dst = jsonline.AppendFloat(append(dst, `,"cost":`...), *e.Cost)
	}
	if e.Model != "" {
		dst = jsonline.AppendString(append(dst, `,"model":`...), e.Model)
	}
	if e.InputTokens != nil {
		dst = jsonline.AppendInt(append(dst, `,"input_t":`...), *e.InputTokens)
	}
	if e.OutputTokens != nil {
		dst = jsonline.AppendInt(append(dst, `,"output_t":`...), *e.OutputTokens)
	}
	if e.CacheReadTokens != nil {
		dst = jsonline.AppendInt(append(dst, `,"cache_read_t":`...), *e.CacheReadTokens)
	}
	if e.CacheWriteTokens != nil {
		dst = jsonline.AppendInt(append(dst, `,"cache_write_t":`...), *e.CacheWriteTokens)
	}
	if e.CacheWriteHourTokens != nil {
		dst = jsonline.AppendInt(append(dst, `,"cache_write_1h_t":`...), *e.CacheWriteHourTokens)
	}
	if e.ReasoningTokens != nil {
		dst = jsonline.AppendInt(append(dst, `,"reasoning_t":`...), *e.ReasoningTokens)
	}
	if e.Files != nil {
		dst = values.appendStrings(append(dst, `,"files":`...), e.Files)
	}
	if e.Reason != "" {
		dst = jsonline.AppendString(append(dst, `,"reason":`...), e.Reason)
	}
	if e.Confidence != nil {
		dst = jsonline.AppendInt(append(dst, `,"confidence":`...), *e.Confidence)
	}
	if e.Duration != nil {
		dst = jsonline.AppendInt(append(dst, `,"duration_ms":`...), roundedMilliseconds(*e.Duration))
	}
	if e.Config != nil {
		dst = values.appendMap(append(dst, `,"config":`...), e.Config)
	}
	if len(e.Attributes) > 0 {
		var key, reason string
		dst, key, reason = values.appendAttributes(dst, e.Attributes)
		if reason != "" {
			return dst[:start], &EventError{Index: index, Field: fmt.Sprintf("Attributes[%q]", visible.Cut(key)), Reason: reason}
		}
	}
	dst = append(appendTraceContext(dst, e), '}')
	if !values.fits(dst, 0) {
		return dst[:start], enc.tooLong(index)
	}
	return append(dst, '\n'), nil
}

func (enc *eventEncoder) tooLong(index int) error {
	return &EventError{Index: index, Reason: fmt.Sprintf(
		"its line is longer than %d bytes, the longest that this log takes; shorten it, or raise the length for writers and readers (WithMaxLine)", enc.most)}
}

// roundedMilliseconds rounds d, which is not negative, half up, but not to more
// than a Duration holds.
func roundedMilliseconds(d time.Duration) int64 {
	const most = math.MaxInt64 / int64(time.Millisecond)
	ms := d.Milliseconds()
	if d%time.Millisecond >= time.Millisecond/2 && ms < most {
		ms++
	}
	return ms
}

func appendTraceContext(dst []byte, e *Event) []byte {
	if e.TraceID != "" {
		dst = jsonline.AppendPlain(append(dst, `,"trace_id":`...), e.TraceID)
	}
	if e.SpanID != "" {
		dst = jsonline.AppendPlain(append(dst, `,"span_id":`...), e.SpanID)
	}
	var flags byte
	if e.TraceFlags != nil {
		flags = *e.TraceFlags
	}
	if e.TraceID != "" || flags != 0 {
		const digits = "0123456789abcdef"
		dst = append(dst, `,"trace_flags":"`...)
		dst = append(dst, digits[flags>>4], digits[flags&0xf], '"')
	}
	return dst
}

// appendAttributes appends the further attributes, each behind a comma. With
// a reason, key is one that cannot be written.
func (enc *valueEncoder) appendAttributes(dst []byte, attributes map[string]any) (_ []byte, key, reason string) {
	var room [16]member[any]
	members, repeated := sortedMembers(room[:0], attributes)
	for i, m := range members {
		if field, reserved := fieldOf(m.written); reserved {
			if field == "" {
				return dst, m.key, "the key is kept for records of OpenTelemetry; choose another one"
			}
			return dst, m.key, "the key has a field of its own; set Event." + field
		}
		if repeated && i > 0 && members[i-1].written == m.written {
			return dst, m.key, "the key is invalid UTF-8, and another attribute has the same key when that is replaced"
		}
		if isNil(m.value) {
			continue
		}
		if enc.full {
			break
		}
		dst = enc.appendString(append(dst, ','), m.written)
		dst = enc.appendValue(append(dst, ':'), m.value)
	}
	return dst, "", ""
}

// checkEvent returns the first field that FORMAT.md section 2 does not allow,
// and why; the keys of Attributes are not looked at.
func checkEvent(e *Event) (field, reason string) {
	switch {
	case e.Name == "":
		return "Name", "it is empty; name the event"
	case e.Cost != nil && (math.IsNaN(*e.Cost) || math.IsInf(*e.Cost, 0)):
		return "Cost", fmt.Sprintf("%v is not finite; leave it nil when the cost is not known", *e.Cost)
	case e.Confidence != nil && (*e.Confidence < 0 || *e.Confidence > 100):
		return "Confidence", fmt.Sprintf("%d is not from 0 to 100", *e.Confidence)
	case e.Duration != nil && *e.Duration < 0:
		return "Duration", fmt.Sprintf("%v is negative", *e.Duration)
	}
	for _, tokens := range [...]struct {
		field string
		n     *int64
	}{
		{"InputTokens", e.InputTokens}, {"OutputTokens", e.OutputTokens},
		{"CacheReadTokens", e.CacheReadTokens}, {"CacheWriteTokens", e.CacheWriteTokens},
		{"CacheWriteHourTokens", e.CacheWriteHourTokens}, {"ReasoningTokens", e.ReasoningTokens},
	} {
		if reason := checkTokens(tokens.n); reason != "" {
			return tokens.field, reason
		}
	}
	if reason := checkHex(e.TraceID, 32); reason != "" {
		return "TraceID", reason
	}
	if reason := checkHex(e.SpanID, 16); reason != "" {
		return "SpanID", reason
	}
	return "", ""
}

func checkTokens(n *int64) string {
	switch {
	case n == nil:
		return ""
	case *n < 0:
		return fmt.Sprintf("%d is negative", *n)
	case *n >= jsonline.MaxExactInt:
		return fmt.Sprintf("%d is not below 2^53", *n)
	}
	return ""
}

func checkHex(id string, digits int) string {
	if id == "" {
		return ""
	}
	if !isHexID(id, digits) {
		return fmt.Sprintf("%q is not %d lowercase hexadecimal digits, not all of them 0", visible.Cut(id), digits)
	}
	return ""
}

// isHexID reports whether id is a trace or span id as FORMAT.md section 2
// writes it; digits is a multiple of eight.
func isHexID(id string, digits int) bool {
	if len(id) != digits {
		return false
	}
	const (
		ones  = 0x0101010101010101
		highs = 0x8080808080808080
	)
	other := uint64(0) // than zeros
	for ; len(id) >= 8; id = id[8:] {
		w := uint64(id[0]) | uint64(id[1])<<8 | uint64(id[2])<<16 | uint64(id[3])<<24 |
			uint64(id[4])<<32 | uint64(id[5])<<40 | uint64(id[6])<<48 | uint64(id[7])<<56
		if w&highs != 0 {
			return false
		}
		// Below 0x80, each byte by itself: a sum has the high bit if the byte is at least that.
		digit := (w + (0x80-'0')*ones) &^ (w + (0x80-'9'-1)*ones)
		letter := (w + (0x80-'a')*ones) &^ (w + (0x80-'f'-1)*ones)
		if (digit|letter)&highs != highs {
			return false
		}
		other |= w ^ '0'*ones
	}
	return other != 0
}

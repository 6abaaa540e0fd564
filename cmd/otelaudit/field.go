package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/jsonline"
	"github.com/otelaudit/otelaudit/internal/visible"
)

// field is a key of FORMAT.md section 2 as the command takes it.
type field struct {
	key  string // of the line
	name string // of the field of auditlog.Event
	flag string // of append
	want string // what its value has to be
}

const (
	wantCost       = "US dollars as a number such as 0.0041"
	wantTokens     = "a whole number of tokens, from 0 to 2^53−1"
	wantConfidence = "a whole number from 0 to 100"
	wantDuration   = "a whole number of milliseconds, from 0"
	wantConfig     = `a JSON object such as {"mode":"fast"}`
	wantTraceID    = "32 lowercase hexadecimal digits, not all of them 0"
	wantSpanID     = "16 lowercase hexadecimal digits, not all of them 0"
	wantTraceFlags = "two hexadecimal digits such as 01"
)

var fields = []field{
	{"ts", "Time", "--ts", "a string with an RFC 3339 time such as 2026-02-13T14:30:00Z"},
	{"event", "Name", "--event", "a string that is not empty"},
	{"session_id", "SessionID", "--session", "a string"},
	{"cost", "Cost", "--cost", wantCost},
	{"model", "Model", "--model", "a string"},
	{"input_t", "InputTokens", "--input-t", wantTokens},
	{"output_t", "OutputTokens", "--output-t", wantTokens},
	{"files", "Files", "--files", "an array of strings"},
	{"reason", "Reason", "--reason", "a string"},
	{"confidence", "Confidence", "--confidence", wantConfidence},
	{"duration_ms", "Duration", "--duration-ms", wantDuration},
	{"config", "Config", "--config", wantConfig},
	{"trace_id", "TraceID", "--trace-id", wantTraceID},
	{"span_id", "SpanID", "--span-id", wantSpanID},
	{"trace_flags", "TraceFlags", "--trace-flags", wantTraceFlags},
}

func fieldOfKey(key string) (field, bool) {
	i := slices.IndexFunc(fields, func(f field) bool { return f.key == key })
	if i < 0 {
		return field{}, false
	}
	return fields[i], true
}

// otelKey holds what only records of OpenTelemetry have; an event cannot.
const otelKey = "otel"

var errOtelKey = errors.New("otel: the key is kept for records of OpenTelemetry, which apps write through the exporter; choose another one")

// decodeEvent makes an event of a JSON object. Keys of the format become its
// fields, all others its attributes.
func decodeEvent(object []byte) (auditlog.Event, error) {
	event, err := auditlog.Entry{Raw: object}.Event()
	if err != nil {
		return auditlog.Event{}, cmp.Or(errors.Unwrap(err), err)
	}
	for _, key := range slices.Sorted(maps.Keys(event.Attributes)) {
		if f, ok := fieldOfKey(key); ok {
			return auditlog.Event{}, fmt.Errorf("%s: want %s, got %s", key, f.want, shorten(lastValue(object, key)))
		}
	}
	// An Event has no place for otel, so decoding dropped it.
	if otel := lastValue(object, otelKey); otel != nil && jsonline.KindOf(otel) != jsonline.Null {
		return auditlog.Event{}, errOtelKey
	}
	return event, nil
}

// lastValue returns the raw value of key, nil without. object has passed the
// scanner.
func lastValue(object []byte, key string) (value []byte) {
	err := jsonline.EachMember(object, func(k, v []byte) bool {
		if jsonline.KeyIs(k, key) {
			value = v
		}
		return true
	})
	if err != nil {
		return nil
	}
	return value
}

func shorten(value []byte) string {
	const most = 60
	if runes := []rune(string(value)); len(runes) > most {
		return visible.Text(string(runes[:most])) + "…"
	}
	return visible.Text(string(value))
}

// explainEvent says what is wrong with an event in the words of JSON lines.
func explainEvent(err *auditlog.EventError) string {
	for _, f := range fields {
		if f.name == err.Field {
			return f.key + ": " + err.Reason
		}
	}
	if err.Field == "" {
		return err.Reason
	}
	return err.Field + ": " + err.Reason
}

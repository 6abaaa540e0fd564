package otlpwire

import (
	"github.com/otelaudit/otelaudit/internal/jsonline"
	"github.com/otelaudit/otelaudit/internal/otelline"
)

// envelope is the content of otel, FORMAT.md section 4. Where it has a token, 0
// is none.
type envelope struct {
	time, observed  uint64 // as OTLP has them
	eventName       uint32 // token
	severity        int64
	severityText    uint32 // token
	body            uint32 // token
	dropped         int64
	derived         uint32 // bits by Field
	attributes      uint32 // token
	scope, resource []byte // raw values, nil if absent
}

func (e *envelope) isDerived(id keyID) bool {
	return id >= 0 && id < keyID(otelline.NumFields) && e.derived&(1<<id) != 0
}

var envelopeKeys = jsonline.NewKeys("time_unix_nano", "observed_time_unix_nano", "event_name", "severity_number",
	"severity_text", "body", "dropped_attributes_count", "derived", "attributes", "scope", "resource")

// readEnvelope reads the object that is token i. It reports false if it is not
// as section 4 says, and for what is rare.
func (e *Encoder) readEnvelope(i uint32) bool {
	l := &e.line
	l.env = envelope{}
	env := &l.env
	tokens := e.tape.Tokens
	if tokens[i].Kind != jsonline.Object {
		return false
	}
	var seen uint16
	for key := i + 1; key < tokens[i].Next; key = tokens[key+1].Next {
		k, value := &tokens[key], &tokens[key+1]
		text := l.raw[k.Start+1 : k.End-1]
		id := envelopeKeys.Find(text)
		if id < 0 {
			continue // of a later version
		}
		if seen&(1<<id) != 0 {
			return false
		}
		seen |= 1 << id
		raw := l.raw[value.Start:value.End]
		ok := true
		switch string(text) {
		case "time_unix_nano":
			env.time, ok = parseUnixNano(raw)
		case "observed_time_unix_nano":
			env.observed, ok = parseUnixNano(raw)
		case "event_name":
			env.eventName, ok = key+1, value.Kind == jsonline.String
		case "severity_number":
			env.severity, ok = parseCount(raw)
		case "severity_text":
			env.severityText, ok = key+1, value.Kind == jsonline.String
		case "body":
			env.body = key + 1
		case "dropped_attributes_count":
			env.dropped, ok = parseCount(raw)
		case "derived":
			ok = e.readDerived(key + 1)
		case "attributes":
			env.attributes, ok = key+1, value.Kind == jsonline.Object
		case "scope":
			env.scope, ok = raw, value.Kind >= jsonline.Object // or Opaque
		case "resource":
			env.resource, ok = raw, value.Kind >= jsonline.Object
		}
		if !ok {
			return false
		}
	}
	return true
}

func (e *Encoder) readDerived(i uint32) bool {
	tokens := e.tape.Tokens
	if tokens[i].Kind != jsonline.Array {
		return false
	}
	for j := i + 1; j < tokens[i].Next; j++ { // elements hold nothing if they are strings
		t := &tokens[j]
		if t.Kind != jsonline.String || t.Marks&jsonline.Escaped != 0 {
			return false
		}
		f := knownKeys.Find(e.line.raw[t.Start+1 : t.End-1])
		if f >= 0 && f < int(otelline.NumFields) {
			e.line.env.derived |= 1 << f
		}
	}
	return true
}

// parseCount reads an integer from 0 to 10^9 − 1.
func parseCount(lit []byte) (n int64, ok bool) {
	if len(lit) > 9 {
		return 0, false
	}
	for _, c := range lit {
		if c-'0' > 9 {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, len(lit) > 0
}

// parseUnixNano reads the string of a time, and returns what OTLP makes of it: 0 if
// it cannot hold it.
func parseUnixNano(lit []byte) (uint64, bool) {
	if len(lit) < 3 || lit[0] != '"' {
		return 0, false
	}
	digits := lit[1 : len(lit)-1]
	if len(digits) <= 18 && digits[0] != '0' || len(digits) == 19 && digits[0] < '9' && digits[0] != '0' {
		var n uint64
		for _, c := range digits {
			if c-'0' > 9 {
				n = 0
				break
			}
			n = n*10 + uint64(c-'0')
		}
		if n > 0 {
			return n, true
		}
	}
	t, ok := jsonline.ParseUnixNano(string(digits))
	if !ok {
		return 0, false
	}
	return unixNano(t), true
}

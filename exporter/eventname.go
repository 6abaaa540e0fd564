package exporter

import (
	"strings"

	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"
)

const (
	// eventOther is the event of a record that says nothing of itself.
	eventOther = "log"
	// maxBodyName is the most bytes that a body may have to be taken for a name
	// by its looks alone.
	maxBodyName = 64
)

// name returns the name of the event: FORMAT.md section 8.
func (r *reading) name(record *sdklog.Record) string {
	for _, id := range r.table.events {
		if v, ok := r.attrs.Get(id); ok {
			if name, ok := textOf(v); ok {
				return name
			}
		}
	}
	if name := record.EventName(); name != "" {
		return name
	}
	var body string
	if b := record.Body(); b.Type() == attribute.STRING && isEventName(b.AsString()) {
		body = b.AsString()
	}
	if v, ok := r.attrs.Get(r.table.eventName); ok {
		if name, ok := textOf(v); ok {
			if strings.HasSuffix(body, "."+name) {
				return body
			}
			return name
		}
	}
	if body != "" && len(body) <= maxBodyName {
		return body
	}
	if v, ok := r.attrs.Get(r.table.operation); ok {
		if name, ok := textOf(v); ok {
			return name
		}
	}
	if v, ok := r.attrs.Get(r.table.spanKind); ok {
		if name, ok := textOf(v); ok {
			return name
		}
	}
	return eventOther
}

// isEventName reports whether s looks like claude_code.api_request: it matches
// ^[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)+$.
func isEventName(s string) bool {
	if s == "" || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	dots := 0
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '_', c == '-':
		case c == '.' && s[i-1] != '.':
			dots++
		default:
			return false
		}
	}
	return dots > 0 && s[len(s)-1] != '.'
}

// isTask reports whether the event is one of Cline's tasks.
func (r *reading) isTask() bool { return strings.HasPrefix(r.event, "task.") }

// isAPI reports whether the event tells of a request to a model's API.
func (r *reading) isAPI() bool {
	return strings.HasSuffix(r.event, ".api_error") || strings.HasSuffix(r.event, ".api_response")
}

// isUSD reports whether the currency of the cost is USD, or not said.
func (r *reading) isUSD() bool {
	v, ok := r.attrs.Get(r.table.currency)
	return !ok || v.Type() == attribute.STRING && v.AsString() == "USD"
}

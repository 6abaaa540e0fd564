package exporter

import (
	"cmp"
	"strings"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelaudit/otelaudit/internal/otelline"
)

const (
	// eventOther is the event of a record that says nothing of itself.
	eventOther = "log"
	// maxBodyName is the most bytes that a body may have to be taken for a name
	// by its looks alone.
	maxBodyName = 64
)

// nameOf returns the name of the event: FORMAT.md section 8.
func (r *reading) nameOf(record *otelline.Record) string {
	for _, id := range r.table.events {
		if v, ok := r.attrs.Get(id); ok {
			if name, ok := textOf(v); ok {
				return name
			}
		}
	}
	declared := record.EventName
	if declared != "" && !isSourceLocation(declared) {
		return declared
	}
	var body string
	if b := record.Body; b.Type() == attribute.STRING && isEventName(b.AsString()) {
		body = b.AsString()
	}
	for _, id := range [...]otelline.KeyID{r.table.eventName, r.table.eventNameLiteLLM} {
		if v, ok := r.attrs.Get(id); ok {
			if name, ok := textOf(v); ok {
				if strings.HasSuffix(body, "."+name) {
					return body
				}
				return name
			}
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
	return cmp.Or(declared, eventOther)
}

// isSourceLocation reports whether an EventName is what Rust's tracing makes
// of an event without a name, "event otel/src/events.rs:925": every record of
// Codex has one, and its name in event.name.
func isSourceLocation(name string) bool {
	place, ok := strings.CutPrefix(name, "event ")
	if !ok {
		return false
	}
	colon := strings.LastIndexByte(place, ':')
	if colon <= 0 || colon+1 == len(place) {
		return false
	}
	return strings.Trim(place[colon+1:], "0123456789") == ""
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

// isScrubbed reports whether a session is the text that Logfire puts in place of
// what may be a secret.
func isScrubbed(session string) bool { return strings.HasPrefix(session, "[Scrubbed due to ") }

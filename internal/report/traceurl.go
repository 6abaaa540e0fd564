package report

import (
	"errors"
	"net/url"
	"strings"
)

const (
	traceIDMark = "{trace_id}"
	spanIDMark  = "{span_id}"
)

// CheckTraceURL returns why a template is not the address of a trace: an http
// or https URL with {trace_id} in it, for example
// https://jaeger.example/trace/{trace_id}. Empty is allowed.
func CheckTraceURL(template string) error {
	if template == "" {
		return nil
	}
	u, err := url.Parse(traceURL(template, strings.Repeat("0", 32), strings.Repeat("0", 16)))
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return errors.New("want an http or https URL such as https://jaeger.example/trace/" + traceIDMark)
	case !strings.Contains(template, traceIDMark):
		return errors.New("want " + traceIDMark + " where the trace's id belongs, as in https://jaeger.example/trace/" + traceIDMark)
	}
	return nil
}

// traceURL returns the address of a trace.
func traceURL(template, traceID, spanID string) string {
	return strings.NewReplacer(traceIDMark, traceID, spanIDMark, spanID).Replace(template)
}

// isHex reports whether s is n hexadecimal digits.
func isHex(s string, n int) bool {
	return len(s) == n && strings.Trim(s, "0123456789abcdefABCDEF") == ""
}

package demolog

import (
	"fmt"
	"strings"
	"time"

	"github.com/otelaudit/otelaudit/auditlog"
)

// Pwned is the global variable of a page that the texts of Hostile set, if they
// run as a script there.
const Pwned = "pwned"

// Hostile returns events whose texts attack who shows them: they leave the
// element or the script that they stand in, run scripts, load things, turn the
// direction of text, and are long.
func Hostile() []auditlog.Event {
	texts := []string{
		`</script><script>window.pwned=1</script>`,
		`<img src=x onerror="window.pwned=1">`,
		`"><svg onload=window.pwned=1>`,
		`' onmouseover='window.pwned=1`,
		`</title></style></textarea></noscript><iframe src="http://127.0.0.1:1/pwned"></iframe>`,
		`<!--<script>`,
		`]]>{{.Title}}{{"{{"}}`,
		"javascript:window.pwned=1",
		`\u003c/script\u003e`,
		"${window.pwned=1}`",
		"\u202emoc.live\u202c \u2066x\u2069 \u200b\ufeff",
		"line\nbreak\ttab\x00nul\x1b[31mred\u2028\u2029",
		strings.Repeat("wide", 50_000),
		strings.Repeat("世", 3000),
		strings.Repeat("Z\u0351\u0352\u0353", 500),
		`<link rel=stylesheet href=//127.0.0.1:1/x.css><style>@import "http://127.0.0.1:1/y.css"</style>`,
		"=HYPERLINK(\"http://127.0.0.1:1\")",
	}
	var events []auditlog.Event
	for i, text := range texts {
		at := start.Add(time.Duration(i) * time.Hour)
		events = append(events,
			auditlog.Event{
				Time: at, Name: text, SessionID: text, Model: text, Reason: text, Cost: new(float64(i) / 7), InputTokens: new(int64(i)),
				Duration: new(time.Duration(i) * time.Second), TraceID: fmt.Sprintf("%032x", i+1), SpanID: fmt.Sprintf("%016x", i+1),
				Attributes: map[string]any{"error.type": text},
			},
			auditlog.Event{Time: at, Name: auditlog.EventBudget, SessionID: text, Reason: text})
	}
	return events
}

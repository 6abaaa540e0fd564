package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// The number of digits of a trace's id, and of the shortest beginning of one
// that is taken.
const (
	traceDigits    = 32
	minTraceDigits = 4
)

// isTraceDigits reports whether text is hexadecimal, in lower case, and at least
// so long, and could be a trace's id or its beginning.
func isTraceDigits(text string, least int) bool {
	return len(text) >= least && len(text) <= traceDigits && strings.Trim(text, "0123456789abcdef") == ""
}

// wholeTrace is the value of a flag that is the id of a trace. The beginning of
// one would match nothing, and nothing would say why.
type wholeTrace string

func (t *wholeTrace) String() string { return string(*t) }
func (t *wholeTrace) Type() string   { return "string" }

func (t *wholeTrace) Set(text string) error {
	id := strings.ToLower(text)
	switch {
	case isTraceDigits(id, traceDigits):
		*t = wholeTrace(id)
		return nil
	case isTraceDigits(id, minTraceDigits):
		return fmt.Errorf("want all %d hexadecimal digits of an id; otelaudit trace %s takes the beginning of one", traceDigits, text)
	}
	return fmt.Errorf("want an id of %d hexadecimal digits", traceDigits)
}

func (a *app) trace() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "trace ID [flags]",
		Short: "Show the events of a trace as a tree, with what each span cost",
		Long: `trace shows the events of one trace under their spans, in the order of time. The
amounts of a span are those of its events and of all spans below it; a call that is
logged more than once counts once, as in spend. Of what a log record says, its body, the first 60
characters are shown, unless it is the event's name or reason. Of other texts the first
200 bytes are shown. Times are those of --timezone. ID may be the beginning of a trace's
id, 4 digits or more, if no other trace begins so.

A span below 64 others begins again at the left, with the id of the span that it is
below. The same goes for spans of the json: their parent_span_id is that of a span
elsewhere, whose total includes them.

--spans FILE adds the names, times, parents and states of the spans: OTLP in its JSON
form, one object per line as the collector's file exporter writes it, or one for the whole
file, or what Tempo's API returns. An object that has no end yet, the last of a file that
is being written, is a warning. Without --spans, spans are as far known as events and
records of spans say; a record (otelaudit.span) is shown as its span only.

json is {"trace_id","total","spans":[…],"events":[…]}; a span is {"span_id",
"parent_span_id","name","start","duration_ms","status","status_message","own","total",
"events":[…],"spans":[…]}, each when known; own, of the events of the span alone, and
total are as in spend; events are the lines as they are in the log, and those of the
trace itself have no span.`,
		Example: `  otelaudit trace 5b8efff798038103d269b633813fc60c
  otelaudit trace 5b8eff --spans traces.jsonl
  otelaudit trace 5b8eff --format json | jq .total.cost`,
	}
	spansFile := cmd.Flags().String("spans", "", "`FILE` with the spans of the trace, as OTLP JSON")
	format := formatFlag(cmd, "text", "json")
	id := ""
	a.readVerb(cmd, func(ctx context.Context, r *auditlog.Reader) error {
		var file spansOfFile
		if *spansFile != "" {
			var err error
			if file, err = readSpans(ctx, *spansFile, id); err != nil {
				return fmt.Errorf("read the spans: %w", err)
			}
		}
		spans := file.spans
		entries, err := traceEntries(ctx, r, id)
		if err != nil {
			return err
		}
		whole, err := wholeTraceID(id, entries, spans)
		if err != nil {
			return err
		}
		if *spansFile != "" && len(spans) == 0 {
			a.sayf("warning: %s has no span of this trace", *spansFile)
		}
		if file.torn != nil {
			a.sayf("warning: %v; the spans before it are used", file.torn)
		}
		t, err := untilDone(ctx, func() (*traceTree, error) { return newTraceTree(ctx, whole, entries, spans, &a.clock) })
		if err != nil {
			return err
		}
		if format.value == "json" {
			line, err := untilDone(ctx, func() ([]byte, error) { return jsonOf(t) })
			if err != nil {
				return err
			}
			_, err = a.out.Write(line)
			return err
		}
		return t.write(ctx, a.out, &a.clock)
	})
	a.completeTraces(cmd)
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usagef("trace wants the id of one trace, or its beginning")
		}
		id = strings.ToLower(args[0])
		if !isTraceDigits(id, minTraceDigits) {
			return usagef("%q is no id of a trace: want from %d to %d hexadecimal digits", args[0], minTraceDigits, traceDigits)
		}
		return nil
	}
	return cmd
}

// untilDone returns what f returns, or why ctx ended as soon as it does: f may read
// from a pipe, or sum up for seconds. f goes on then, and the process ends soon.
func untilDone[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := f()
		done <- result{value, err}
	}()
	select {
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	case r := <-done:
		return r.value, r.err
	}
}

// traceEntries returns the events whose trace id begins with id.
func traceEntries(ctx context.Context, r *auditlog.Reader, id string) ([]auditlog.Entry, error) {
	var filter auditlog.Filter
	if len(id) == traceDigits {
		filter.TraceID = id
	}
	lower, upper := []byte(id), []byte(strings.ToUpper(id))
	var entries []auditlog.Entry
	for e, err := range r.Query(ctx, filter) {
		if err != nil {
			return nil, err
		}
		if filter.TraceID == "" {
			// Most lines have neither these digits nor escapes of ASCII. Ids in mixed
			// case, which nobody writes, are found by all of their digits only.
			has := bytes.Contains(e.Raw, lower) || bytes.Contains(e.Raw, upper) || bytes.Contains(e.Raw, []byte(`\u00`))
			if !has || !strings.HasPrefix(traceIDOf(e), id) {
				continue
			}
		}
		entries = append(entries, e.Clone())
	}
	return entries, nil
}

// traceIDOf returns the trace id of a line in lower case, "" without a whole
// one.
func traceIDOf(e auditlog.Entry) string {
	if id := textOf(e, "trace_id"); len(id) == traceDigits {
		return id
	}
	return ""
}

// textOf returns a member that is a string, in lower case.
func textOf(e auditlog.Entry, key string) string {
	value := lastValue(e.Raw, key)
	if jsonline.KindOf(value) != jsonline.String {
		return ""
	}
	return strings.ToLower(jsonline.Unquote(value))
}

// wholeTraceID returns the id of the one trace that was found.
func wholeTraceID(id string, entries []auditlog.Entry, spans []otlpSpan) (string, error) {
	found := map[string]bool{}
	for _, e := range entries {
		found[traceIDOf(e)] = true
	}
	for _, s := range spans {
		found[string(s.TraceID)] = true
	}
	ids := make([]string, 0, len(found))
	for id := range found {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	switch len(ids) {
	case 0:
		return "", fmt.Errorf("the log has no event of trace %s", id)
	case 1:
		return ids[0], nil
	}
	const most = 5
	list := strings.Join(ids[:min(most, len(ids))], ", ")
	if len(ids) > most {
		list += ", …"
	}
	return "", usagef("%s is the beginning of %d traces; say more digits: %s", id, len(ids), list)
}

// traceTree is a trace as JSON.
type traceTree struct {
	ID     string            `json:"trace_id"`
	Total  auditlog.Totals   `json:"total"`
	Spans  []*spanNode       `json:"spans"`
	Events []json.RawMessage `json:"events"`

	nodes   []node // spans and events, in the order of time
	entries int
}

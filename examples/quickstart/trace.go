package main

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otelaudit/otelaudit/examples/internal/collector"
)

// arrived is what a collector received, put together by trace and span id.
type arrived struct {
	spans, events int
	traces        map[pcommon.TraceID]*tracedSpans
}

// tracedSpans is one trace.
type tracedSpans struct {
	id       pcommon.TraceID
	spans    map[pcommon.SpanID]collector.Span
	children map[pcommon.SpanID][]pcommon.SpanID // the roots are those of the zero id
	events   map[pcommon.SpanID][]collector.Record
}

// joinTraces puts spans and events together. An event whose span the collector
// did not receive is an error.
func joinTraces(received collector.Received) (*arrived, error) {
	a := &arrived{traces: make(map[pcommon.TraceID]*tracedSpans)}
	for span := range received.Spans() {
		a.spans++
		t := a.traces[span.TraceID()]
		if t == nil {
			t = &tracedSpans{
				id:       span.TraceID(),
				spans:    make(map[pcommon.SpanID]collector.Span),
				children: make(map[pcommon.SpanID][]pcommon.SpanID),
				events:   make(map[pcommon.SpanID][]collector.Record),
			}
			a.traces[t.id] = t
		}
		t.spans[span.SpanID()] = span
		t.children[span.ParentSpanID()] = append(t.children[span.ParentSpanID()], span.SpanID())
	}
	for event := range received.Records() {
		a.events++
		t := a.traces[event.TraceID()]
		if t == nil {
			return nil, fmt.Errorf("the collector received event %s, but not its trace %s", event.EventName(), event.TraceID())
		}
		if _, ok := t.spans[event.SpanID()]; !ok {
			return nil, fmt.Errorf("the collector received event %s, but not its span %s of trace %s",
				event.EventName(), event.SpanID(), event.TraceID())
		}
		t.events[event.SpanID()] = append(t.events[event.SpanID()], event)
	}
	// Spans arrive in the order in which they ended, events in that of the log.
	for _, t := range a.traces {
		for _, ids := range t.children {
			slices.SortFunc(ids, func(x, y pcommon.SpanID) int {
				return cmp.Compare(t.spans[x].StartTimestamp(), t.spans[y].StartTimestamp())
			})
		}
	}
	return a, nil
}

// traceWith returns a trace that has an event of the given name.
func (a *arrived) traceWith(event string) (*tracedSpans, bool) {
	for _, t := range a.traces {
		for _, events := range t.events {
			for _, e := range events {
				if e.EventName() == event {
					return t, true
				}
			}
		}
	}
	return nil, false
}

// table draws the trace as a tree, with what a person wants to know beside it.
func (t *tracedSpans) table() string {
	w := newTable()
	w.AppendHeader(table.Row{"span, ● event", "took", "USD", "tokens", "reason"})
	for _, root := range t.children[pcommon.SpanID{}] {
		t.appendRows(w, root, "", "")
	}
	alignRight(w, 2, 3, 4)
	return w.Render()
}

// appendRows appends a span, its events and its children. first is drawn before
// the span, rest before everything below it.
func (t *tracedSpans) appendRows(w table.Writer, id pcommon.SpanID, first, rest string) {
	span := t.spans[id]
	took := span.EndTimestamp().AsTime().Sub(span.StartTimestamp().AsTime())
	w.AppendRow(table.Row{first + span.Name(), took.Round(time.Millisecond).String(), "", "", span.Status().Message()})
	events, children := t.events[id], t.children[id]
	for i, event := range events {
		branch := "├─ "
		if i == len(events)-1 && len(children) == 0 {
			branch = "╰─ "
		}
		w.AppendRow(eventRow(rest+branch+"● "+event.EventName(), event.Attributes()))
	}
	for i, child := range children {
		branch, below := "├─ ", "│  "
		if i == len(children)-1 {
			branch, below = "╰─ ", "   "
		}
		t.appendRows(w, child, rest+branch, rest+below)
	}
}

func eventRow(name string, attributes pcommon.Map) table.Row {
	row := table.Row{name, "", "", "", ""}
	if ms, ok := attributes.Get("duration_ms"); ok {
		row[1] = (time.Duration(ms.Int()) * time.Millisecond).String()
	}
	if cost, ok := attributes.Get("cost"); ok {
		row[2] = fmt.Sprintf("%.4f", cost.Double())
	}
	input, hasInput := attributes.Get("input_t")
	output, hasOutput := attributes.Get("output_t")
	if hasInput && hasOutput {
		row[3] = fmt.Sprintf("%d → %d", input.Int(), output.Int())
	}
	if reason, ok := attributes.Get("reason"); ok {
		row[4] = reason.Str()
	}
	return row
}

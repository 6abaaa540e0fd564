package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/jsonline"
	"github.com/otelaudit/otelaudit/internal/visible"
)

// What an event that was made of a span says of it.
const (
	keySpanName     = "otelaudit.span.name"
	keySpanParentID = "otelaudit.span.parent_id"
)

// eventSpanRecord is the event of a line that is no event: all it says is the name,
// the times and the parent of a span (FORMAT.md section 5).
const eventSpanRecord = "otelaudit.span"

func isSpanRecord(e *auditlog.Event) bool {
	if e.Name != eventSpanRecord || e.Cost != nil || e.InputTokens != nil || e.OutputTokens != nil {
		return false
	}
	_, ok := e.Attributes["call_id"]
	return !ok
}

// spanNode is a span of a tree. The exported fields are its JSON.
type spanNode struct {
	ID       string            `json:"span_id"`
	ParentID string            `json:"parent_span_id,omitempty"`
	Name     string            `json:"name,omitempty"`
	Start    *time.Time        `json:"start,omitempty"`
	Duration *float64          `json:"duration_ms,omitempty"`
	Status   string            `json:"status,omitempty"` // ok, error or unset
	Message  string            `json:"status_message,omitempty"`
	Own      auditlog.Totals   `json:"own"`
	Total    auditlog.Totals   `json:"total"`
	Events   []json.RawMessage `json:"events"`
	Spans    []*spanNode       `json:"spans"`

	known     bool        // from a file of spans
	depth     int         // in the tree that is shown
	continues bool        // it has a parent and is not shown below it
	below     []*spanNode // all of its children; Spans lacks those that begin again at the left
	nodes     []node      // as in traceTree
}

// node is a span or an event under a span.
type node struct {
	at      time.Time
	span    *spanNode // nil for an event
	event   auditlog.Event
	message string // of the log record that the event was, "" if it had none
}

func (s *spanNode) setTimes(start, end time.Time) {
	s.Start = &start
	if d := end.Sub(start); !end.IsZero() && d >= 0 {
		s.Duration = new(float64(d) / float64(time.Millisecond))
	}
}

// takeFrom takes what a line says of its span. What a file of spans says goes before it.
func (s *spanNode) takeFrom(e *auditlog.Event, c *clock) {
	name, ok := e.Attributes[keySpanName].(string)
	if !ok || s.known {
		return
	}
	s.Name = name
	s.ParentID, _ = e.Attributes[keySpanParentID].(string) // "" if it is none
	if e.Duration != nil && !e.Time.IsZero() {
		s.setTimes(c.shown(e.Time.Add(-*e.Duration)), e.Time)
	}
}

// maxDepth is how many spans are shown below each other. A span below the last of
// them stands beside the outermost ones, with its parent's id: so the output grows
// with the number of spans only, and programs can read the nested JSON.
const maxDepth = 64

// newTraceTree puts the events of a trace under their spans. Its time grows with
// the number of events and spans, and it ends with ctx.
func newTraceTree(ctx context.Context, id string, entries []auditlog.Entry, spans []otlpSpan, c *clock) (*traceTree, error) {
	var records []auditlog.Event
	events := make([]auditlog.Entry, 0, len(entries))
	for _, e := range entries {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if event, err := e.Event(); err != nil {
			return nil, err
		} else if isSpanRecord(&event) {
			records = append(records, event)
		} else {
			events = append(events, e)
		}
	}
	entries = events
	t := &traceTree{ID: id, Spans: []*spanNode{}, Events: []json.RawMessage{}, entries: len(entries)}
	sums, err := auditlog.SpendOf(entries, func(e auditlog.Entry) string { return textOf(e, "span_id") })
	if err != nil {
		return nil, err
	}
	t.Total = sums.Total

	byID := make(map[string]*spanNode)
	var order []*spanNode
	get := func(id string) *spanNode {
		s := byID[id]
		if s == nil {
			s = &spanNode{ID: id, Events: []json.RawMessage{}, Spans: []*spanNode{}}
			byID[id] = s
			order = append(order, s)
		}
		return s
	}
	for _, from := range spans {
		s := get(string(from.SpanID))
		if s.known {
			continue // it is there twice
		}
		s.known, s.ParentID, s.Name = true, string(from.ParentID), from.Name
		s.Status, s.Message = cmp.Or(string(from.Status.Code), "unset"), from.Status.Message
		if !from.Start.IsZero() {
			s.setTimes(c.shown(from.Start.Time), from.End.Time)
		}
	}
	for _, e := range entries {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		event, err := e.Event()
		if err != nil {
			return nil, err
		}
		n := node{at: event.Time, event: event, message: messageOf(e)}
		id := textOf(e, "span_id")
		if id == "" {
			t.Events, t.nodes = append(t.Events, e.Raw), append(t.nodes, n)
			continue
		}
		s := get(id)
		s.Events, s.nodes = append(s.Events, e.Raw), append(s.nodes, n)
		s.takeFrom(&event, c)
	}
	for i := range records {
		if e := &records[i]; e.SpanID != "" {
			get(strings.ToLower(e.SpanID)).takeFrom(e, c)
		}
	}
	for _, g := range sums.Groups {
		if s := byID[g.Key]; s != nil {
			s.Own = g.Totals
		}
	}
	for i := 0; i < len(order); i++ { // grows by parents of which nothing else is known
		if s := order[i]; s.ParentID != "" {
			get(s.ParentID)
		}
	}
	inCycle := cycles(order, byID)
	var sorted []*spanNode // each before those below it
	for _, s := range order {
		if s.ParentID == "" || inCycle[s] {
			sorted = append(sorted, s)
			continue
		}
		parent := byID[s.ParentID]
		parent.below = append(parent.below, s)
	}
	for i := 0; i < len(sorted); i++ {
		for _, below := range sorted[i].below {
			below.depth = (sorted[i].depth + 1) % maxDepth
			below.continues = below.depth == 0
		}
		sorted = append(sorted, sorted[i].below...)
	}
	for _, s := range slices.Backward(sorted) {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		s.finish()
	}
	for _, s := range sorted {
		if s.depth == 0 {
			t.Spans = append(t.Spans, s)
			t.nodes = append(t.nodes, node{at: s.began(), span: s})
		}
	}
	sortByTime(t.nodes, t.Spans)
	return t, nil
}

// cycles returns the spans that are above themselves: a file may say that spans
// are each other's parents. It visits each span twice at most.
func cycles(spans []*spanNode, byID map[string]*spanNode) map[*spanNode]bool {
	inCycle := make(map[*spanNode]bool)
	walk := make(map[*spanNode]int, len(spans)) // the first walk up that came by
	for i, s := range spans {
		for s != nil && walk[s] == 0 {
			walk[s] = i + 1
			s = byID[s.ParentID]
		}
		if s == nil || walk[s] != i+1 {
			continue
		}
		for !inCycle[s] { // this walk met itself
			inCycle[s] = true
			s = byID[s.ParentID]
		}
	}
	return inCycle
}

// finish sums up and sorts what is below s, where that is done already.
func (s *spanNode) finish() {
	s.Total = s.Own
	// Each of the costs is rounded; their sum is, once.
	cost := new(big.Float).SetPrec(exactPrecision).SetFloat64(s.Own.Cost)
	for _, below := range s.below {
		if !below.continues {
			s.Spans = append(s.Spans, below)
			s.nodes = append(s.nodes, node{at: below.began(), span: below})
		}
		s.Total.Events += below.Total.Events
		s.Total.Unpriced += below.Total.Unpriced
		cost.Add(cost, new(big.Float).SetFloat64(below.Total.Cost))
		s.Total.InputTokens += below.Total.InputTokens
		s.Total.OutputTokens += below.Total.OutputTokens
	}
	s.Total.Cost, _ = cost.Float64()
	sortByTime(s.nodes, s.Spans)
}

// exactPrecision holds a sum of float64s of any size.
const exactPrecision = 2200

// began returns when s began, or the first thing in it that is known.
func (s *spanNode) began() time.Time {
	if s.Start != nil {
		return *s.Start
	}
	if len(s.nodes) > 0 {
		return s.nodes[0].at
	}
	return time.Time{}
}

func sortByTime(nodes []node, spans []*spanNode) {
	slices.SortStableFunc(nodes, func(a, b node) int { return a.at.Compare(b.at) })
	slices.SortStableFunc(spans, func(a, b *spanNode) int { return a.began().Compare(b.began()) })
}

// write writes the tree for people.
func (t *traceTree) write(ctx context.Context, w *output, c *clock) error {
	if _, err := w.WriteString("trace " + t.ID + ": " + amounts(t.Total) + "\n"); err != nil {
		return err
	}
	if err := writeNodes(ctx, w, t.nodes, "", c); err != nil {
		return err
	}
	if twice := int64(t.entries) - t.Total.Events; twice > 0 {
		_, err := fmt.Fprintf(w, "further records of a call, which do not count: %d\n", twice)
		return err
	}
	return nil
}

// writeNodes writes the nodes below a span, of which each line begins with indent.
// maxDepth bounds how deep it calls itself.
func writeNodes(ctx context.Context, w *output, nodes []node, indent string, c *clock) error {
	for i, n := range nodes {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		branch, below := "├─ ", "│  "
		if i == len(nodes)-1 {
			branch, below = "└─ ", "   "
		}
		var text string
		if n.span != nil {
			text = n.span.text()
		} else {
			text = eventText(n.event, n.message, c)
		}
		if _, err := w.WriteString(indent + branch + text + "\n"); err != nil {
			return err
		}
		if n.span == nil {
			continue
		}
		if err := writeNodes(ctx, w, n.span.nodes, indent+below, c); err != nil {
			return err
		}
	}
	return nil
}

func (s *spanNode) text() string {
	parts := []string{"span " + visible.Excerpt(s.Name), visible.Excerpt(s.ID)}
	if s.Name == "" {
		parts[0] = "span"
	}
	if s.continues {
		parts = append(parts, "below "+visible.Excerpt(s.ParentID))
	}
	if s.Duration != nil {
		parts = append(parts, milliseconds(*s.Duration))
	}
	if s.Status != "" && s.Status != "unset" {
		status := s.Status
		if s.Message != "" {
			status += " (" + visible.Excerpt(s.Message) + ")"
		}
		parts = append(parts, status)
	}
	return strings.Join(parts, " ") + ": " + amounts(s.Total)
}

// amounts says what was spent, and nothing of what was not.
func amounts(t auditlog.Totals) string {
	parts := []string{plural(t.Events, "event")}
	if t.Cost != 0 {
		parts = append(parts, amount(t.Cost, 6)+" USD")
	}
	if t.InputTokens != 0 || t.OutputTokens != 0 {
		parts = append(parts, fmt.Sprintf("%s in + %s out tokens", count(t.InputTokens), count(t.OutputTokens)))
	}
	if t.Unpriced != 0 {
		parts = append(parts, fmt.Sprintf("%d unpriced", t.Unpriced))
	}
	return strings.Join(parts, ", ")
}

func eventText(e auditlog.Event, message string, c *clock) string {
	parts := make([]string, 0, 8)
	if !e.Time.IsZero() {
		parts = append(parts, c.shown(e.Time).Format("2006-01-02 15:04:05.000"))
	}
	parts = append(parts, cmp.Or(visible.Excerpt(e.Name), "(no name)"))
	if e.Model != "" {
		parts = append(parts, visible.Excerpt(e.Model))
	}
	if e.Cost != nil {
		parts = append(parts, amount(*e.Cost, 6)+" USD")
	}
	if e.InputTokens != nil || e.OutputTokens != nil {
		parts = append(parts, fmt.Sprintf("%s in + %s out tokens", tokens(e.InputTokens), tokens(e.OutputTokens)))
	}
	if e.Duration != nil {
		parts = append(parts, milliseconds(float64(*e.Duration)/float64(time.Millisecond)))
	}
	if e.Reason != "" {
		parts = append(parts, "("+visible.Excerpt(e.Reason)+")")
	}
	if message != "" && message != e.Name && message != e.Reason {
		parts = append(parts, "“"+shorten([]byte(message))+"”") // it may be a whole prompt
	}
	return strings.Join(parts, " ")
}

// messageOf returns the body of the log record that e was, if it is text. Of a
// record without a name of its own it is all that says what happened.
func messageOf(e auditlog.Entry) string {
	record := lastValue(e.Raw, "otel")
	if jsonline.KindOf(record) != jsonline.Object {
		return ""
	}
	body := lastValue(record, "body")
	if jsonline.KindOf(body) != jsonline.String {
		return ""
	}
	return jsonline.Unquote(body)
}

// tokens writes a number that may not be known.
func tokens(n *int64) string {
	if n == nil {
		return "?"
	}
	return count(*n)
}

// milliseconds writes a duration with a millisecond as its smallest part,
// unless it is less.
func milliseconds(ms float64) string {
	if ms < 1 {
		return strconv.FormatFloat(math.Round(ms*1e3)/1e3, 'f', -1, 64) + "ms"
	}
	return time.Duration(math.Round(ms) * float64(time.Millisecond)).String()
}

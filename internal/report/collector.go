package report

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/otelaudit/otelaudit/internal/jsonline"
	"github.com/otelaudit/otelaudit/internal/scan"
	"github.com/otelaudit/otelaudit/internal/spend"
)

// The members of a line that a report looks at.
var lineKeys = jsonline.NewKeys("ts", "event", "session_id", "model", "reason", "duration_ms", "trace_id", "span_id",
	"otel", "failed", "error.message", "error", "exception.message", "error.type", "exception.type")

const (
	lineTime = iota
	lineEvent
	lineSession
	lineModel
	lineReason
	lineDuration
	lineTrace
	lineSpan
	lineOtel
	lineFailed
	lineFirstError
	lineKeyCount = lineFirstError + 5
)

var otelKeys = jsonline.NewKeys("severity_number")

const (
	maxRecent   = 50
	maxStops    = 20
	maxFailures = 1000 // kinds of failures that are told apart
	// severityError is the least severity number that OpenTelemetry calls an
	// error.
	severityError = 17
)

// collector adds up what a page shows. It is an [spend.Tally].
type collector struct {
	total   spend.Totals // set at the end
	damaged int64        // set at the end
	calls   int64
	// failedCalls are those of calls that failed.
	failedCalls int64
	priced      int64
	joined      int64 // calls that were there twice
	untimed     int64 // events without a valid ts
	repairs     int64 // auditlog_recovered
	failed      int64
	stopped     int64
	first       time.Time
	last        time.Time
	models      models
	sessions    sessions
	failures    map[failureKey]*failure
	timeline    *timeline
	recent      ring
	stops       ring

	values   [lineKeyCount][]byte
	severity [1][]byte
	text     []byte
}

var _ spend.Tally = (*collector)(nil)

func newCollector(zone *time.Location) *collector {
	return &collector{
		models:   newModels(),
		sessions: newSessions(),
		failures: make(map[failureKey]*failure),
		timeline: newTimeline(zone),
		recent:   ring{room: maxRecent},
		stops:    ring{room: maxStops},
	}
}

// told is what an event was counted as: the tag of its usage.
type told struct {
	time    time.Time // zero if it has none
	model   int       // index
	session *session
	// sessionDefault says that the session is a default, which names none.
	sessionDefault bool
	ms             int64 // duration, -1 if it has none
	failure        *failure
	joined         bool // it is a call of several events
}

// Add counts an event.
func (c *collector) Add(e scan.Entry, u spend.Usage) any {
	if lineKeys.Scan(e.Raw, c.values[:]) != nil {
		return nil // what reads the log has scanned it before
	}
	if u.Session != "" {
		c.values[lineSession] = []byte(u.Session)
	}
	t := told{model: -1, ms: milliseconds(c.values[lineDuration]), sessionDefault: u.SessionDefault}
	t.time, _ = jsonline.ParseTime(c.values[lineTime])
	c.text = jsonline.AppendUnquoted(c.text[:0], stringOf(c.values[lineModel]))
	if u.IsCall() || len(c.text) > 0 {
		t.model = c.models.index(c.text)
	}
	c.text = jsonline.AppendUnquoted(c.text[:0], stringOf(c.values[lineSession]))
	t.session = c.sessions.get(c.text)
	t.session.saw(t.time)
	c.see(t.time)

	event := stringOf(c.values[lineEvent])
	if jsonline.KeyIs(event, "auditlog_recovered") {
		c.repairs++
	}
	stop, failed := c.isStop(event), false
	if !stop && c.isFailure(event) {
		failed = true
		t.failure = c.failure(event, t.time)
		c.fail(&t, 1)
	}
	if !t.time.IsZero() {
		m := c.timeline.mark(t.time)
		m.events++
		if stop {
			m.stops++
		}
	}
	c.recent.add(c.values[:], t.time, u, t.ms, failed, stop)
	if stop {
		c.stopped++
		c.stops.add(c.values[:], t.time, u, t.ms, failed, stop)
	}
	c.count(&t, u, 1)
	if !u.IsCall() {
		return nil
	}
	return &t
}

// Join counts two that tell of one call as one.
func (c *collector) Join(kept, other, joined spend.Usage) any {
	k, ok := kept.Tag.(*told)
	o, ok2 := other.Tag.(*told)
	if !ok || !ok2 {
		return nil
	}
	c.count(k, kept, -1)
	c.count(o, other, -1)
	if !o.time.IsZero() {
		c.timeline.mark(o.time).events--
	}
	t := *k
	if t.model < 0 || c.models.list[t.model].name == "" {
		t.model = o.model
	}
	if t.session.name == "" || t.sessionDefault && !o.sessionDefault {
		t.session, t.sessionDefault = o.session, o.sessionDefault
	}
	if t.ms < 0 {
		t.ms = o.ms
	}
	switch {
	case k.failure != nil && o.failure != nil:
		c.fail(o, -1)
	case t.failure == nil:
		t.failure = o.failure
	}
	switch {
	case k.joined && o.joined:
		c.joined--
	case !k.joined && !o.joined:
		c.joined++
	}
	t.joined = true
	c.count(&t, joined, 1)
	return &t
}

// see widens the time that the page is about.
func (c *collector) see(t time.Time) {
	if t.IsZero() {
		c.untimed++
		return
	}
	if c.first.IsZero() || t.Before(c.first) {
		c.first = t
	}
	if t.After(c.last) {
		c.last = t
	}
}

// count adds an event's usage to all sums, or takes it out of them.
func (c *collector) count(t *told, u spend.Usage, sign int64) {
	t.session.count(u, sign)
	if t.model >= 0 {
		m := &c.models.list[t.model]
		m.count(u, sign)
		m.durations.count(t.ms, sign)
	}
	if !u.IsCall() {
		return
	}
	c.calls += sign
	if u.Failed {
		c.failedCalls += sign
	}
	if u.Priced {
		c.priced += sign
	}
	if t.time.IsZero() {
		return
	}
	cell := c.timeline.cell(t.time, t.model)
	cell.cost.add(float64(sign) * u.Cost)
	cell.input = addCount(cell.input, sign*u.InputTokens)
	cell.output = addCount(cell.output, sign*u.OutputTokens)
}

// fail counts a failure, or takes it out again.
func (c *collector) fail(t *told, sign int64) {
	c.failed += sign
	t.failure.count += sign
	t.session.failures += sign
	if !t.time.IsZero() {
		c.timeline.mark(t.time).failures += sign
	}
}

// isStop reports whether a budget stopped something.
func (c *collector) isStop(event []byte) bool {
	reason := stringOf(c.values[lineReason])
	return jsonline.KeyIs(event, "budget") ||
		jsonline.KeyIs(reason, "cost_exceeds_limit") || jsonline.KeyIs(reason, "hourly_budget_exhausted")
}

// isFailure reports whether an event tells of something that failed.
func (c *collector) isFailure(event []byte) bool {
	c.text = jsonline.AppendUnquoted(c.text[:0], event)
	name := c.text
	switch {
	case bytes.HasSuffix(name, []byte("_fail")), bytes.HasSuffix(name, []byte("failed")), bytes.HasSuffix(name, []byte("error")):
		return true
	case jsonline.KeyIs(event, "gate_compress"):
		reason := stringOf(c.values[lineReason])
		if jsonline.KeyIs(reason, "parse_fail") || jsonline.KeyIs(reason, "api_error") {
			return true
		}
	}
	for _, value := range c.values[lineFirstError:] {
		if len(stringOf(value)) > len(`""`) {
			return true
		}
	}
	otel := c.values[lineOtel]
	if jsonline.KindOf(otel) == jsonline.Object && string(c.values[lineFailed]) == "true" {
		return true
	}
	if jsonline.KindOf(otel) != jsonline.Object || otelKeys.Scan(otel, c.severity[:]) != nil ||
		jsonline.KindOf(c.severity[0]) != jsonline.NumberValue {
		return false
	}
	return jsonline.ParseNumber(c.severity[0]).Int >= severityError
}

// failure is one kind of them.
type failure struct {
	failureKey
	count int64
	last  time.Time
}

type failureKey struct{ event, reason string }

// failure returns the kind of failure that the current line tells of.
func (c *collector) failure(event []byte, t time.Time) *failure {
	reason := stringOf(c.values[lineReason])
	for _, value := range c.values[lineFirstError:] {
		if len(reason) <= len(`""`) {
			reason = stringOf(value)
		}
	}
	key := failureKey{event: clipped(jsonline.AppendUnquoted(nil, event)), reason: clipped(jsonline.AppendUnquoted(nil, reason))}
	f := c.failures[key]
	if f == nil && len(c.failures) >= maxFailures {
		key = failureKey{reason: "other reasons than the first 1,000"}
		f = c.failures[key]
	}
	if f == nil {
		f = &failure{failureKey: key}
		c.failures[key] = f
	}
	if t.After(f.last) {
		f.last = t
	}
	return f
}

// topFailures returns the kinds of failures, the most frequent first.
func (c *collector) topFailures() []*failure {
	list := make([]*failure, 0, len(c.failures))
	for _, f := range c.failures {
		if f.count > 0 {
			list = append(list, f)
		}
	}
	slices.SortFunc(list, func(a, b *failure) int {
		return cmp.Or(cmp.Compare(b.count, a.count), cmp.Compare(a.event, b.event), cmp.Compare(a.reason, b.reason))
	})
	return list
}

// stringOf returns a raw value if it is a string, else nil.
func stringOf(value []byte) []byte {
	if jsonline.KindOf(value) != jsonline.String {
		return nil
	}
	return value
}

// milliseconds returns a raw duration, -1 if it is none.
func milliseconds(value []byte) int64 {
	if jsonline.KindOf(value) != jsonline.NumberValue {
		return -1
	}
	n := jsonline.ParseNumber(value)
	if n.Kind != jsonline.Int || n.Int < 0 || n.Int >= jsonline.MaxExactInt {
		return -1
	}
	return n.Int
}

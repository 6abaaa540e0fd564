package exporter

import (
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelaudit/otelaudit/auditlog"
)

const (
	// spansPerTrace is how many spans there is room for, for each trace.
	spansPerTrace = 64
	// maxAncestors is how many spans outside of a request are looked at for a session.
	maxAncestors = 256
	// maxKnownSession and maxKnownName are the most bytes that are remembered of a
	// peer's texts. A longer session is not remembered; a longer name is cut.
	maxKnownSession = 256
	maxKnownName    = 128
	// maxOwed is how many span records may wait for the next write.
	maxOwed = maxAnnounced
	// manySpans is up to how many spans of a program's trace are remembered; then the
	// older half of those that ended is forgotten.
	manySpans = 4096
	// fewSpans is up to how many spans of a trace are found without an index.
	fewSpans = 16
)

// spanMemory holds the spans of recent traces: their parents, the sessions that
// they name, and what a span record says. It is bounded by the number of traces and
// of spans, and safe for concurrent use. FORMAT.md section 5 says what it is for.
type spanMemory struct {
	active atomic.Bool // a span was added

	mu     sync.Mutex
	limit  int // traces; 0 until a span processor says it
	traces map[trace.TraceID]*traceSpans
	// recent is the ring of traces; next of it is the one that was used last.
	recent traceSpans
	spans  int         // of all traces
	free   *traceSpans // one that was let go of, for the next
	owed   []spanRecord
	pass   uint32 // of the last search
}

// traceSpans are the known spans of a trace.
type traceSpans struct {
	id         trace.TraceID
	list       []knownSpan
	index      map[trace.SpanID]int32 // nil for a few spans
	pins       int                    // batches that are being made
	batch      uint32                 // the last one that has spans of it
	prev, next *traceSpans
}

// knownSpan is what is known of a span.
type knownSpan struct {
	id, parent trace.SpanID
	state      spanState
	pass       uint32 // of the last search that came by
	batch      uint32 // of the batch that it came in
	// session is what it names, or, if it does not, what an ancestor names.
	session string
	live    sdktrace.ReadOnlySpan // as long as it has not ended; nil in a collector
	record  spanRecord
}

// spanRecord is what the record of a span says.
type spanRecord struct {
	trace        trace.TraceID
	span, parent trace.SpanID
	flags        trace.TraceFlags
	name         string
	end          time.Time
	duration     time.Duration // negative: not known
	session      string        // "": none is known
	sender       string        // the default session
	remote       bool          // the parent is of another process
}

// spanState are bits.
type spanState uint8

const (
	spanTaken     spanState = 1 << iota // it started, or was received; else only its children are known
	spanCame                            // it ended, and its line was written if it has one
	spanNames                           // its own attributes name its session
	spanLine                            // it has a line of its own
	spanBelow                           // a line is below it
	spanRecorded                        // its record was written, or is owed
	spanAmbiguous                       // spans of this id contradict each other
	spanRemote                          // its parent is of another process, and is not looked up
)

// memories has the memory of each log: the exporter of log records and the span
// processor are made apart, and have nothing but their log in common.
var memories = struct {
	mu    sync.Mutex
	byLog map[weak.Pointer[auditlog.Log]]*spanMemory
}{byLog: make(map[weak.Pointer[auditlog.Log]]*spanMemory)}

func memoryOf(log *auditlog.Log) *spanMemory {
	key := weak.Make(log)
	memories.mu.Lock()
	defer memories.mu.Unlock()
	m := memories.byLog[key]
	if m == nil {
		m = &spanMemory{traces: make(map[trace.TraceID]*traceSpans)}
		m.recent.prev, m.recent.next = &m.recent, &m.recent
		memories.byLog[key] = m
		runtime.AddCleanup(log, func(key weak.Pointer[auditlog.Log]) {
			memories.mu.Lock()
			defer memories.mu.Unlock()
			delete(memories.byLog, key)
		}, key)
	}
	return m
}

// allow has m hold at least so many traces.
func (m *spanMemory) allow(traces int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.limit = max(m.limit, traces)
}

// touch returns the trace of that id, as the one that was used last.
func (m *spanMemory) touch(id trace.TraceID) *traceSpans {
	t := m.traces[id]
	switch {
	case t != nil:
		t.unlink()
	case m.free != nil:
		t, m.free = m.free, nil
		t.id, m.traces[id] = id, t
	default:
		t = &traceSpans{id: id}
		m.traces[id] = t
	}
	t.prev, t.next = &m.recent, m.recent.next
	t.prev.next, t.next.prev = t, t
	return t
}

func (t *traceSpans) unlink() { t.prev.next, t.next.prev = t.next, t.prev }

// find returns a span of the trace, nil if it is not known. It is valid until the
// next one is added.
func (t *traceSpans) find(id trace.SpanID) *knownSpan {
	if t.index != nil {
		if i, ok := t.index[id]; ok {
			return &t.list[i]
		}
		return nil
	}
	for i := range t.list {
		if t.list[i].id == id {
			return &t.list[i]
		}
	}
	return nil
}

// span returns a span of t, which is added if it is not known.
func (m *spanMemory) span(t *traceSpans, id trace.SpanID) *knownSpan {
	if s := t.find(id); s != nil {
		return s
	}
	m.spans++
	t.list = append(t.list, knownSpan{id: id})
	if t.index != nil {
		t.index[id] = int32(len(t.list) - 1) //nolint:gosec // as in makeIndex
	} else {
		t.makeIndex()
	}
	return &t.list[len(t.list)-1]
}

// evict lets go of the traces that were used longest ago, until the others are few
// enough.
func (m *spanMemory) evict() {
	for t := m.recent.prev; t != &m.recent && (len(m.traces) > m.limit || m.spans > m.limit*spansPerTrace); {
		old := t
		t = t.prev
		if old.pins > 0 {
			continue
		}
		if old == m.recent.next && m.limit > 0 {
			m.compact(old, m.limit*spansPerTrace/2)
			return
		}
		old.unlink()
		delete(m.traces, old.id)
		m.spans -= len(old.list)
		if cap(old.list) <= spansPerTrace {
			clear(old.list)
			*old = traceSpans{list: old.list[:0]}
			m.free = old
		}
	}
}

// compact forgets all spans of a trace but so many, those that ended and those that
// are older first.
func (m *spanMemory) compact(t *traceSpans, keep int) {
	// What begins at these places is kept.
	live, ended := len(t.list), len(t.list)
	count := func(of bool, from *int, most int) (n int) {
		for i := len(t.list) - 1; i >= 0 && n < most; i-- {
			if (t.list[i].live != nil) == of {
				*from = i
				n++
			}
		}
		return n
	}
	count(false, &ended, keep-count(true, &live, keep))
	kept := t.list[:0]
	for i := range t.list {
		if s := &t.list[i]; s.live != nil && i >= live || s.live == nil && i >= ended {
			kept = append(kept, *s)
		}
	}
	m.spans -= len(t.list) - len(kept)
	clear(t.list[len(kept):])
	t.list = kept
	t.makeIndex()
}

// makeIndex makes the index of a trace that needs one.
func (t *traceSpans) makeIndex() {
	switch {
	case len(t.list) <= fewSpans:
		t.index = nil
		return
	case t.index == nil:
		t.index = make(map[trace.SpanID]int32, 2*len(t.list))
	default:
		clear(t.index)
	}
	for i := range t.list {
		t.index[t.list[i].id] = int32(i) //nolint:gosec // bounded by the size of a request
	}
}

// newPass returns a number that no search or batch had before.
func (m *spanMemory) newPass() uint32 {
	if m.pass++; m.pass == 0 {
		m.pass = 1
	}
	return m.pass
}

// spanNews is what is said of a span that starts or ends, or that a request holds.
type spanNews struct {
	key     spanKey
	parent  trace.SpanID
	remote  bool   // its parent is of another process
	session string // that it has, "" if it has none
	names   bool   // its own attributes name the session
	known   bool   // its ancestors are known to say the same
}

// take takes in a span. batch is 0 outside of a batch.
func (m *spanMemory) take(t *traceSpans, of *spanNews, batch uint32) {
	s := m.span(t, of.key.span)
	s.batch = batch
	session := of.session
	if len(session) > maxKnownSession {
		session = ""
	}
	if s.state&spanTaken != 0 && s.live == nil {
		if s.parent != of.parent || session != "" && s.state&spanNames != 0 && session != s.session {
			s.state |= spanAmbiguous
			s.session = ""
		}
		if s.state&spanAmbiguous != 0 {
			return
		}
	}
	s.parent = of.parent
	s.state |= spanTaken
	if of.remote {
		s.state |= spanRemote
	}
	if session != "" {
		s.session = t.text(session, s)
		if of.names {
			s.state |= spanNames
		}
	}
}

// text returns a copy of a session: what a peer sent is not to be held by it. Spans
// that follow each other mostly have the same one.
func (t *traceSpans) text(session string, s *knownSpan) string {
	if s.session == session {
		return s.session
	}
	for i := len(t.list) - 1; i >= 0 && i >= len(t.list)-fewSpans; i-- {
		if t.list[i].session == session {
			return t.list[i].session
		}
	}
	return strings.Clone(session)
}

// resolve returns the session of the nearest span that names one, from the span of
// that id upwards, "" if none does. pass is of the search: what it has come by is not
// looked at twice. batch is the one that the search is for.
func (t *traceSpans) resolve(id trace.SpanID, pass, batch uint32) string {
	session, outside := "", 0
	top := id
	for {
		s := t.find(top)
		if s == nil || s.state&spanAmbiguous != 0 || s.session == "" && s.pass == pass {
			break
		}
		if session = s.session; session != "" {
			break
		}
		if batch == 0 || s.batch != batch {
			if outside++; outside > maxAncestors {
				break
			}
		}
		s.pass = pass
		if s.state&spanRemote != 0 {
			break
		}
		top = s.parent
	}
	if session == "" {
		return ""
	}
	for id != top { // the answer is final: all spans up to the one that names it are known
		s := t.find(id)
		if s.live == nil {
			s.session = session
		}
		id = s.parent
	}
	return session
}

// mark says that a line is below the span of that id. Spans that so need a record
// are owed one. A span that is not known is remembered as one, if add is set.
func (m *spanMemory) mark(t *traceSpans, id trace.SpanID, add bool) {
	for id.IsValid() {
		s := t.find(id)
		if s == nil {
			if !add {
				return
			}
			s = m.span(t, id)
		}
		if s.state&spanBelow != 0 {
			return
		}
		s.state |= spanBelow
		if s.state&spanCame != 0 {
			m.owe(t, s)
		}
		if s.state&spanRemote != 0 {
			return
		}
		id = s.parent
	}
}

// settle says what became of a span that take took in: it has a line, or a record
// could be made of it.
func (m *spanMemory) settle(t *traceSpans, of *spanNews, line bool, record *spanRecord) {
	s := t.find(of.key.span)
	if s == nil {
		return // it was evicted
	}
	s.live = nil
	s.state |= spanCame
	if line {
		s.state |= spanLine
		s.record = spanRecord{}
	} else if s.state&(spanLine|spanRecorded) == 0 {
		s.record = *record
		s.record.name = strings.Clone(cut(record.name))
		if s.state&spanBelow != 0 || s.state&spanNames != 0 && s.session != "" && !of.known && m.isNews(t, s) {
			m.owe(t, s)
		}
	}
	if s.state&(spanLine|spanBelow) != 0 && s.state&spanRemote == 0 {
		m.mark(t, s.parent, true)
	}
}

// cut cuts a name, between characters.
func cut(name string) string {
	if len(name) <= maxKnownName {
		return name
	}
	return strings.ToValidUTF8(name[:maxKnownName], "")
}

// isNews reports whether the session of s is not what its ancestors say.
func (m *spanMemory) isNews(t *traceSpans, s *knownSpan) bool {
	return s.state&spanRemote != 0 || t.resolve(s.parent, m.newPass(), 0) != s.session
}

// owe has the record of a span written with the next write, unless it has a line or
// a record.
func (m *spanMemory) owe(t *traceSpans, s *knownSpan) {
	if s.state&(spanLine|spanRecorded) != 0 || len(m.owed) >= maxOwed {
		return
	}
	s.state |= spanRecorded
	r := s.record
	r.trace, r.span, r.remote = t.id, s.id, s.state&spanRemote != 0
	if r.session = s.session; r.session == "" && s.state&(spanAmbiguous|spanRemote) == 0 {
		r.session = t.resolve(s.parent, m.newPass(), 0)
	}
	s.record = spanRecord{}
	m.owed = append(m.owed, r)
}

// takeOwed appends the records that are to be written to list. Who cannot write them
// gives them back.
func (m *spanMemory) takeOwed(list []spanRecord) []spanRecord {
	list = append(list, m.owed...)
	clear(m.owed)
	m.owed = m.owed[:0]
	if cap(m.owed) > fewSpans*spansPerTrace {
		m.owed = nil
	}
	return list
}

// giveBack has records that were not written wait again.
func (m *spanMemory) giveBack(list []spanRecord) {
	if len(list) == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.owed = append(m.owed, list[:min(len(list), max(maxOwed-len(m.owed), 0))]...)
}

// has reports whether there is a span to look for.
func (m *spanMemory) has(key spanKey) bool {
	return m.active.Load() && key.isValid()
}

// look returns what a search of the SDK needs of a span.
func (m *spanMemory) look(key spanKey) (session string, live sdktrace.ReadOnlySpan, parent trace.SpanID, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.traces[key.trace]
	if t == nil {
		return "", nil, parent, false
	}
	s := t.find(key.span)
	if s == nil || s.state&spanAmbiguous != 0 {
		return "", nil, parent, false
	}
	if s.state&spanRemote == 0 {
		parent = s.parent
	}
	return s.session, s.live, parent, true
}

// begin takes in a span that starts.
func (m *spanMemory) begin(of *spanNews, live sdktrace.ReadOnlySpan) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.limit == 0 {
		return
	}
	m.active.Store(true)
	t := m.touch(of.key.trace)
	if len(t.list) >= manySpans && t.pins == 0 {
		m.compact(t, manySpans/2)
	}
	m.take(t, of, 0)
	t.find(of.key.span).live = live
	m.evict()
}

// end takes in what became of a span, and returns the records that are due.
func (m *spanMemory) end(of *spanNews, line bool, record *spanRecord) []spanRecord {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.traces[of.key.trace]
	if t == nil || t.find(of.key.span) == nil {
		if m.limit == 0 {
			return nil
		}
		// It was evicted while it ran.
		m.active.Store(true)
		t = m.touch(of.key.trace)
		defer m.evict()
	}
	m.take(t, of, 0)
	m.settle(t, of, line, record)
	if len(m.owed) == 0 {
		return nil
	}
	return m.takeOwed(nil)
}

// batchSpan is a span of a request.
type batchSpan struct {
	spanNews

	settled  bool
	line     bool
	record   spanRecord
	ancestor string // the session of its nearest ancestor that names one
}

// announce takes in the spans of a request, and sets what their ancestors say. It
// returns the traces, which stay until settleAll.
func (m *spanMemory) announce(spans []batchSpan) (traces []*traceSpans) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.active.Store(true)
	batch := m.newPass()
	var t *traceSpans
	for i := range spans {
		s := &spans[i]
		if !s.key.isValid() {
			continue
		}
		if t == nil || t.id != s.key.trace {
			if t = m.touch(s.key.trace); t.batch != batch {
				t.batch = batch
				t.pins++
				traces = append(traces, t)
			}
		}
		m.take(t, &s.spanNews, batch)
	}
	pass := m.newPass()
	for i := range spans {
		s := &spans[i]
		if s.session != "" || !s.key.isValid() || !s.parent.IsValid() {
			continue
		}
		if t.id != s.key.trace {
			t = m.traces[s.key.trace]
		}
		s.ancestor = t.resolve(s.parent, pass, batch)
	}
	return traces
}

// settleAll says what became of the spans of a request. It appends the records that
// are due to list.
func (m *spanMemory) settleAll(spans []batchSpan, traces []*traceSpans, list []spanRecord) []spanRecord {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range spans {
		if s := &spans[i]; s.settled {
			m.settle(m.traces[s.key.trace], &s.spanNews, s.line, &s.record)
		}
	}
	for _, t := range traces {
		t.pins--
	}
	m.evict()
	return m.takeOwed(list)
}

// markLine says that there is the line of a call in a span that is known.
func (m *spanMemory) markLine(key spanKey) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if t := m.traces[key.trace]; t != nil {
		m.mark(t, key.span, false)
	}
}

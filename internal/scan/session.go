package scan

import (
	"bytes"
	"sync"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// Sessions finds out the sessions of lines whose session_id is a default: otel.derived has
// session_default. Such a line has the session of the nearest span above it that names one.
// Without one it has the session that all lines of its trace name that name any.
//
// Memory has a bound: Sessions knows the traces and the spans that it took last.
// The methods may be called by several goroutines at once.
type Sessions struct {
	mu     sync.Mutex
	traces recent[string]
	spans  recent[spanSession]
	epoch  int // changes with each span that is taken
}

// spanSession is what lines say of a span.
type spanSession struct {
	parent  uint64 // key of its parent, 0: none
	session string // raw; "" if it names none
	// above is the answer of a search from here, if epoch is that of Sessions.
	above string
	epoch int
}

// ambiguous stands for the session of a trace or span of which lines name several.
const ambiguous = "?"

const (
	// Traces and spans are kept in two halves, of at most that many entries and bytes of
	// sessions. The older half is forgotten when the newer one is full.
	maxRecent      = 1 << 18
	maxRecentBytes = 32 << 20
	// A longer session, in bytes, completes no line.
	maxSession = 256
)

// HasDefaultSession reports whether the session of a line is a default, which names none.
func (f *Fields) HasDefaultSession() bool { return f.derives(sessionDefault) }

// named returns the raw session that a line names, nil if it names none. Equal sessions
// are equal texts.
func (f *Fields) named() []byte {
	session := f[FieldSession]
	if jsonline.KindOf(session) != jsonline.String || len(session) <= len(`""`) || f.HasDefaultSession() {
		return nil
	}
	if bytes.IndexByte(session, '\\') >= 0 {
		session = jsonline.AppendString(nil, jsonline.Unquote(session))
	}
	return session
}

// spanKey returns the key of a span of a trace, 0 without one.
func spanKey(trace, span []byte) uint64 {
	t, s := HashString(trace), HashString(span)
	if t == 0 || s == 0 {
		return 0
	}
	return max(Mix(t, s), 1)
}

// SpanKey returns a hash of the trace and the span of a line, 0 if one is missing.
func (f *Fields) SpanKey() uint64 { return spanKey(f[FieldTraceID], f[FieldSpanID]) }

// ParentKey is SpanKey of the parent of the span that the line was made of.
func (f *Fields) ParentKey() uint64 {
	if f[FieldSpanMade] == nil {
		return 0
	}
	return spanKey(f[FieldTraceID], f[FieldParentID])
}

// Named is what a line says of the session of its trace. The zero value says nothing.
type Named struct {
	Trace   uint64 // hash
	session string // raw, "" if the line names none
}

// NamedBy returns what the line says of the session of its trace.
func (f *Fields) NamedBy() (n Named, ok bool) {
	if n.Trace = HashString(f[FieldTraceID]); n.Trace == 0 {
		return Named{}, false
	}
	session := f.named()
	if session == nil {
		return Named{}, false
	}
	n.session = ambiguous
	if len(session) <= maxSession {
		n.session = string(session)
	}
	return n, true
}

// TakeTrace takes what a line says of its trace. It reports whether the trace has several
// sessions.
func (s *Sessions) TakeTrace(n Named) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.traces.get(n.Trace); ok && known != n.session {
		n.session = ambiguous
	}
	s.traces.put(n.Trace, n.session, len(n.session))
	return n.session == ambiguous
}

// SpanNode is what a line says of its span.
type SpanNode struct {
	Trace       uint64 // hash
	key, parent uint64
	session     string
}

// Node returns what a line that was made of a span says of it.
func (f *Fields) Node() (n SpanNode, ok bool) {
	if f[FieldSpanMade] == nil {
		return SpanNode{}, false
	}
	n = SpanNode{Trace: HashString(f[FieldTraceID]), key: f.SpanKey(), parent: f.ParentKey()}
	if n.key == 0 {
		return SpanNode{}, false
	}
	if session := f.named(); len(session) > maxSession {
		n.session = ambiguous
	} else {
		n.session = string(session)
	}
	return n, true
}

// TakeSpan takes what a line says of its span.
func (s *Sessions) TakeSpan(n SpanNode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.spans.get(n.key)
	switch {
	case !ok:
		known = spanSession{parent: n.parent, session: n.session}
	case known.session == "":
		known.session = n.session
	case n.session != "" && known.session != n.session:
		known.session = ambiguous
	}
	if known.parent != n.parent && n.parent != 0 {
		if known.parent != 0 {
			known.session = ambiguous // two spans of one id
		}
		known.parent = n.parent
	}
	s.epoch++
	s.spans.put(n.key, known, len(known.session))
}

// Take takes what a line says of its trace and of its span.
func (s *Sessions) Take(f *Fields) {
	if n, ok := f.NamedBy(); ok {
		s.TakeTrace(n)
	}
	if n, ok := f.Node(); ok {
		s.TakeSpan(n)
	}
}

// IsAmbiguous reports whether lines of the trace of f name several sessions. The spans of
// other traces are not needed.
func (s *Sessions) IsAmbiguous(f *Fields) bool {
	trace := HashString(f[FieldTraceID])
	if trace == 0 {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	session, ok := s.traces.get(trace)
	return ok && session == ambiguous
}

// Place is where the search for a session begins.
type Place struct {
	Trace uint64 // hash
	span  uint64
}

// Place returns the place of a line.
func (f *Fields) Place() Place {
	p := Place{Trace: HashString(f[FieldTraceID])}
	if f[FieldSpanMade] != nil {
		p.span = f.ParentKey()
	} else {
		p.span = f.SpanKey()
	}
	return p
}

// Find returns the raw session of a line whose own one is a default, "" if none is known.
func (s *Sessions) Find(p Place) string {
	if p.Trace == 0 {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	session, _ := s.traces.get(p.Trace)
	if session != ambiguous {
		return session // the spans name no other one
	}
	return s.above(p.span)
}

// above returns the session of the nearest span from key on that names one. What it finds
// is kept at each span on the way, so that a chain is walked once.
func (s *Sessions) above(key uint64) (session string) {
	var way []uint64
	for key != 0 {
		span, ok := s.spans.get(key)
		if !ok {
			break
		}
		if span.epoch == s.epoch {
			session = span.above // also within a cycle, where it is ""
			break
		}
		if span.session != "" {
			session = span.session
			break
		}
		span.epoch, span.above = s.epoch, ""
		s.spans.put(key, span, len(span.session))
		way = append(way, key)
		key = span.parent
	}
	if session == ambiguous {
		session = ""
	}
	if session != "" {
		for _, key := range way {
			if span, ok := s.spans.get(key); ok {
				span.above = session
				s.spans.put(key, span, len(span.session))
			}
		}
	}
	return session
}

// Complete replaces the session of f by the one that Find finds.
func (s *Sessions) Complete(f *Fields) {
	if session := s.Find(f.Place()); session != "" {
		f[FieldSession] = []byte(session)
		f[FieldCompleted] = f[FieldSession]
	}
}

// recent is a map that forgets what was put longest ago. The zero value is empty.
type recent[V any] struct {
	newer, older map[uint64]V
	bytes        int // of text in newer
}

func (r *recent[V]) get(key uint64) (V, bool) {
	if v, ok := r.newer[key]; ok {
		return v, true
	}
	v, ok := r.older[key]
	return v, ok
}

// put sets the value of key, which holds so many bytes of text.
func (r *recent[V]) put(key uint64, v V, text int) {
	if _, ok := r.newer[key]; !ok {
		if r.newer == nil || len(r.newer) >= maxRecent || r.bytes >= maxRecentBytes {
			r.newer, r.older, r.bytes = make(map[uint64]V), r.newer, 0
		}
		r.bytes += text
	}
	r.newer[key] = v
}

package spend

import "github.com/otelaudit/otelaudit/internal/scan"

// maxPendingEvents is the number of events of which a Running waits to learn the session.
const maxPendingEvents = 1 << 14

// pending are the events of a Running whose session is a default that another line may
// complete: an agent's span, which names the session, ends after the calls within it. An
// event counts once its trace names the session of the Running. A second session that the
// trace names later takes nothing back: a budget stays on the safe side.
type pending struct {
	sessions scan.Sessions
	byTrace  map[uint64][]*pendingEvent
	queue    []*pendingEvent // a ring, oldest at next once it is full
	next     int
}

// pendingEvent is an event with a default session.
type pendingEvent struct {
	counted

	place   scan.Place
	decided bool // whether it counts
}

// sessionFacts is what the lines of a part say of sessions.
type sessionFacts struct {
	named   []scan.Named
	nodes   []scan.SpanNode
	pending []*pendingEvent
}

// take takes what a line says of the sessions of its trace.
func (s *sessionFacts) take(f *scan.Fields) {
	if n, ok := f.NamedBy(); ok {
		s.named = append(s.named, n)
	}
	if n, ok := f.Node(); ok {
		s.nodes = append(s.nodes, n)
	}
}

// full reports whether s holds as much as a part may.
func (s *sessionFacts) full() bool {
	return len(s.named)+len(s.nodes)+len(s.pending) >= scan.MaxMatches
}

// take takes the facts of the next part, and returns the events that are of the session, as
// far as that is news.
func (p *pending) take(facts *sessionFacts, session string) (found []*pendingEvent) {
	traces := make(map[uint64]bool)
	for _, n := range facts.named {
		p.sessions.TakeTrace(n)
		traces[n.Trace] = true
	}
	for _, n := range facts.nodes {
		p.sessions.TakeSpan(n)
		traces[n.Trace] = true
	}
	for _, e := range facts.pending {
		p.add(e)
		traces[e.place.Trace] = true
	}
	for trace := range traces {
		left := p.byTrace[trace][:0]
		for _, e := range p.byTrace[trace] {
			named := p.sessions.Find(e.place)
			if named == "" {
				left = append(left, e)
				continue
			}
			e.decided = true
			if scan.IsString([]byte(named), session) {
				found = append(found, e)
			}
		}
		if len(left) == 0 {
			delete(p.byTrace, trace)
		} else {
			p.byTrace[trace] = left
		}
	}
	return found
}

func (p *pending) add(e *pendingEvent) {
	if p.byTrace == nil {
		p.byTrace = make(map[uint64][]*pendingEvent)
	}
	p.byTrace[e.place.Trace] = append(p.byTrace[e.place.Trace], e)
	if len(p.queue) < maxPendingEvents {
		p.queue = append(p.queue, e)
		return
	}
	oldest := p.queue[p.next]
	p.queue[p.next] = e
	p.next = (p.next + 1) % maxPendingEvents
	if oldest.decided {
		return
	}
	trace := oldest.place.Trace
	if left := p.byTrace[trace][1:]; len(left) == 0 { // the oldest one is the first
		delete(p.byTrace, trace)
	} else {
		p.byTrace[trace] = left
	}
}

package auditlog

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// Filter says which events a read is about. The zero value is all of them.
type Filter struct {
	// Since is the first instant, Until the first one that is too late; zero
	// means no bound. Instants are compared, whatever zone they are said in.
	// With a bound, events without a valid ts are left out.
	Since, Until time.Time
	// Event, Session, Model and TraceID are compared with the line's event,
	// session_id, model and trace_id, the last one whatever its case. Empty
	// means any.
	Event, Session, Model, TraceID string
	// OnDamage is called for each damaged line, in order, from the goroutine
	// that reads. nil means that damage is logged as warnings, by the logger of
	// WithLogger.
	OnDamage func(*DamageError)
}

// Query yields the events that match filter, in the order in which they were
// written: archives first, then the active file. It sees the log as it is
// when the iteration begins. Damage ends nothing; the errors are those of I/O
// and of ctx, and each ends the sequence.
func (r *Reader) Query(ctx context.Context, filter Filter) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		more := true
		err := r.scan(ctx, filter, func(s *fileScan) bool {
			more = yield(s.Entry, nil)
			return more
		})
		if err != nil && more {
			yield(Entry{}, err)
		}
	}
}

// scan calls visit for each event that matches filter until it returns false.
func (r *Reader) scan(ctx context.Context, filter Filter, visit func(*fileScan) bool) (err error) {
	snapshot, err := r.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	m := newMatcher(filter)
	more := true
	for _, f := range snapshot.Files() {
		err := f.scan(ctx, Cursor{}, filter.OnDamage, func(s *fileScan) bool {
			if m.matches(&s.fields) {
				more = visit(s)
			}
			return more
		})
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// LastEvents returns the last n events, oldest first; with an event name, the
// last n of that name. Archives are opened only as far back as it takes.
func (r *Reader) LastEvents(ctx context.Context, n int, event string) (_ []Entry, err error) {
	snapshot, err := r.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	var newestFirst []Entry
	m := newMatcher(Filter{Event: event})
	for _, f := range slices.Backward(snapshot.Files()) {
		last := ring{room: n - len(newestFirst)}
		if last.room <= 0 {
			break
		}
		err := f.scan(ctx, Cursor{}, nil, func(s *fileScan) bool {
			if m.matches(&s.fields) {
				last.add(s.Entry)
			}
			return true
		})
		if err != nil {
			return nil, err
		}
		newestFirst = last.appendNewestFirst(newestFirst)
	}
	slices.Reverse(newestFirst)
	return newestFirst, nil
}

// ring keeps the last entries that were added to it. It uses the memory of
// those that it lets go of again.
type ring struct {
	room    int
	entries []Entry
	oldest  int
}

func (r *ring) add(e Entry) {
	if len(r.entries) < r.room {
		r.entries = append(r.entries, e.Clone())
		return
	}
	slot := &r.entries[r.oldest]
	e.Raw = append(slot.Raw[:0], e.Raw...)
	*slot = e
	r.oldest = (r.oldest + 1) % len(r.entries)
}

func (r *ring) appendNewestFirst(dst []Entry) []Entry {
	for i := range r.entries {
		dst = append(dst, r.entries[(r.oldest+len(r.entries)-1-i)%len(r.entries)])
	}
	return dst
}

// matcher is a Filter made ready for many lines.
type matcher struct {
	Filter
	timed   bool
	traceID []byte // quoted
}

func newMatcher(filter Filter) *matcher {
	m := &matcher{Filter: filter, timed: !filter.Since.IsZero() || !filter.Until.IsZero()}
	if filter.TraceID != "" {
		m.traceID = jsonline.AppendString(nil, filter.TraceID)
	}
	return m
}

func (m *matcher) matches(f *fields) bool {
	if m.Event != "" && !isString(f.event, m.Event) ||
		m.Session != "" && !isString(f.session, m.Session) ||
		m.Model != "" && !isString(f.model, m.Model) ||
		m.TraceID != "" && !bytes.EqualFold(f.traceID, m.traceID) {
		return false
	}
	if !m.timed {
		return true
	}
	t, ok := parseTimeLiteral(f.ts)
	return ok && (m.Since.IsZero() || !t.Before(m.Since)) && (m.Until.IsZero() || t.Before(m.Until))
}

func isString(value []byte, s string) bool {
	return jsonline.KindOf(value) == jsonline.String && jsonline.KeyIs(value, s)
}

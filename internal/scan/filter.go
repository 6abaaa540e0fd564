package scan

import (
	"bytes"
	"strings"
	"sync/atomic"
	"time"

	"github.com/otelaudit/otelaudit/internal/archive"
	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// Filter selects the events of a read. The zero value selects all.
type Filter struct {
	// Since is the first instant, Until the first one that is too late; zero
	// means no bound. Events without a readable ts match no bound.
	Since, Until time.Time
	// Event, Session, Model and TraceID are compared with the strings of the line's
	// event, session_id, model and trace_id, after escapes; TraceID in any case. Empty
	// means any.
	Event, Session, Model, TraceID string
	// OnDamage is called for each damaged line, in order, from the goroutine that
	// reads. nil: Source.LogDamage.
	OnDamage func(*DamageError)
}

// Bounds of what a part holds.
const (
	MaxMatches    = 256
	MaxMatchBytes = 256 << 10
	MaxUIDs       = 1 << 15
)

// DamageList is the damage of a part that holds no events.
type DamageList []*DamageError

// Damaged adds damage.
func (l *DamageList) Damaged(d *DamageError) { *l = append(*l, d) }

// Full reports whether the list holds as much as a part may.
func (l *DamageList) Full() bool { return len(*l) >= MaxMatches }

// Report calls onDamage with each damage, after it added linesBefore to the line number.
func (l *DamageList) Report(onDamage func(*DamageError), linesBefore int64) {
	for _, d := range *l {
		d.Line += linesBefore
		onDamage(d)
	}
}

// Matcher is a Filter that is prepared for many lines.
type Matcher struct {
	Filter
	Timed   bool
	traceID []byte // quoted
	// InSkipped is the number of events without a readable ts in the archives that
	// the last scan skipped. Told is set once that number was logged.
	InSkipped atomic.Int64
	Told      bool
	// Sessions says that the caller uses the session of what matches, also if the filter
	// names none. Complete, if not nil, completes the session of a line whose session is a
	// default. It is called by several goroutines at once.
	Sessions bool
	Complete func(*Fields)
}

// NeedsSessions reports whether the sessions of lines have to be complete.
func (m *Matcher) NeedsSessions() bool { return m.Sessions || m.Session != "" }

// NewMatcher prepares a filter.
func NewMatcher(filter Filter) *Matcher {
	m := &Matcher{Filter: filter, Timed: !filter.Since.IsZero() || !filter.Until.IsZero()}
	if filter.TraceID != "" {
		m.traceID = jsonline.AppendString(nil, filter.TraceID)
	}
	return m
}

// Matches reports whether f matches, and whether only its ts, which is not readable,
// keeps it from matching. It completes the session of f.
func (m *Matcher) Matches(f *Fields) (matches, untimed bool) {
	if m.Event != "" && !IsString(f[FieldEvent], m.Event) ||
		m.Model != "" && !IsString(f[FieldModel], m.Model) ||
		m.TraceID != "" && !m.isTrace(f[FieldTraceID]) {
		return false, false
	}
	timed := true
	if m.Timed {
		var t time.Time
		t, timed = jsonline.ParseTime(f[FieldTime])
		if timed && (!m.Since.IsZero() && t.Before(m.Since) || !m.Until.IsZero() && !t.Before(m.Until)) {
			return false, false
		}
	}
	if m.Complete != nil && f.HasDefaultSession() {
		m.Complete(f)
	}
	if m.Session != "" && !IsString(f[FieldSession], m.Session) {
		return false, false
	}
	return timed, !timed
}

// Selection is the matcher of a part. It counts events without a readable ts.
type Selection struct {
	*Matcher
	Untimed int64 // number of events without a readable ts
}

// Matches reports whether f matches.
func (s *Selection) Matches(f *Fields) bool {
	matches, untimed := s.Matcher.Matches(f)
	if untimed {
		s.Untimed++
	}
	return matches
}

// WithoutTime returns the number of events without a readable ts.
func (s *Selection) WithoutTime() int64 { return s.Untimed }

// Selective is a part with a Selection.
type Selective interface {
	Accumulator
	WithoutTime() int64
}

// Excludes reports whether no event of an archive matches, and its header says all that
// has to be reported of it. Damage in the archive has to be reported by reading it. So
// has the number of events without a readable ts, if the filter selects among them.
func (m *Matcher) Excludes(archive archive.Summary) bool {
	return m.Timed && archive.Damaged == 0 &&
		(archive.Untimed == 0 || m.Event == "" && m.Session == "" && m.Model == "" && m.TraceID == "") &&
		(!archive.Timed || !m.Since.IsZero() && archive.Newest.Before(m.Since) || !m.Until.IsZero() && !archive.Oldest.Before(m.Until))
}

// isTrace reports whether value is the filter's trace id, in any case.
func (m *Matcher) isTrace(value []byte) bool {
	if len(value) == len(m.traceID) && bytes.IndexByte(value, '\\') < 0 {
		return bytes.EqualFold(value, m.traceID)
	}
	return jsonline.KindOf(value) == jsonline.String && strings.EqualFold(jsonline.Unquote(value), m.TraceID)
}

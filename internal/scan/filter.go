package scan

import (
	"bytes"
	"strings"
	"sync/atomic"
	"time"

	"github.com/otelaudit/otelaudit/internal/archive"
	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// Filter says which events a read is about. The zero value is all of them.
type Filter struct {
	// Since is the first instant, Until the first one that is too late; zero
	// means no bound. Instants are compared, whatever zone they are said in.
	// With a bound, events without a readable ts are left out, and their number is
	// logged, as information.
	Since, Until time.Time
	// Event, Session, Model and TraceID are compared with the strings that the
	// line's event, session_id, model and trace_id stand for, whatever escapes the
	// line has; the last one in any case. A byte outside valid UTF-8 counts as
	// U+FFFD, as it is written. Empty means any.
	Event, Session, Model, TraceID string
	// OnDamage is called for each damaged line, in order, from the goroutine
	// that reads. nil means that damage is logged as warnings, by the logger of
	// WithLogger.
	OnDamage func(*DamageError)
}

const (
	// maxMatches and maxMatchBytes bound what Query finds ahead.
	MaxMatches    = 256
	MaxMatchBytes = 256 << 10
)

// damageList is the damage of a part that holds no events.
type DamageList []*DamageError

func (l *DamageList) Damaged(d *DamageError) { *l = append(*l, d) }

func (l *DamageList) Full() bool { return len(*l) >= MaxMatches }

func (l *DamageList) Report(onDamage func(*DamageError), linesBefore int64) {
	for _, d := range *l {
		d.Line += linesBefore
		onDamage(d)
	}
}

// matcher is a Filter made ready for many lines.
type Matcher struct {
	Filter
	Timed   bool
	traceID []byte // quoted
	// inSkipped is the number of events without a readable ts in the archives that
	// the last scan skipped, and told is set once they are logged.
	InSkipped atomic.Int64
	Told      bool
}

func NewMatcher(filter Filter) *Matcher {
	m := &Matcher{Filter: filter, Timed: !filter.Since.IsZero() || !filter.Until.IsZero()}
	if filter.TraceID != "" {
		m.traceID = jsonline.AppendString(nil, filter.TraceID)
	}
	return m
}

// matches reports whether f matches, and whether it does not because its ts is not
// readable.
func (m *Matcher) Matches(f *Fields) (matches, untimed bool) {
	if m.Event != "" && !IsString(f[FieldEvent], m.Event) ||
		m.Session != "" && !IsString(f[FieldSession], m.Session) ||
		m.Model != "" && !IsString(f[FieldModel], m.Model) ||
		m.TraceID != "" && !m.isTrace(f[FieldTraceID]) {
		return false, false
	}
	if !m.Timed {
		return true, false
	}
	t, ok := jsonline.ParseTime(f[FieldTime])
	return ok && (m.Since.IsZero() || !t.Before(m.Since)) && (m.Until.IsZero() || t.Before(m.Until)), !ok
}

// selection is a part's matcher.
type Selection struct {
	*Matcher
	Untimed int64 // number of events without a readable ts
}

func (s *Selection) Matches(f *Fields) bool {
	matches, untimed := s.Matcher.Matches(f)
	if untimed {
		s.Untimed++
	}
	return matches
}

func (s *Selection) WithoutTime() int64 { return s.Untimed }

// selective is a part with a selection.
type Selective interface {
	Accumulator
	WithoutTime() int64
}

// excludes reports whether no event of an archive matches, and nothing of it has to be
// reported that its header does not say: damage, or how many events without a readable
// ts match otherwise.
func (m *Matcher) Excludes(archive archive.Summary) bool {
	return m.Timed && archive.Damaged == 0 &&
		(archive.Untimed == 0 || m.Event == "" && m.Session == "" && m.Model == "" && m.TraceID == "") &&
		(!archive.Timed || !m.Since.IsZero() && archive.Newest.Before(m.Since) || !m.Until.IsZero() && !archive.Oldest.Before(m.Until))
}

// isTrace reports whether value is the trace id that is asked for, in any case.
func (m *Matcher) isTrace(value []byte) bool {
	if len(value) == len(m.traceID) && bytes.IndexByte(value, '\\') < 0 {
		return bytes.EqualFold(value, m.traceID)
	}
	return jsonline.KindOf(value) == jsonline.String && strings.EqualFold(jsonline.Unquote(value), m.TraceID)
}

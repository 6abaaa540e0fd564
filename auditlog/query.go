package auditlog

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"log/slog"
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
	// NoDedup makes Spend and Tally count every event, also where two of them tell
	// of one call of a model, or are one line that stands twice: see [Reader.Spend].
	// Other reads never leave events out.
	NoDedup bool
	// TimeZone is that of the hours, days, weeks and months by which Spend
	// groups; nil means UTC. No other read looks at it.
	TimeZone *time.Location
	// OnDamage is called for each damaged line, in order, from the goroutine
	// that reads. nil means that damage is logged as warnings, by the logger of
	// WithLogger.
	OnDamage func(*DamageError)
}

// Query yields the events that match filter, in the order in which they were
// written: archives first, then the active file. It sees the log as it is
// when the iteration begins. Damage ends nothing; the errors are those of I/O
// and of ctx, and each ends the sequence.
//
// It scans ahead of the iteration on all processors, by a few MiB of the log
// for each. With a bound of time it leaves out archives that
// cannot match and hold no damage, by what their headers say of them.
func (r *Reader) Query(ctx context.Context, filter Filter) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		m, more := newMatcher(filter), true
		newPart := func() *matches { return &matches{selection: selection{matcher: m}} }
		err := parallelScan(ctx, r, m, newPart, func(p *matches, onDamage func(*DamageError), linesBefore int64) bool {
			more = p.yield(yield, onDamage, linesBefore)
			return more
		})
		if err != nil && more {
			yield(Entry{}, err)
		}
	}
}

// gather scans the log for parts that hold what matches m, and calls deliver
// with each of them, in order, until it returns false. Parts tell onDamage of
// damage, with linesBefore added to its line number.
func parallelScan[P selective](ctx context.Context, r *Reader, m *matcher, newPart func() P,
	deliver func(p P, onDamage func(*DamageError), linesBefore int64) bool,
) (err error) {
	snapshot, err := r.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	return parallelScanFrom(ctx, r, snapshot, m, newPart, deliver)
}

// gatherFrom is gather from a snapshot.
func parallelScanFrom[P selective](ctx context.Context, r *Reader, snapshot *Snapshot, m *matcher, newPart func() P,
	deliver func(p P, onDamage func(*DamageError), linesBefore int64) bool,
) error {
	_, err := parallelScanLines(ctx, r, snapshot, m, newPart, deliver)
	return err
}

// gatherLines is gatherFrom and returns the number of lines in the last file.
func parallelScanLines[P selective](ctx context.Context, r *Reader, snapshot *Snapshot, m *matcher, newPart func() P,
	deliver func(p P, onDamage func(*DamageError), linesBefore int64) bool,
) (int64, error) {
	onDamage := r.onDamage(m.Filter)
	sections := snapshot.sections(r.sectionSize)
	m.inSkipped.Store(0)
	for i := range sections {
		sections[i].skip = func(archive archive.Summary) bool {
			skip := m.excludes(archive)
			if skip {
				m.inSkipped.Add(archive.Untimed)
			}
			return skip
		}
	}
	untimed := int64(0)
	lines, err := scanSections(ctx, sections, 0, newPart, func(p P, linesBefore int64) bool {
		untimed += p.withoutTime()
		return deliver(p, onDamage, linesBefore)
	})
	if untimed += m.inSkipped.Load(); untimed > 0 && !m.told {
		message := "auditlog: lines without a readable time"
		if m.timed {
			message += " were left out"
		}
		r.cfg.logger.Info(message, slog.Int64("lines", untimed))
	}
	return lines, err
}

// onDamage returns what to call for damage.
func (r *Reader) onDamage(filter Filter) func(*DamageError) {
	if filter.OnDamage != nil {
		return filter.OnDamage
	}
	return damageLogger{r.cfg.logger}.report
}

const (
	// maxMatches and maxMatchBytes bound what Query finds ahead.
	maxMatches    = 256
	maxMatchBytes = 256 << 10
)

// matches is the part of a Query.
type matches struct {
	selection
	entries []Entry // without Raw
	ends    []int   // of the entries' lines in raw
	raw     []byte
	damage  []placedDamage
}

// placedDamage is damage before an entry.
type placedDamage struct {
	*DamageError
	before int
}

func (p *matches) event(s *fileScan) {
	if p.matches(&s.fields) {
		p.add(s)
	}
}

func (p *matches) add(s *fileScan) {
	p.raw = append(p.raw, s.Raw...)
	p.ends = append(p.ends, len(p.raw))
	p.entries = append(p.entries, s.Entry)
	p.entries[len(p.entries)-1].Raw = nil
}

func (p *matches) damaged(d *DamageError) {
	p.damage = append(p.damage, placedDamage{d, len(p.entries)})
}

func (p *matches) full() bool {
	return len(p.entries)+len(p.damage) >= maxMatches || len(p.raw) >= maxMatchBytes
}

// yield reports false when the iteration is over.
func (p *matches) yield(yield func(Entry, error) bool, onDamage func(*DamageError), linesBefore int64) bool {
	damage, start := p.damage, 0
	for i, e := range p.entries {
		for ; len(damage) > 0 && damage[0].before <= i; damage = damage[1:] {
			damage[0].Line += linesBefore
			onDamage(damage[0].DamageError)
		}
		e.Line += linesBefore
		e.Raw = p.raw[start:p.ends[i]:p.ends[i]]
		start = p.ends[i]
		if !yield(e, nil) {
			return false
		}
	}
	for _, d := range damage {
		d.Line += linesBefore
		onDamage(d.DamageError)
	}
	return true
}

// damageList is the damage of a part that holds no events.
type damageList []*DamageError

func (l *damageList) damaged(d *DamageError) { *l = append(*l, d) }

func (l *damageList) full() bool { return len(*l) >= maxMatches }

func (l *damageList) report(onDamage func(*DamageError), linesBefore int64) {
	for _, d := range *l {
		d.Line += linesBefore
		onDamage(d)
	}
}

// matcher is a Filter made ready for many lines.
type matcher struct {
	Filter
	timed   bool
	traceID []byte // quoted
	// inSkipped is the number of events without a readable ts in the archives that
	// the last scan skipped, and told is set once they are logged.
	inSkipped atomic.Int64
	told      bool
}

func newMatcher(filter Filter) *matcher {
	m := &matcher{Filter: filter, timed: !filter.Since.IsZero() || !filter.Until.IsZero()}
	if filter.TraceID != "" {
		m.traceID = jsonline.AppendString(nil, filter.TraceID)
	}
	return m
}

// matches reports whether f matches, and whether it does not because its ts is not
// readable.
func (m *matcher) matches(f *fields) (matches, untimed bool) {
	if m.Event != "" && !isString(f[fieldEvent], m.Event) ||
		m.Session != "" && !isString(f[fieldSession], m.Session) ||
		m.Model != "" && !isString(f[fieldModel], m.Model) ||
		m.TraceID != "" && !m.isTrace(f[fieldTraceID]) {
		return false, false
	}
	if !m.timed {
		return true, false
	}
	t, ok := jsonline.ParseTime(f[fieldTime])
	return ok && (m.Since.IsZero() || !t.Before(m.Since)) && (m.Until.IsZero() || t.Before(m.Until)), !ok
}

// selection is a part's matcher.
type selection struct {
	*matcher
	untimed int64 // number of events without a readable ts
}

func (s *selection) matches(f *fields) bool {
	matches, untimed := s.matcher.matches(f)
	if untimed {
		s.untimed++
	}
	return matches
}

func (s *selection) withoutTime() int64 { return s.untimed }

// selective is a part with a selection.
type selective interface {
	accumulator
	withoutTime() int64
}

// excludes reports whether no event of an archive matches, and nothing of it has to be
// reported that its header does not say: damage, or how many events without a readable
// ts match otherwise.
func (m *matcher) excludes(archive archive.Summary) bool {
	return m.timed && archive.Damaged == 0 &&
		(archive.Untimed == 0 || m.Event == "" && m.Session == "" && m.Model == "" && m.TraceID == "") &&
		(!archive.Timed || !m.Since.IsZero() && archive.Newest.Before(m.Since) || !m.Until.IsZero() && !archive.Oldest.Before(m.Until))
}

// isTrace reports whether value is the trace id that is asked for, in any case.
func (m *matcher) isTrace(value []byte) bool {
	if len(value) == len(m.traceID) && bytes.IndexByte(value, '\\') < 0 {
		return bytes.EqualFold(value, m.traceID)
	}
	return jsonline.KindOf(value) == jsonline.String && strings.EqualFold(jsonline.Unquote(value), m.TraceID)
}

func isString(value []byte, s string) bool {
	return jsonline.KindOf(value) == jsonline.String && jsonline.KeyIs(value, s)
}

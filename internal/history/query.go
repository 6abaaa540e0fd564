package history

import (
	"context"
	"errors"
	"log/slog"

	"github.com/otelaudit/otelaudit/internal/archive"
	"github.com/otelaudit/otelaudit/internal/scan"
)

// Query calls yield with the events that match filter, in the order in which they were
// written, until yield returns false. An error comes last, with a zero Entry.
func (l *Log) Query(ctx context.Context, filter scan.Filter, yield func(scan.Entry, error) bool) {
	m, more := scan.NewMatcher(filter), true
	newPart := func() *Matches { return &Matches{Selection: scan.Selection{Matcher: m}} }
	err := Scan(ctx, l, m, newPart, func(p *Matches, onDamage func(*scan.DamageError), linesBefore int64) bool {
		more = p.Yield(yield, onDamage, linesBefore)
		return more
	})
	if err != nil && more {
		yield(scan.Entry{}, err)
	}
}

// Scan scans the log into parts that hold the events that match m, and calls deliver with
// each part, in order, until it returns false. The parts' damage goes to onDamage, with
// linesBefore added to its line number.
func Scan[P scan.Selective](ctx context.Context, r *Log, m *scan.Matcher, newPart func() P,
	deliver func(p P, onDamage func(*scan.DamageError), linesBefore int64) bool,
) (err error) {
	snapshot, err := r.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	return ScanFrom(ctx, r, snapshot, m, newPart, deliver)
}

// ScanFrom is Scan of a snapshot.
func ScanFrom[P scan.Selective](ctx context.Context, r *Log, snapshot *Snapshot, m *scan.Matcher, newPart func() P,
	deliver func(p P, onDamage func(*scan.DamageError), linesBefore int64) bool,
) error {
	_, err := parallelScanLines(ctx, r, snapshot, m, newPart, deliver)
	return err
}

// parallelScanLines is ScanFrom and returns the number of lines in the last file.
func parallelScanLines[P scan.Selective](ctx context.Context, r *Log, snapshot *Snapshot, m *scan.Matcher, newPart func() P,
	deliver func(p P, onDamage func(*scan.DamageError), linesBefore int64) bool,
) (int64, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	completed := snapshot.complete(ctx, m)
	onDamage := r.onDamage(m.Filter)
	sections := snapshot.sections(r.SectionSize)
	m.InSkipped.Store(0)
	for i := range sections {
		sections[i].Skip = func(archive archive.Summary) bool {
			skip := m.Excludes(archive)
			if skip {
				m.InSkipped.Add(archive.Untimed)
			}
			return skip
		}
	}
	untimed := int64(0)
	lines, err := scan.Parallel(ctx, sections, 0, newPart, func(p P, linesBefore int64) bool {
		untimed += p.WithoutTime()
		more := deliver(p, onDamage, linesBefore)
		if !more {
			cancel() // also what reads the log for sessions
		}
		return more
	})
	err = errors.Join(err, completed())
	if untimed += m.InSkipped.Load(); untimed > 0 && !m.Told {
		message := "auditlog: lines without a readable time"
		if m.Timed {
			message += " were left out"
		}
		r.Logger.Info(message, slog.Int64("lines", untimed))
	}
	return lines, err
}

// onDamage returns the function that damage goes to.
func (l *Log) onDamage(filter scan.Filter) func(*scan.DamageError) {
	if filter.OnDamage != nil {
		return filter.OnDamage
	}
	return l.LogDamage
}

// Matches is a part that holds the events that match.
type Matches struct {
	scan.Selection
	entries []scan.Entry // without Raw
	ends    []int        // of the entries' lines in raw
	raw     []byte
	damage  []placedDamage
}

// placedDamage is damage before the entry of an index.
type placedDamage struct {
	*scan.DamageError
	before int
}

// Event adds the current event of s if it matches.
func (p *Matches) Event(s *scan.Scanner) {
	if p.Matches(&s.Fields) {
		p.Add(s)
	}
}

// Add adds the current event of s.
func (p *Matches) Add(s *scan.Scanner) {
	p.raw = append(p.raw, s.Raw...)
	p.ends = append(p.ends, len(p.raw))
	p.entries = append(p.entries, s.Entry)
	p.entries[len(p.entries)-1].Raw = nil
}

// Damaged adds damage.
func (p *Matches) Damaged(d *scan.DamageError) {
	p.damage = append(p.damage, placedDamage{d, len(p.entries)})
}

// Full reports whether p holds as much as a part may.
func (p *Matches) Full() bool {
	return len(p.entries)+len(p.damage) >= scan.MaxMatches || len(p.raw) >= scan.MaxMatchBytes
}

// Yield yields the entries of the part and reports its damage between them. It reports
// false when the iteration is over.
func (p *Matches) Yield(yield func(scan.Entry, error) bool, onDamage func(*scan.DamageError), linesBefore int64) bool {
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

package spend

import (
	"context"
	"errors"

	"github.com/otelaudit/otelaudit/internal/history"
	"github.com/otelaudit/otelaudit/internal/scan"
)

// Usage is what an event, or a call of two events, reports.
type Usage struct {
	Cost      float64 // USD, 0 if none is reported
	Priced    bool    // a cost is reported, if only 0
	HasTokens bool    // at least one number of tokens is reported

	InputTokens, OutputTokens int64
	// Parts are parts of them.
	Parts scan.TokenParts

	Call   bool // it is a call of a model
	Failed bool // it is one that failed
	// Session is the raw session_id that a reader found for an event whose own one is a
	// default; empty: that of the line. SessionDefault says that it is a default still.
	Session        string
	SessionDefault bool

	// Tag is the value that the [Tally] returned for it.
	Tag any
}

// IsCall reports whether it is a call of a model.
func (u Usage) IsCall() bool { return u.Call }

// Unpriced reports whether tokens are reported and no cost, but for a call that failed and
// used nothing.
func (u Usage) Unpriced() bool {
	return u.HasTokens && !u.Priced && (!u.Failed || u.InputTokens != 0 || u.OutputTokens != 0)
}

// Tally adds up the events of a log in its own way. [TallyOf] calls its methods from one
// goroutine, in the order of the log.
type Tally interface {
	// Add takes the next event, whose Raw is valid until Add returns. The returned tag
	// is the Tag of the Usage in later calls of Join.
	Add(e scan.Entry, u Usage) (tag any)
	// Join takes kept and other, which were added or joined before, out of the sums and
	// adds joined: they are one call. joined has the values of kept, and those that only
	// other has. The returned tag is its Tag.
	Join(kept, other, joined Usage) (tag any)
}

// TallyOf gives the events that match filter to t, in order and in one pass, repeated
// lines once. A call that is logged twice is found after its events were added: then they
// are joined. noDedup turns both off. The totals are those of Sum. damaged is the number
// of damaged lines.
func TallyOf(ctx context.Context, r *history.Log, filter scan.Filter, noDedup bool, t Tally) (total Totals, damaged int64, err error) {
	snapshot, err := r.Snapshot(ctx)
	if err != nil {
		return Totals{}, 0, err
	}
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	m := scan.NewMatcher(filter)
	m.Sessions = true
	var all sum
	d := newDeduper(func(kept, other, merged *call) {
		all.remove(kept.Amounts)
		all.remove(other.Amounts)
		all.add(merged.Amounts)
		merged.tag = nil
		merged.tag = t.Join(kept.usage(), other.usage(), merged.usage())
	})
	newPart := func() *tallyPart { return &tallyPart{Matches: history.Matches{Selection: scan.Selection{Matcher: m}}} }
	err = history.ScanFrom(ctx, r, snapshot, m, newPart, func(p *tallyPart, onDamage func(*scan.DamageError), linesBefore int64) bool {
		i := 0
		return p.Yield(func(e scan.Entry, _ error) bool {
			c := p.calls[i]
			i++
			if !noDedup && d.repeated(c) {
				return true
			}
			all.add(c.Amounts)
			c.tag = t.Add(e, c.usage())
			if !noDedup && c.Call {
				d.add(c)
			}
			return true
		}, func(damage *scan.DamageError) {
			damaged++
			onDamage(damage)
		}, linesBefore)
	})
	if err != nil {
		return Totals{}, damaged, err
	}
	d.end()
	return all.totals(), damaged, nil
}

// tallyPart is the part of a Tally.
type tallyPart struct {
	history.Matches
	calls []*call // of the entries
}

func (p *tallyPart) Event(s *scan.Scanner) {
	if !p.Selection.Matches(&s.Fields) {
		return
	}
	a := scan.AmountsOf(&s.Fields)
	if a.SpanRecord {
		return
	}
	c := callOf(&s.Fields, a)
	if c == nil {
		c = &call{Amounts: a, session: string(s.Fields[scan.FieldCompleted])}
	}
	c.identity = scan.Identity(&s.Fields, a)
	p.calls = append(p.calls, c)
	p.Add(s)
}

// usage returns what a call reports.
func (c *call) usage() Usage {
	return Usage{
		Cost: c.Cost, Priced: c.Priced, HasTokens: c.Tokens, InputTokens: c.Input, OutputTokens: c.Output, Parts: c.Parts,
		Call: c.Call, Failed: c.Failed, Session: c.session, SessionDefault: c.defaultSession, Tag: c.tag,
	}
}

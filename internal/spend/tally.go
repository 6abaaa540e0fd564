package spend

import (
	"context"
	"errors"

	"github.com/otelaudit/otelaudit/internal/history"
	"github.com/otelaudit/otelaudit/internal/scan"
)

// Usage is what an event, or two that tell of one call of a model, says was
// used.
type Usage struct {
	Cost      float64 // USD, 0 if nobody said
	Priced    bool    // Cost was said, if only as 0
	HasTokens bool    // at least one of the numbers of tokens was said

	InputTokens, OutputTokens int64

	// Tag is what the [Tally] returned for it.
	Tag any
}

// IsCall reports whether anything was used: a cost or tokens are there.
func (u Usage) IsCall() bool { return u.Priced || u.HasTokens }

// Unpriced reports whether tokens are there and no cost.
func (u Usage) Unpriced() bool { return u.HasTokens && !u.Priced }

// Tally adds up the events of a log in ways of its own. [Reader.Tally] calls its
// methods from one goroutine, in the order of the log.
type Tally interface {
	// Add takes the next event, whose Raw is valid until it returns. Usage has
	// no Tag yet: it is what Add returns, for Join.
	Add(e scan.Entry, u Usage) (tag any)
	// Join tells that kept and other, which were added, or joined before, tell of
	// one call, which counts as joined: take both out and joined in. It is what
	// kept says, and what only other knows. Its Tag is what Join returns.
	Join(kept, other, joined Usage) (tag any)
}

// Tally gives the events that match filter to t, in order and in one pass. A line
// that stands twice, as [Reader.Spend] says, is given once. A call
// that the log holds twice is found as [Reader.Spend] finds it, unless the
// filter's NoDedup is set, but only after its events were added: then they are
// joined. The totals are those of Spend. Damage and errors are as with Query;
// damaged is the number of damaged lines.
func TallyOf(ctx context.Context, r *history.Log, filter scan.Filter, noDedup bool, t Tally) (total Totals, damaged int64, err error) {
	snapshot, err := r.Snapshot(ctx)
	if err != nil {
		return Totals{}, 0, err
	}
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	m := scan.NewMatcher(filter)
	var all sum
	d := newDeduper(func(kept, other, merged *call) {
		all.remove(kept.Amounts)
		all.remove(other.Amounts)
		all.add(merged.Amounts)
		merged.tag = t.Join(kept.usage(), other.usage(), usageOf(merged.Amounts))
	})
	pairs := lazyDeduper{deduper: d}
	var seen recentIDs
	newPart := func() *tallyPart { return &tallyPart{Matches: history.Matches{Selection: scan.Selection{Matcher: m}}} }
	err = history.ScanFrom(ctx, r, snapshot, m, newPart, func(p *tallyPart, onDamage func(*scan.DamageError), linesBefore int64) bool {
		i := 0
		return p.Yield(func(e scan.Entry, _ error) bool {
			c := p.calls[i]
			i++
			if !noDedup && c.identity != 0 && seen.add(c.identity) {
				return true
			}
			all.add(c.Amounts)
			c.tag = t.Add(e, usageOf(c.Amounts))
			if !noDedup && (c.Priced || c.Unpriced) {
				pairs.add(c)
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
	pairs.end()
	return all.totals(), damaged, nil
}

// lazyDeduper looks for pairs from the first call on that can be one of a pair,
// and among those before it: most logs have none, and need no index of ids.
type lazyDeduper struct {
	*deduper
	started bool
	waiting []*call // a ring, oldest at oldest once it is full
	oldest  int
}

func (l *lazyDeduper) add(c *call) {
	switch {
	case l.started:
		l.deduper.add(c)
	case c.by&(bySpan|byGemini) != 0:
		l.started = true
		for i := range l.waiting {
			l.deduper.add(l.waiting[(l.oldest+i)%len(l.waiting)])
		}
		l.waiting = nil
		l.deduper.add(c)
	case len(l.waiting) < dedupWindow:
		l.waiting = append(l.waiting, c)
	default:
		l.waiting[l.oldest] = c
		l.oldest = (l.oldest + 1) % dedupWindow
	}
}

// tallyPart is the part of a Tally.
type tallyPart struct {
	history.Matches
	calls  []*call // of the entries
	values [callKeyCount][]byte
}

func (p *tallyPart) Event(s *scan.Scanner) {
	if !p.Selection.Matches(&s.Fields) {
		return
	}
	a := scan.AmountsOf(&s.Fields)
	c := callOf(s.Raw, &s.Fields, a, p.values[:])
	if c == nil {
		c = &call{Amounts: a}
	}
	c.identity = scan.Identity(&s.Fields, a)
	p.calls = append(p.calls, c)
	p.Add(s)
}

func usageOf(a scan.Amounts) Usage {
	return Usage{Cost: a.Cost, Priced: a.Priced, HasTokens: a.Tokens, InputTokens: a.Input, OutputTokens: a.Output}
}

func (c *call) usage() Usage {
	u := usageOf(c.Amounts)
	u.Tag = c.tag
	return u
}

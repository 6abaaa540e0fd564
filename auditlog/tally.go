package auditlog

import (
	"context"
	"errors"
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
	Add(e Entry, u Usage) (tag any)
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
func (r *Reader) Tally(ctx context.Context, filter Filter, t Tally) (total Totals, damaged int64, err error) {
	snapshot, err := r.Snapshot(ctx)
	if err != nil {
		return Totals{}, 0, err
	}
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	m := newMatcher(filter)
	var all sum
	d := newDeduper(func(kept, other, merged *call) {
		all.remove(kept.amounts)
		all.remove(other.amounts)
		all.add(merged.amounts)
		merged.tag = t.Join(kept.usage(), other.usage(), merged.amounts.usage())
	})
	pairs := lazyDeduper{deduper: d}
	var seen recentIDs
	newPart := func() *tallyPart { return &tallyPart{matches: matches{selection: selection{matcher: m}}} }
	err = parallelScanFrom(ctx, r, snapshot, m, newPart, func(p *tallyPart, onDamage func(*DamageError), linesBefore int64) bool {
		i := 0
		return p.yield(func(e Entry, _ error) bool {
			c := p.calls[i]
			i++
			if !filter.NoDedup && c.identity != 0 && seen.add(c.identity) {
				return true
			}
			all.add(c.amounts)
			c.tag = t.Add(e, c.amounts.usage())
			if !filter.NoDedup && (c.priced || c.unpriced) {
				pairs.add(c)
			}
			return true
		}, func(damage *DamageError) {
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
	matches
	calls  []*call // of the entries
	values [callKeyCount][]byte
}

func (p *tallyPart) event(s *fileScan) {
	if !p.selection.matches(&s.fields) {
		return
	}
	a := amountsOf(&s.fields)
	c := callOf(s.Raw, &s.fields, a, p.values[:])
	if c == nil {
		c = &call{amounts: a}
	}
	c.identity = identityOf(&s.fields, a)
	p.calls = append(p.calls, c)
	p.add(s)
}

func (a amounts) usage() Usage {
	return Usage{Cost: a.cost, Priced: a.priced, HasTokens: a.tokens, InputTokens: a.input, OutputTokens: a.output}
}

func (c *call) usage() Usage {
	u := c.amounts.usage()
	u.Tag = c.tag
	return u
}

package auditlog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// Totals are sums over events.
type Totals struct {
	Events int64 `json:"events"` // number of events, with a cost or not
	// Unpriced is the number of events that used tokens and report no cost:
	// what Cost does not know of.
	Unpriced     int64   `json:"unpriced"`
	Cost         float64 `json:"cost"` // USD
	InputTokens  int64   `json:"input_t"`
	OutputTokens int64   `json:"output_t"`
}

// Group is one line of a [Spend].
type Group struct {
	// Key is the event, model or session; of an hour its beginning, with the
	// offset of the time zone (2026-02-13T14:00:00Z); of a day and of a week its
	// first day (2026-02-13); or the month (2026-02). Empty: the events have none.
	Key string `json:"key"`
	Totals
	// Start is when an hour, day, week or month began; zero for other groups.
	Start time.Time `json:"start,omitzero"`
	// Groups divide this one, as asked for by the next GroupBy; nil without one.
	Groups []Group `json:"groups,omitempty"`
}

// Spend is what [Reader.Spend] returns.
type Spend struct {
	Total Totals `json:"total"`
	// Untimed is the number of events without a readable ts that match the filter
	// otherwise. Total has them only where the filter has no bound of time.
	Untimed int64 `json:"untimed,omitempty"`
	// Groups are in order of time for hours, days, weeks and months, else the
	// most expensive first; never nil.
	Groups []Group `json:"groups"`
}

// Spend sums the cost and tokens of the events that match filter. Cost is a
// JSON number in the line: 1 and 1.0 are the same, the string "1" is no cost.
// Costs are added without rounding; what is returned is the float64 next to
// their true sum, and the largest one where that is beyond float64.
//
// A call of a model that the log holds twice is counted once: an event that a
// span processor made of a span and a log record of the same response id, or of the same
// request or span id and the same tokens (of a span id only if it has one of each); and the two records that Gemini CLI emits for a
// response. What counts is the one with a cost, else the log record. Pairs are
// looked for among the last 4,096 events with usage that match the filter, whose
// NoDedup turns that off. [Reader.HourlySpend] does not look for pairs.
//
// A line that stands twice is one event: both lines have the same log.record.uid and
// equal ts, event, cost and tokens, and fewer than 4,096 other events with a uid that
// match the filter stand between them. NoDedup turns that off too. Lines without a
// uid all count.
//
// The sums are in groups by the first of by, and each of these in groups by the
// next one. Hours, days, weeks and months are those of the filter's TimeZone.
func (r *Reader) Spend(ctx context.Context, filter Filter, by ...GroupBy) (spend Spend, err error) {
	by, err = groupings(by)
	if err != nil {
		return Spend{}, err
	}
	snapshot, err := r.Snapshot(ctx)
	if err != nil {
		return Spend{}, err
	}
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	s := spender{by: by, zone: cmp.Or(filter.TimeZone, time.UTC), groups: make(map[string]*sum)}
	m := newMatcher(filter)
	if err := s.scan(ctx, r, snapshot, m); err != nil {
		return Spend{}, err
	}
	s.untimed += m.inSkipped.Load()
	m.told = true
	if (s.doubled || s.repeated.Load()) && !filter.NoDedup {
		if err := s.dedup(ctx, r, snapshot, m); err != nil {
			return Spend{}, err
		}
	}
	return Spend{Total: s.total.totals(), Untimed: s.untimed, Groups: s.tree()}, nil
}

// SpendOf sums entries, which are in the order of the log, as [Reader.Spend]
// sums those of a log: a call that is logged twice is counted once. key returns
// the group of an entry; nil means no groups. The most expensive group is the
// first. An entry that is not a JSON object is an error.
func SpendOf(entries []Entry, key func(Entry) string) (Spend, error) {
	s := spender{zone: time.UTC, groups: make(map[string]*sum)}
	if key != nil {
		s.by = []GroupBy{ByEvent} // or any other text
	}
	d := s.deduper()
	var seen recentIDs
	var values [callKeyCount][]byte
	for _, e := range entries {
		var f fields
		if err := f.scan(e.Raw); err != nil {
			return Spend{}, fmt.Errorf("auditlog: sum %s line %d: %w", e.File, e.Line, err)
		}
		if _, ok := jsonline.ParseTime(f[fieldTime]); !ok {
			s.untimed++
		}
		a, text := amountsOf(&f), ""
		if id := identityOf(&f, a); id != 0 && seen.add(id) {
			continue
		}
		s.total.add(a)
		if key != nil {
			text = key(e)
			if s.groups[text] == nil {
				s.groups[text] = new(sum)
			}
			s.groups[text].add(a)
		}
		if c := callOf(e.Raw, &f, a, values[:]); c != nil {
			c.group = text
			d.add(c)
		}
	}
	d.end()
	return Spend{Total: s.total.totals(), Untimed: s.untimed, Groups: s.tree()}, nil
}

// spender adds up a Spend.
type spender struct {
	by    []GroupBy
	zone  *time.Location
	total sum
	// untimed is the number of events without a readable ts.
	untimed int64
	groups  map[string]*sum // by groupKey
	// doubled is set if two events may be of one call, and repeated if a
	// log.record.uid stands twice within the window. Most logs have neither, and need no second scan.
	doubled  bool
	repeated atomic.Bool
	uids     uidFilter
}

func (s *spender) scan(ctx context.Context, r *Reader, snapshot *Snapshot, m *matcher) error {
	newPart := func() *spendPart {
		p := &spendPart{selection: selection{matcher: m}, key: newGroupKey(s.by, s.zone)}
		if !m.NoDedup {
			p.repeated = &s.repeated
		}
		return p
	}
	return gatherFrom(ctx, r, snapshot, m, newPart, func(p *spendPart, onDamage func(*DamageError), linesBefore int64) bool {
		p.report(onDamage, linesBefore)
		s.untimed += p.untimed
		s.doubled = s.doubled || p.doubled
		if slices.ContainsFunc(p.uids, s.uids.mayRepeat) {
			s.repeated.Store(true)
		}
		s.total.merge(&p.total)
		for key, group := range p.groups {
			if s.groups[key] == nil {
				s.groups[key] = group
			} else {
				s.groups[key].merge(group)
			}
		}
		return true
	})
}

// dedup takes lines that stand twice, and one of each two events of one call,
// out of the sums.
func (s *spender) dedup(ctx context.Context, r *Reader, snapshot *Snapshot, m *matcher) error {
	d := s.deduper()
	var seen recentIDs
	repeated := s.repeated.Load()
	newPart := func() *callPart {
		return &callPart{selection: selection{matcher: m}, key: newGroupKey(s.by, s.zone), pairs: s.doubled, repeats: repeated}
	}
	err := gatherFrom(ctx, r, snapshot, m, newPart, func(p *callPart, _ func(*DamageError), _ int64) bool {
		for _, c := range p.calls {
			switch {
			case c.identity != 0 && seen.add(c.identity):
				s.remove(c)
			case c.by != 0:
				d.add(c)
			}
		}
		return true
	})
	d.end()
	return err
}

// deduper returns one that corrects the sums.
func (s *spender) deduper() *deduper {
	return newDeduper(func(kept, other, merged *call) {
		s.remove(kept)
		s.remove(other)
		s.total.add(merged.amounts)
		if len(s.by) == 0 {
			return
		}
		merged.group = fillGroupKey(merged.group, other.group, len(s.by))
		if s.groups[merged.group] == nil {
			s.groups[merged.group] = new(sum)
		}
		s.groups[merged.group].add(merged.amounts)
	})
}

// remove takes back what was added for c.
func (s *spender) remove(c *call) {
	s.total.remove(c.amounts)
	if group := s.groups[c.group]; group != nil {
		group.remove(c.amounts)
	}
}

// spendPart is the part of a Spend.
type spendPart struct {
	damageList
	selection
	times   jsonline.TimeChecker
	key     groupKey // nil for no groups
	total   sum
	groups  map[string]*sum
	doubled bool
	text    []byte // of the last key
	// uids are hashes of the events' log.record.uid, until repeated is set or if
	// it is nil.
	uids     []uint64
	repeated *atomic.Bool
}

// maxUIDs bounds those of a part.
const maxUIDs = 1 << 15

func (p *spendPart) full() bool { return p.damageList.full() || len(p.uids) >= maxUIDs }

func (p *spendPart) event(s *fileScan) {
	if !p.matches(&s.fields) {
		return
	}
	if !p.times.IsTime(s.fields[fieldTime]) { // with a bound it does not match
		p.untimed++
	}
	a := amountsOf(&s.fields)
	p.total.add(a)
	if uid := s.fields[fieldUID]; uid != nil && p.repeated != nil && !p.repeated.Load() {
		if id := uidHash(uid); id != 0 {
			p.uids = append(p.uids, id)
		}
	}
	p.doubled = p.doubled || s.fields[fieldSpanMade] != nil || isString(s.fields[fieldEvent], eventGeminiResponse)
	if p.key == nil {
		return
	}
	p.text = p.key(p.text[:0], &s.fields)
	group := p.groups[string(p.text)]
	if group == nil {
		if p.groups == nil {
			p.groups = make(map[string]*sum)
		}
		group = new(sum)
		p.groups[string(p.text)] = group
	}
	group.add(a)
}

// amounts are what sums need of an event.
type amounts struct {
	cost             float64
	input, output    int64
	priced, unpriced bool
	tokens           bool // input or output is there
}

func amountsOf(f *fields) amounts {
	var a amounts
	var hasInput, hasOutput bool
	a.input, hasInput = wholeValue(f[fieldInput], jsonline.MaxExactInt-1)
	a.output, hasOutput = wholeValue(f[fieldOutput], jsonline.MaxExactInt-1)
	a.cost, a.priced = finiteValue(f[fieldCost])
	a.tokens = hasInput || hasOutput
	// A call that failed and used nothing has no price.
	nothing := a.input == 0 && a.output == 0 && string(f[fieldFailed]) == "true"
	a.unpriced = !a.priced && a.tokens && !nothing
	return a
}

// sum adds up events, in any order and in parts.
type sum struct {
	events, unpriced int64
	input, output    int64
	cost             exactSum
}

func (s *sum) add(a amounts) {
	s.events++
	s.input = addTokens(s.input, a.input)
	s.output = addTokens(s.output, a.output)
	switch {
	case a.priced:
		s.cost.add(a.cost)
	case a.unpriced:
		s.unpriced++
	}
}

// remove takes back what add added.
func (s *sum) remove(a amounts) {
	s.events--
	s.input -= a.input
	s.output -= a.output
	switch {
	case a.priced:
		s.cost.add(-a.cost)
	case a.unpriced:
		s.unpriced--
	}
}

func (s *sum) merge(other *sum) {
	s.events += other.events
	s.unpriced += other.unpriced
	s.input = addTokens(s.input, other.input)
	s.output = addTokens(s.output, other.output)
	s.cost.merge(&other.cost)
}

// addTokens stops at the largest number instead of turning negative. b is
// negative where a correction is added.
func addTokens(a, b int64) int64 {
	if b > 0 && a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

func (s *sum) totals() Totals {
	return Totals{Events: s.events, Unpriced: s.unpriced, Cost: s.cost.float(), InputTokens: s.input, OutputTokens: s.output}
}

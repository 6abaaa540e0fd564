package spend

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/otelaudit/otelaudit/internal/history"
	"github.com/otelaudit/otelaudit/internal/jsonline"
	"github.com/otelaudit/otelaudit/internal/scan"
)

// Totals are sums over events.
type Totals struct {
	Events int64 // number of events, with a cost or not
	// Unpriced is the number of events with tokens and without a cost, but for failed calls
	// without tokens.
	Unpriced     int64
	Cost         float64 // USD
	InputTokens  int64
	OutputTokens int64
	Calls        int64 // number of calls of a model, with those that failed
	Failed       int64 // number of calls of a model that failed
	// Parts of the input tokens, and of the output tokens.
	CacheReadTokens, CacheWriteTokens, CacheWriteHourTokens, ReasoningTokens int64
}

// Group is one line of a [Spend].
type Group struct {
	// Key is the event, model or session; of an hour its beginning, with the
	// offset of the time zone (2026-02-13T14:00:00Z); of a day and of a week its
	// first day (2026-02-13); or the month (2026-02). Empty: the events have none.
	Key string
	Totals
	// Start is when an hour, day, week or month began; zero for other groups.
	Start time.Time
	// Groups divide this one, as asked for by the next GroupBy; nil without one.
	Groups []Group
}

// Spend is the result of [Sum].
type Spend struct {
	Total Totals
	// Untimed is the number of events without a readable ts that match the filter
	// otherwise. Total has them only where the filter has no bound of time.
	Untimed int64
	// Groups are in order of time for hours, days, weeks and months, else the
	// most expensive first; never nil.
	Groups []Group
}

// Options say what a Spend counts.
type Options struct {
	By []GroupBy // groups within groups
	// TimeZone is that of hours, days, weeks and months; nil means UTC.
	TimeZone *time.Location
	NoDedup  bool // count every event
}

// Sum sums the cost and tokens of the events that match filter. A call that is logged
// twice counts once, and so does a repeated line, unless o.NoDedup is set.
func Sum(ctx context.Context, r *history.Log, filter scan.Filter, o Options) (spend Spend, err error) {
	by, err := groupings(o.By)
	if err != nil {
		return Spend{}, err
	}
	snapshot, err := r.Snapshot(ctx)
	if err != nil {
		return Spend{}, err
	}
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	s := spender{by: by, zone: cmp.Or(o.TimeZone, time.UTC), noDedup: o.NoDedup, groups: make(map[string]*sum)}
	m := scan.NewMatcher(filter)
	m.Sessions = slices.Contains(by, BySession)
	if err := s.scan(ctx, r, snapshot, m); err != nil {
		return Spend{}, err
	}
	s.untimed += m.InSkipped.Load()
	m.Told = true
	if (s.doubled || s.repeated.Load()) && !o.NoDedup {
		if err := s.dedup(ctx, r, snapshot, m); err != nil {
			return Spend{}, err
		}
	}
	return Spend{Total: s.total.totals(), Untimed: s.untimed, Groups: s.tree()}, nil
}

// Of sums entries, which are in the order of the log, as Sum sums a log. key returns the
// group of an entry; nil means no groups. An entry that is not a JSON object is an error.
func Of(entries []scan.Entry, key func(scan.Entry) string) (Spend, error) {
	s := spender{zone: time.UTC, groups: make(map[string]*sum)}
	if key != nil {
		s.by = []GroupBy{ByEvent} // or any other text
	}
	d := s.deduper()
	for _, e := range entries {
		var f scan.Fields
		if err := f.Scan(e.Raw); err != nil {
			return Spend{}, fmt.Errorf("auditlog: sum %s line %d: %w", e.File, e.Line, err)
		}
		a, text := scan.AmountsOf(&f), ""
		if a.SpanRecord {
			continue
		}
		if _, ok := jsonline.ParseTime(f[scan.FieldTime]); !ok {
			s.untimed++
		}
		c := identified(callOf(&f, a), scan.Identity(&f, a), a)
		if c != nil && d.repeated(c) {
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
		if c != nil && c.by != 0 {
			c.group = text
			d.add(c)
		}
	}
	d.end()
	return Spend{Total: s.total.totals(), Untimed: s.untimed, Groups: s.tree()}, nil
}

// spender adds up a Spend.
type spender struct {
	by      []GroupBy
	zone    *time.Location
	noDedup bool
	total   sum
	// untimed is the number of events without a readable ts.
	untimed int64
	groups  map[string]*sum // by groupKey
	// doubled reports that two events may be of one call, and repeated that a
	// log.record.uid is repeated within the window, or the id of a response or a request.
	// Most logs have neither, and need no second scan.
	doubled  bool
	repeated atomic.Bool
	uids     [uidKinds]uidFilter
}

func (s *spender) scan(ctx context.Context, r *history.Log, snapshot *history.Snapshot, m *scan.Matcher) error {
	newPart := func() *spendPart {
		p := &spendPart{Selection: scan.Selection{Matcher: m}, key: newGroupKey(s.by, s.zone)}
		if !s.noDedup {
			p.repeated = &s.repeated
		}
		return p
	}
	return history.ScanFrom(ctx, r, snapshot, m, newPart, func(p *spendPart, onDamage func(*scan.DamageError), linesBefore int64) bool {
		p.Report(onDamage, linesBefore)
		s.untimed += p.Untimed
		s.doubled = s.doubled || p.doubled
		for kind := range p.uids {
			if slices.ContainsFunc(p.uids[kind], s.uids[kind].mayRepeat) {
				s.repeated.Store(true)
			}
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

// dedup takes repeated lines, and one of two events of one call, out of the sums.
func (s *spender) dedup(ctx context.Context, r *history.Log, snapshot *history.Snapshot, m *scan.Matcher) error {
	d := s.deduper()
	newPart := func() *callPart {
		return &callPart{Selection: scan.Selection{Matcher: m}, key: newGroupKey(s.by, s.zone), repeats: s.repeated.Load()}
	}
	err := history.ScanFrom(ctx, r, snapshot, m, newPart, func(p *callPart, _ func(*scan.DamageError), _ int64) bool {
		for _, c := range p.calls {
			switch {
			case d.repeated(c):
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

// deduper returns a deduper that corrects the sums.
func (s *spender) deduper() *deduper {
	return newDeduper(func(kept, other, merged *call) {
		s.remove(kept)
		s.remove(other)
		s.total.add(merged.Amounts)
		if len(s.by) == 0 {
			return
		}
		named := -1 // the level whose key other knows better
		if kept.defaultSession && !other.defaultSession {
			named = slices.Index(s.by, BySession)
		}
		merged.group = fillGroupKey(merged.group, other.group, len(s.by), named)
		if s.groups[merged.group] == nil {
			s.groups[merged.group] = new(sum)
		}
		s.groups[merged.group].add(merged.Amounts)
	})
}

// remove undoes the adding of c.
func (s *spender) remove(c *call) {
	s.total.remove(c.Amounts)
	if group := s.groups[c.group]; group != nil {
		group.remove(c.Amounts)
	}
}

// spendPart is the part of a Spend.
type spendPart struct {
	scan.DamageList
	scan.Selection
	times   jsonline.TimeChecker
	key     groupKey // nil for no groups
	total   sum
	groups  map[string]*sum
	doubled bool
	text    []byte // of the last key
	// uids are hashes of the events' log.record.uid, and of the ids of responses and of
	// requests. None is added if repeated is nil, or once it is set.
	uids     [uidKinds][]uint64
	repeated *atomic.Bool
}

// The kinds of spendPart.uids.
const (
	uidRecord = iota
	uidResponse
	uidRequest
	uidKinds
)

func (p *spendPart) Full() bool {
	return p.DamageList.Full() || len(p.uids[uidRecord]) >= scan.MaxUIDs || len(p.uids[uidResponse])+len(p.uids[uidRequest]) >= scan.MaxUIDs
}

func (p *spendPart) Event(s *scan.Scanner) {
	if !p.Matches(&s.Fields) {
		return
	}
	a := scan.AmountsOf(&s.Fields)
	if a.SpanRecord {
		return
	}
	if !p.times.IsTime(s.Fields[scan.FieldTime]) { // with a bound of time such an event does not match
		p.Untimed++
	}
	p.total.add(a)
	if p.repeated != nil && !p.repeated.Load() {
		p.addUIDs(&s.Fields, a)
	}
	p.doubled = p.doubled || s.Fields[scan.FieldSpanMade] != nil || scan.IsString(s.Fields[scan.FieldEvent], eventGeminiResponse)
	if p.key == nil {
		return
	}
	p.text = p.key(p.text[:0], &s.Fields)
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

// addUIDs adds the ids of an event.
func (p *spendPart) addUIDs(f *scan.Fields, a scan.Amounts) {
	if uid := f[scan.FieldUID]; uid != nil {
		if id := uidHash(uid); id != 0 {
			p.uids[uidRecord] = append(p.uids[uidRecord], id)
		}
	}
	if !a.Call {
		return
	}
	for _, value := range f[scan.FieldResponseID:scan.FieldCompleted] {
		if value == nil {
			continue
		}
		var ids [idKinds]uint64
		responseAndRequestIDs(f, &ids)
		for kind, of := range [...]int{uidResponse: idResponse, uidRequest: idRequest} {
			if kind != uidRecord && ids[of] != 0 {
				p.uids[kind] = append(p.uids[kind], ids[of])
			}
		}
		return
	}
}

// sum adds up events, in any order and in parts.
type sum struct {
	events, unpriced int64
	calls, failed    int64
	input, output    int64
	parts            scan.TokenParts
	cost             ExactSum
}

func (s *sum) add(a scan.Amounts) {
	s.events++
	s.input = addTokens(s.input, a.Input)
	s.output = addTokens(s.output, a.Output)
	switch {
	case a.Priced:
		s.cost.Add(a.Cost)
	case a.Unpriced:
		s.unpriced++
	}
	if a.Call {
		s.calls++
	}
	if a.Failed {
		s.failed++
	}
	if a.Parts != (scan.TokenParts{}) {
		s.addParts(a.Parts, 1)
	}
}

// addParts adds parts of tokens, or takes them out with sign −1.
func (s *sum) addParts(p scan.TokenParts, sign int64) {
	s.parts.CacheRead = addTokens(s.parts.CacheRead, sign*p.CacheRead)
	s.parts.CacheWrite = addTokens(s.parts.CacheWrite, sign*p.CacheWrite)
	s.parts.CacheWriteHour = addTokens(s.parts.CacheWriteHour, sign*p.CacheWriteHour)
	s.parts.Reasoning = addTokens(s.parts.Reasoning, sign*p.Reasoning)
}

// remove undoes add.
func (s *sum) remove(a scan.Amounts) {
	s.events--
	s.input -= a.Input
	s.output -= a.Output
	switch {
	case a.Priced:
		s.cost.Add(-a.Cost)
	case a.Unpriced:
		s.unpriced--
	}
	if a.Call {
		s.calls--
	}
	if a.Failed {
		s.failed--
	}
	s.addParts(a.Parts, -1)
}

func (s *sum) merge(other *sum) {
	s.events += other.events
	s.calls += other.calls
	s.failed += other.failed
	s.addParts(other.parts, 1)
	s.unpriced += other.unpriced
	s.input = addTokens(s.input, other.input)
	s.output = addTokens(s.output, other.output)
	s.cost.Merge(&other.cost)
}

// addTokens stops at the largest number instead of overflowing. b is negative in a
// correction.
func addTokens(a, b int64) int64 {
	if b > 0 && a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

func (s *sum) totals() Totals {
	return Totals{
		Events: s.events, Unpriced: s.unpriced, Cost: s.cost.Float(), InputTokens: s.input, OutputTokens: s.output,
		Calls: s.calls, Failed: s.failed, CacheReadTokens: s.parts.CacheRead, CacheWriteTokens: s.parts.CacheWrite,
		CacheWriteHourTokens: s.parts.CacheWriteHour, ReasoningTokens: s.parts.Reasoning,
	}
}

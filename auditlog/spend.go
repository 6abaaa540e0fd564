package auditlog

import (
	"context"
	"time"

	"github.com/otelaudit/otelaudit/internal/spend"
)

// Totals are sums over events.
type Totals struct {
	Events int64 `json:"events"` // number of events, with a cost or not
	// Unpriced is the number of events with tokens and without a cost: Cost does not
	// include them. A call that failed and reports 0 tokens is none of them.
	Unpriced     int64   `json:"unpriced"`
	Cost         float64 `json:"cost"` // USD
	InputTokens  int64   `json:"input_t"`
	OutputTokens int64   `json:"output_t"`
	Calls        int64   `json:"calls"`  // number of calls of a model, with those that failed
	Failed       int64   `json:"failed"` // number of calls of a model that failed
	// CacheReadTokens and CacheWriteTokens are parts of InputTokens,
	// CacheWriteHourTokens is the part of the writes that a cache keeps for an hour, and
	// ReasoningTokens is a part of OutputTokens.
	CacheReadTokens      int64 `json:"cache_read_t"`
	CacheWriteTokens     int64 `json:"cache_write_t"`
	CacheWriteHourTokens int64 `json:"cache_write_1h_t"`
	ReasoningTokens      int64 `json:"reasoning_t"`
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

// Spend is the result of [Reader.Spend].
type Spend struct {
	Total Totals `json:"total"`
	// Untimed is the number of events without a readable ts that match the filter
	// otherwise. Total has them only where the filter has no bound of time.
	Untimed int64 `json:"untimed,omitempty"`
	// Groups are in order of time for hours, days, weeks and months, else the
	// most expensive first; never nil.
	Groups []Group `json:"groups"`
}

// GroupBy says what the groups of a [Spend] have in common.
type GroupBy int

// The ways to group. Weeks begin on Mondays.
const (
	ByNothing GroupBy = iota // no groups
	ByEvent
	ByModel
	BySession
	ByHour
	ByDay
	ByWeek
	ByMonth
)

// Spend sums the cost and tokens of the events that match filter. Cost is a
// JSON number in the line: 1 and 1.0 are the same, the string "1" is no cost.
// Costs are added without rounding; the result is the float64 next to
// their true sum, and the largest one where the sum is beyond float64.
//
// A call of a model that is logged more than once counts once. Events are one call if they
// have the same response id in one trace; the same response id, one of them without a trace,
// with the same model; the same request id or span id (of a span id only if one was made of
// the span, and one was not); the same otel.same; or if one was made of the span above that
// of the other, with the same model. Tokens must be equal, or, but for requests and spans,
// absent from one of them; in one trace a response id is enough. So must be the records that
// versions of Gemini CLI emit for a response. The event with a cost counts, else the log
// record. They are found among the last 4,096 calls that match the filter. The filter's
// NoDedup turns that off. [Reader.HourlySpend] finds no such calls.
//
// A repeated line is one event: both lines have the same log.record.uid and
// equal ts, event, cost and tokens, and fewer than 4,096 other events with a uid that
// match the filter stand between them. NoDedup turns that off too. Lines without a
// uid all count.
//
// An event whose session is a default has the session that the nearest span above it names
// in the log, else the one that all events of its trace name that name one. So does a
// filter's Session.
//
// The sums are in groups by the first of by, and each of these in groups by the
// next one. Hours, days, weeks and months are those of the filter's TimeZone.
func (r *Reader) Spend(ctx context.Context, filter Filter, by ...GroupBy) (Spend, error) {
	o := spend.Options{TimeZone: filter.TimeZone, NoDedup: filter.NoDedup}
	for _, b := range by {
		o.By = append(o.By, spend.GroupBy(b))
	}
	s, err := spend.Sum(ctx, r.log, filter.internal(), o)
	if err != nil {
		return Spend{}, err
	}
	return Spend{Total: Totals(s.Total), Untimed: s.Untimed, Groups: groupsOf(s.Groups)}, nil
}

// groupsOf converts groups, nil to nil.
func groupsOf(groups []spend.Group) []Group {
	if groups == nil {
		return nil
	}
	converted := make([]Group, len(groups))
	for i, g := range groups {
		converted[i] = Group{Key: g.Key, Totals: Totals(g.Totals), Start: g.Start, Groups: groupsOf(g.Groups)}
	}
	return converted
}

// HourlySpend sums what was spent since the start of the hour that was hours
// hours ago, in UTC: at 14:30, one hour means since 13:00. hours is 1 or more. It
// counts every event, at the time at which a [Budget] counts it.
//
// It is made to be asked before every call of a model. A [Reader], and so a
// [Log], remembers by the hour what it has summed up, and reads only what was
// appended since, by any process and across rotations. The first call
// reads the log as far back as it takes; so does one that asks for more hours
// than any before, and one that finds archives removed or changed in their
// order, which shows with the next line that is appended. While the active file stays as
// it is, no other file is read. An active file that was
// truncated or replaced is read again. A change in place, in a part that was
// read before, is not noticed.
//
// A repeated line counts once, as in [Reader.Spend]; two events of one call are two.
//
// Damage is logged once, when it is read, and damage in the active file's last
// line when its line feed is written.
func (r *Reader) HourlySpend(ctx context.Context, hours int) (Totals, error) {
	totals, err := r.hourly.Since(ctx, hours)
	return Totals(totals), err
}

// Period is the time from Start on and before End.
type Period struct{ Start, End time.Time }

// SpentIn returns what was spent in each of periods, as a [Budget] that is made at
// the instant now counts it: a call that is logged twice once, a negative cost as 0,
// and an event without a usable ts at the last one before it. OnDamage is that of a
// [Filter]. Errors are those of [Reader.Spend].
func (r *Reader) SpentIn(ctx context.Context, now time.Time, damage func(*DamageError), periods ...Period) ([]Totals, error) {
	var internal []spend.Period
	for _, p := range periods {
		internal = append(internal, spend.Period(p))
	}
	sums, err := spend.InPeriods(ctx, r.log, now, onDamage(damage), internal...)
	var totals []Totals
	for _, s := range sums {
		totals = append(totals, Totals(s))
	}
	return totals, err
}

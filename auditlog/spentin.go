package auditlog

import (
	"context"
	"slices"
	"time"
)

// Period is the time from Start on and before End.
type Period struct{ Start, End time.Time }

// SpentIn returns what was spent in each of periods, as a [Budget] that is made at
// the instant now counts it: a call that is logged twice once, a negative cost as 0,
// and an event without a usable ts at the last one before it. onDamage is that of a
// [Filter]. Errors are those of [Reader.Spend].
func (r *Reader) SpentIn(ctx context.Context, now time.Time, onDamage func(*DamageError), periods ...Period) ([]Totals, error) {
	if len(periods) == 0 {
		return nil, nil
	}
	var edges []time.Time
	for _, p := range periods {
		edges = append(edges, p.Start, p.End)
	}
	slices.SortFunc(edges, time.Time.Compare)
	h := hourlySpend{
		calls: newCallTally(true), onDamage: onDamage, carry: noHour,
		bounds: slotBounds{first: 1, latest: now.Add(maxAhead), edges: edges},
	}
	if err := h.updateAll(ctx, r); err != nil {
		return nil, err
	}
	totals := make([]Totals, len(periods))
	for i, p := range periods {
		totals[i] = h.total(h.bounds.slot(p.Start), h.bounds.slot(p.End))
	}
	return totals, nil
}

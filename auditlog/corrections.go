package auditlog

// callTally follows a log that grows, and says by how much sums by the hour
// that count every event are to be corrected where a line stands twice, and, with
// pairs, where two events are of one call.
type callTally struct {
	pairs       bool
	seen        recentIDs
	deduper     *deduper
	corrections slots
	first       int64 // hours before it are not summed up
}

func newCallTally(pairs bool) *callTally {
	t := &callTally{pairs: pairs, corrections: make(slots)}
	t.deduper = newDeduper(func(a, b, merged *call) {
		t.correct(a.hour, a.amounts, (*sum).remove)
		t.correct(b.hour, b.amounts, (*sum).remove)
		t.correct(merged.hour, merged.amounts, (*sum).add)
	})
	t.deduper.restore = func(a, b, merged *call) {
		t.correct(a.hour, a.amounts, (*sum).add)
		t.correct(b.hour, b.amounts, (*sum).add)
		t.correct(merged.hour, merged.amounts, (*sum).remove)
	}
	return t
}

// counted is an event that a bucket of its hour counts.
type counted struct {
	amounts

	hour     int64
	identity uint64
	call     *call // nil without usage, and without pairs
}

// add takes the next events of the log, of which those before the hour first are
// not summed up.
func (t *callTally) add(events []counted, first int64) {
	t.first = first
	for _, e := range events {
		switch {
		case e.identity != 0 && t.seen.add(e.identity):
			t.correct(e.hour, e.amounts, (*sum).remove)
		case e.call != nil:
			t.deduper.add(e.call)
		}
	}
}

func (t *callTally) correct(hour int64, a amounts, by func(*sum, amounts)) {
	if hour < t.first {
		return
	}
	if t.corrections[hour] == nil {
		t.corrections[hour] = new(sum)
	}
	by(t.corrections[hour], a)
}

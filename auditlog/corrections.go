package auditlog

// callTally follows a log that grows, and says by how much sums by the hour
// that count every event are to be corrected where two events tell of one call.
type callTally struct {
	deduper     *deduper
	corrections hourBuckets
	first       int64 // hours before it are not summed up
}

func newCallTally() *callTally {
	t := &callTally{corrections: make(hourBuckets)}
	t.deduper = newDeduper(func(a, b, merged *call) {
		t.correct(a, (*sum).remove)
		t.correct(b, (*sum).remove)
		t.correct(merged, (*sum).add)
	})
	t.deduper.restore = func(a, b, merged *call) {
		t.correct(a, (*sum).add)
		t.correct(b, (*sum).add)
		t.correct(merged, (*sum).remove)
	}
	return t
}

// add takes the next calls of the log, of which those before the hour first are
// not summed up. A nil tally takes none.
func (t *callTally) add(calls []*call, first int64) {
	if t == nil {
		return
	}
	t.first = first
	for _, c := range calls {
		t.deduper.add(c)
	}
}

func (t *callTally) correct(c *call, by func(*sum, amounts)) {
	if c.hour < t.first {
		return
	}
	if t.corrections[c.hour] == nil {
		t.corrections[c.hour] = new(sum)
	}
	by(t.corrections[c.hour], c.amounts)
}

package spend

import (
	"time"

	"github.com/otelaudit/otelaudit/internal/archive"
	"github.com/otelaudit/otelaudit/internal/scan"
)

// slots are sums by the slot, which is a part of time.
type slots map[int64]*sum

// merge adds other to s and returns it; s may be nil.
func (s slots) merge(other slots) slots {
	if s == nil {
		return other
	}
	for slot, sum := range other {
		if s[slot] == nil {
			s[slot] = sum
		} else {
			s[slot].merge(sum)
		}
	}
	return s
}

// addTo adds the slots from first on and before end to total.
func (s slots) addTo(total *sum, first, end int64) {
	for slot, sum := range s {
		if slot >= first && slot < end {
			total.merge(sum)
		}
	}
}

func (s slots) dropBefore(first int64) {
	for slot := range s {
		if slot < first {
			delete(s, slot)
		}
	}
}

// slotBounds divide time into slots.
type slotBounds struct {
	first   int64     // the first slot that is summed up
	now     int64     // the present one
	latest  time.Time // later times are not usable
	seconds int64     // of a slot
	// edges are not nil where slots have no equal length: slot i ends with the
	// instant before edges[i].
	edges []time.Time
}

func (b slotBounds) slot(t time.Time) int64 {
	if b.edges == nil {
		s := t.Unix()
		if s < 0 {
			s -= b.seconds - 1
		}
		return s / b.seconds
	}
	at := int64(0)
	for _, edge := range b.edges {
		if t.Before(edge) {
			break
		}
		at++
	}
	return at
}

// excludes reports whether an archive holds nothing for the slots.
func (b slotBounds) excludes(archive archive.Summary) bool {
	return archive.Damaged == 0 && archive.Untimed == 0 && archive.Timed && b.slot(archive.Newest) < b.first
}

// callTally corrects slots that count every event: where a line is repeated, and, with
// pairs, where two events are of one call.
type callTally struct {
	pairs       bool
	deduper     *deduper
	corrections slots
	first       int64 // slots before it are not summed up
}

func newCallTally(pairs bool) *callTally {
	t := &callTally{pairs: pairs, corrections: make(slots)}
	t.deduper = newDeduper(func(a, b, merged *call) {
		t.correct(a.slot, a.Amounts, (*sum).remove)
		t.correct(b.slot, b.Amounts, (*sum).remove)
		t.correct(merged.slot, merged.Amounts, (*sum).add)
	})
	t.deduper.restore = func(a, b, merged *call) {
		t.correct(a.slot, a.Amounts, (*sum).add)
		t.correct(b.slot, b.Amounts, (*sum).add)
		t.correct(merged.slot, merged.Amounts, (*sum).remove)
	}
	return t
}

// counted is an event that a slot counts.
type counted struct {
	scan.Amounts

	slot     int64
	identity uint64
	call     *call // nil without usage, and without pairs
}

// add takes the next events of the log. Slots before first are not summed up.
func (t *callTally) add(events []counted, first int64) {
	t.first = first
	for _, e := range events {
		switch {
		case e.identity != 0 && t.deduper.seen.add(e.identity):
			t.correct(e.slot, e.Amounts, (*sum).remove)
		case e.call != nil:
			t.deduper.add(e.call)
		}
	}
}

func (t *callTally) correct(slot int64, a scan.Amounts, by func(*sum, scan.Amounts)) {
	if slot < t.first {
		return
	}
	if t.corrections[slot] == nil {
		t.corrections[slot] = new(sum)
	}
	by(t.corrections[slot], a)
}

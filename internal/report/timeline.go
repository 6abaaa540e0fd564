package report

import (
	"maps"
	"slices"
	"time"

	"github.com/otelaudit/otelaudit/internal/calendar"
)

// step is how long a bar of a chart over time is.
type step int

const (
	minute step = iota
	fiveMinutes
	quarter
	hour
	sixHours
	day
	week
	month
	year
)

// lengths are close to how long a step is.
var lengths = [...]time.Duration{
	time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour,
	7 * 24 * time.Hour, 30 * 24 * time.Hour, 365 * 24 * time.Hour,
}

// period returns the step that t is in, in the zone of t.
func (s step) period(t time.Time) calendar.Period {
	switch s {
	case day:
		return calendar.Day(t)
	case week:
		return calendar.Week(t)
	case month:
		return calendar.Month(t)
	case year:
		return calendar.Period{
			Start: calendar.DayStart(t.Year(), time.January, 1, t.Location()),
			End:   calendar.DayStart(t.Year()+1, time.January, 1, t.Location()),
		}
	case sixHours:
		return part(calendar.Day(t), t, lengths[s], 4)
	default:
		return part(calendar.Hour(t), t, lengths[s], int(time.Hour/lengths[s]))
	}
}

// part returns the part of whole that t is in. It has most parts of one length;
// the last one is longer or shorter where clocks are turned.
func part(whole calendar.Period, t time.Time, length time.Duration, most int) calendar.Period {
	n := min(t.Sub(whole.Start)/length, time.Duration(most-1))
	p := calendar.Period{Start: whole.Start.Add(n * length), End: whole.End}
	if end := p.Start.Add(length); int(n) < most-1 && end.Before(whole.End) {
		p.End = end
	}
	return p
}

// maxCells bounds the memory of a timeline: with more of them its steps get
// longer.
const maxCells = 1 << 16

// timeline adds up events by time and model. How long its steps are depends on
// the events: as short as memory allows.
type timeline struct {
	zone  *time.Location
	step  step
	limit int // of cells
	cells map[cellKey]*cell
	marks map[int64]*marks // by the beginning of a step
	// The step of the last event: neighbours in a log are neighbours in time.
	latest calendar.Period
}

type cellKey struct {
	start int64 // seconds since 1970
	model int
}

// cell is what one model used in one step.
type cell struct {
	cost          sum
	input, output int64
}

// marks counts what happened in one step, whatever the model.
type marks struct{ events, failures, stops int64 }

func newTimeline(zone *time.Location) *timeline {
	return &timeline{zone: zone, limit: maxCells, cells: make(map[cellKey]*cell), marks: make(map[int64]*marks)}
}

func (l *timeline) start(t time.Time) int64 {
	if t.Before(l.latest.Start) || !t.Before(l.latest.End) {
		l.latest = l.step.period(t.In(l.zone))
	}
	return l.latest.Start.Unix()
}

// cell returns the cell of t and model, a new one if there is none.
func (l *timeline) cell(t time.Time, model int) *cell {
	for len(l.cells) >= l.limit && l.step < year {
		l.widen()
	}
	key := cellKey{l.start(t), model}
	c := l.cells[key]
	if c == nil && len(l.cells) >= l.limit {
		key.model = poolIndex // no longer step is left
		c = l.cells[key]
	}
	if c == nil {
		c = new(cell)
		l.cells[key] = c
	}
	return c
}

// mark returns the marks of t.
func (l *timeline) mark(t time.Time) *marks {
	for len(l.marks) >= l.limit && l.step < year {
		l.widen()
	}
	start := l.start(t)
	m := l.marks[start]
	if m == nil {
		m = new(marks)
		l.marks[start] = m
	}
	return m
}

// widen goes on with the next longer step.
func (l *timeline) widen() {
	l.step++
	l.latest = calendar.Period{}
	cells, all := l.cells, l.marks
	l.cells, l.marks = make(map[cellKey]*cell), make(map[int64]*marks)
	// In order, so that sums are rounded the same way each time.
	for _, key := range sortedKeys(cells) {
		wide := cellKey{l.start(time.Unix(key.start, 0)), key.model}
		if l.cells[wide] == nil {
			l.cells[wide] = new(cell)
		}
		l.cells[wide].merge(cells[key])
	}
	for _, start := range slices.Sorted(maps.Keys(all)) {
		wide := l.start(time.Unix(start, 0))
		if l.marks[wide] == nil {
			l.marks[wide] = new(marks)
		}
		l.marks[wide].merge(all[start])
	}
}

func (c *cell) merge(other *cell) {
	c.cost.add(other.cost.value())
	c.input = addCount(c.input, other.input)
	c.output = addCount(c.output, other.output)
}

func (m *marks) merge(other *marks) {
	m.events += other.events
	m.failures += other.failures
	m.stops += other.stops
}

// axis is the time that charts show, in steps.
type axis struct {
	step    step
	starts  []time.Time
	index   map[int64]int // of a start
	outside int64         // events that are not on it
}

const (
	minBars = 12
	maxBars = 62 // two months of days
)

// axis returns one for all events, but for those that are far from nearly all
// others: a clock that was wrong once must not press the rest into one bar.
func (l *timeline) axis() axis {
	starts := slices.Sorted(maps.Keys(l.marks))
	if len(starts) == 0 {
		return axis{}
	}
	first, last := l.bulk(starts)
	a := axis{step: l.step}
	for ; ; a.step++ {
		a.starts = a.steps(first, last, l.zone)
		if len(a.starts) <= maxBars {
			break
		}
		if a.step == year {
			a.starts = a.starts[len(a.starts)-maxBars:]
			break
		}
	}
	for before := true; len(a.starts) < minBars; before = !before {
		if before {
			a.starts = slices.Insert(a.starts, 0, a.step.period(a.starts[0].Add(-1)).Start)
		} else {
			a.starts = append(a.starts, a.step.period(a.starts[len(a.starts)-1]).End)
		}
	}
	a.index = make(map[int64]int, len(a.starts))
	for i, t := range a.starts {
		a.index[t.Unix()] = i
	}
	for start, m := range l.marks {
		if a.bar(start, l.zone) < 0 {
			a.outside += m.events
		}
	}
	return a
}

// bulk returns the first and the last step of what a chart has to show: all, or
// three times as long as the middle 99 % of the events.
func (l *timeline) bulk(starts []int64) (first, last int64) {
	var total int64
	for _, m := range l.marks {
		total += m.events
	}
	low, high, seen := starts[len(starts)-1], starts[0], int64(0)
	for _, start := range starts {
		if seen < total-total/200 {
			high = start
		}
		if seen += l.marks[start].events; seen > total/200 {
			low = min(low, start)
		}
	}
	span := max(high-low, int64(lengths[l.step]/time.Second)*minBars)
	first, last = starts[0], starts[len(starts)-1]
	for _, start := range starts {
		if start >= low-span {
			first = start
			break
		}
	}
	for _, start := range slices.Backward(starts) {
		if start <= high+span {
			last = start
			break
		}
	}
	return first, last
}

// steps returns the steps from first to last, no more than can be told to be
// too many.
func (a *axis) steps(first, last int64, zone *time.Location) []time.Time {
	var steps []time.Time
	p := a.step.period(time.Unix(first, 0).In(zone))
	for p.Start.Unix() <= last && (len(steps) <= maxBars || a.step == year) {
		steps = append(steps, p.Start)
		p = a.step.period(p.End)
	}
	return steps
}

// bar returns the index of the bar that holds a step of the timeline, -1 if
// none does.
func (a *axis) bar(start int64, zone *time.Location) int {
	if i, ok := a.index[a.step.period(time.Unix(start, 0).In(zone)).Start.Unix()]; ok {
		return i
	}
	return -1
}

package spend

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/otelaudit/otelaudit/internal/history"
	"github.com/otelaudit/otelaudit/internal/jsonline"
	"github.com/otelaudit/otelaudit/internal/scan"
)

// Running keeps sums by the slot of a log that grows. It remembers what it has summed up
// and reads only what was appended since, by any process and across rotations. It reads
// the log again as far back as it takes when a caller asks for an earlier slot than any
// before, and when archives were removed or the active file was truncated or replaced.
// It holds no file open.
//
// Acquire guards all other methods. After an error a Running has read nothing.
type Running struct {
	turn    chan struct{}
	log     *history.Log
	session string // the only one to count; empty means all

	// onDamage gets damage once, when it is met; nil: the log's logger.
	onDamage func(*scan.DamageError)
	bounds   slotBounds
	widest   int64 // number of slots before the present one that a caller asked for
	point    history.Point
	slots    slots      // of the lines before point
	tail     slots      // of the line after point, which has no line feed yet
	calls    *callTally // corrects what slots count twice
	pending  *pending   // events whose session is not known yet; nil without a session

	// watched reports that all of the log was read: a new line was appended since.
	// carry is the slot of the last usable time of a log that was not read to its end.
	// misdated are the slots of lines without a usable time that were appended while the
	// log was watched, by the hash of the line: they keep them when the log is read again.
	watched  bool
	carry    int64
	misdated map[uint64]int64
	arrivals int64 // see Arrived

	answered bool // nothing was read since the last call of Changed
}

// The lengths of slots in seconds. In all time zones days begin at a quarter of an hour of
// UTC.
const (
	SecondsPerHour    = 3600
	SecondsPerQuarter = 900
)

// A time is usable for slots if it is readable and at most maxAhead after the clock's.
const maxAhead = 5 * time.Minute

// noSlot is the slot of an event that counts in none.
const noSlot = math.MinInt64

// maxMisdated bounds Running.misdated.
const maxMisdated = 1 << 16

// NewRunning returns the sums of slots of so many seconds. With pairs a call that is
// logged twice counts once; a repeated line counts once in any case.
func NewRunning(log *history.Log, seconds int64, session string, pairs bool) *Running {
	return &Running{
		turn: make(chan struct{}, 1), log: log, session: session, carry: noSlot,
		bounds: slotBounds{seconds: seconds, first: math.MaxInt64}, calls: newCallTally(pairs),
	}
}

// Acquire waits until no other goroutine uses r. Call Release after it.
func (r *Running) Acquire(ctx context.Context) error {
	select {
	case r.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Release ends what Acquire began.
func (r *Running) Release() { <-r.turn }

// SlotOf returns the number of the slot of t.
func (r *Running) SlotOf(t time.Time) int64 { return r.bounds.slot(t) }

// Refresh reads what is new, so that Total knows the slots from first on. noLog reports
// that err is fs.ErrNotExist because there is no log.
func (r *Running) Refresh(ctx context.Context, t time.Time, first int64) (noLog bool, err error) {
	now := r.bounds.slot(t)
	err = r.refresh(ctx, t, now, first)
	if errors.Is(err, fs.ErrNotExist) {
		if other := r.missing(ctx, err); other != nil {
			return false, other
		}
		r.forget(now)
		r.watched = true
		return true, err
	}
	return false, err
}

func (r *Running) refresh(ctx context.Context, t time.Time, now, first int64) error {
	r.widest = max(r.widest, now-first)
	r.bounds.now, r.bounds.latest = now, t.Add(maxAhead)
	if first < r.bounds.first {
		if r.watched {
			if err := r.update(ctx, now); err != nil { // it finds the slots of new lines
				return err
			}
		}
		r.forget(now)
	}
	if err := r.update(ctx, now); err != nil {
		return err
	}
	r.watched = true
	r.drop(now - r.widest)
	return nil
}

// missing returns nil if there is no log, and err if there is one: then a file of it was
// removed while it was read.
func (r *Running) missing(ctx context.Context, err error) error {
	snapshot, snapshotErr := r.log.Snapshot(ctx)
	switch {
	case errors.Is(snapshotErr, fs.ErrNotExist):
		return nil
	case snapshotErr != nil:
		return snapshotErr
	}
	return errors.Join(err, snapshot.Close())
}

// Changed reports whether anything was read since the last call of Changed.
func (r *Running) Changed() bool {
	changed := !r.answered
	r.answered = true
	return changed
}

// Arrived reports whether an event of the session was appended since the first Refresh;
// without a session, whether anything was. It reports true as well once the log was read
// again because files of it were removed or replaced.
func (r *Running) Arrived() bool { return r.arrivals > 0 }

// Total sums the slots from first on and before end.
func (r *Running) Total(first, end int64) Totals {
	var total sum
	for _, s := range r.allSlots() {
		s.addTo(&total, first, end)
	}
	return total.totals()
}

func (r *Running) allSlots() [3]slots { return [3]slots{r.slots, r.tail, r.calls.corrections} }

// forget makes the next update read everything.
func (r *Running) forget(now int64) {
	if r.watched && !r.point.IsZero() {
		r.arrivals++ // whether lines were appended is not known any more
	}
	r.bounds.first = now - r.widest
	r.point, r.slots, r.tail, r.calls = history.Point{}, nil, nil, newCallTally(r.calls.pairs)
	r.watched, r.carry, r.answered = false, noSlot, false
	r.pending = nil
}

// update reads what is new.
func (r *Running) update(ctx context.Context, now int64) (err error) {
	if r.log.IsCurrent(&r.point) {
		return nil
	}
	defer func() {
		if err != nil {
			r.forget(now) // the slots hold lines of files that were not read to their end
		}
	}()
	snapshot, err := r.log.Since(ctx, &r.point)
	if errors.Is(err, history.ErrChanged) {
		r.forget(now)
		snapshot, err = r.log.Since(ctx, &r.point)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	return r.read(ctx, snapshot)
}

// read adds what snapshot holds after point, and moves point to its end. Whole lines are
// read once, a last line without line feed until it has one.
func (r *Running) read(ctx context.Context, snapshot *history.Snapshot) error {
	r.answered = false
	begin := snapshot.From()
	from, end := begin, scan.Cursor{}
	var sections []scan.Section
	var unfinished *scan.File
	for i, f := range snapshot.Files() {
		if !f.Active() {
			s := scan.Section{File: f, From: from.Offset, To: math.MaxInt64}
			if from.Offset == 0 {
				s.Skip = r.bounds.excludes
			}
			if i > 0 || !r.point.HasActive() {
				r.arrived(1) // also if skip leaves it out
			}
			sections = append(sections, s)
			from = scan.Cursor{}
			continue
		}
		whole, rest, err := f.Whole(ctx)
		if err != nil {
			return err
		}
		end = from
		if whole.Size > from.Offset {
			sections = append(sections, whole.Sections(from.Offset, whole.Size, r.log.SectionSize)...)
			end.Offset = whole.Size
		}
		if rest > 0 {
			unfinished = f
		}
		if r.session == "" && !r.point.HasRead(f) {
			r.arrived(1) // if only a part of a line
		}
	}
	report := r.onDamage
	if report == nil {
		report = r.log.LogDamage
	}
	lines, err := scan.Parallel(ctx, sections, begin.Line, r.newPart, func(p *slotPart, linesBefore int64) bool {
		p.Report(report, linesBefore)
		r.place(p, &r.carry)
		r.calls.add(p.counted, r.bounds.first)
		r.slots = r.slots.merge(p.slots)
		r.arrived(p.events)
		r.complete(p)
		return true
	})
	if err != nil {
		return err
	}
	if end.Offset > from.Offset {
		end.Line = lines
	}
	if r.tail = nil; unfinished != nil {
		if err := r.readTail(ctx, unfinished, end); err != nil {
			return err
		}
	}
	r.point, err = snapshot.Point(end)
	return err
}

// complete adds the events whose session is now known to be that of r.
func (r *Running) complete(p *slotPart) {
	if r.session == "" {
		return
	}
	if r.pending == nil {
		r.pending = new(pending)
	}
	for _, e := range p.facts.pending {
		if e.slot == noSlot { // its time is not usable
			e.slot = r.carry
			if r.watched {
				e.slot = r.bounds.now
			}
			if e.call != nil {
				e.call.slot = e.slot
			}
		}
	}
	found := r.pending.take(&p.facts, r.session)
	for _, e := range found {
		if e.slot < r.bounds.first {
			continue
		}
		if r.slots == nil {
			r.slots = make(slots)
		}
		if r.slots[e.slot] == nil {
			r.slots[e.slot] = new(sum)
		}
		r.slots[e.slot].add(e.Amounts)
		r.calls.add([]counted{e.counted}, r.bounds.first)
	}
	r.arrived(int64(len(found)))
}

// readTail sums up the line of f at from, which has no line feed yet.
func (r *Running) readTail(ctx context.Context, f *scan.File, from scan.Cursor) error {
	tail := r.newPart()
	if err := f.Scan(ctx, from, func(*scan.DamageError) {}, func(s *scan.Scanner) bool {
		tail.Event(s)
		return true
	}); err != nil {
		return err
	}
	carry := r.carry
	r.place(tail, &carry)
	r.tail = tail.slots
	r.arrived(tail.events)
	return nil
}

// drop removes the slots before first.
func (r *Running) drop(first int64) {
	if first <= r.bounds.first {
		return
	}
	r.bounds.first = first
	for _, s := range r.allSlots() {
		s.dropBefore(first)
	}
	maps.DeleteFunc(r.misdated, func(_ uint64, slot int64) bool { return slot < first })
}

// place finds slots for the events of p without a usable time: the present slot if the
// log is watched, else that of the usable time before them. carry is the slot of the last
// usable time before p, and then that of p.
func (r *Running) place(p *slotPart, carry *int64) {
	for _, m := range p.misdated {
		slot, known := r.misdated[m.line]
		switch {
		case r.watched:
			slot = r.bounds.now
			if r.misdated == nil {
				r.misdated = make(map[uint64]int64)
			}
			if len(r.misdated) < maxMisdated || known {
				r.misdated[m.line] = slot
			}
		case known:
		case m.timed:
			slot = m.last
		default:
			slot = *carry
		}
		if slot >= p.bounds.first {
			p.add(slot, m.Amounts)
		}
		if m.counted >= 0 {
			c := &p.counted[m.counted]
			if c.slot = slot; c.call != nil {
				c.call.slot = slot
			}
		}
	}
	if len(p.misdated) > 0 {
		p.counted = slices.DeleteFunc(p.counted, func(c counted) bool { return c.slot < p.bounds.first })
	}
	if p.timed {
		*carry = p.last
	}
}

// arrived counts what was appended while the log was watched.
func (r *Running) arrived(n int64) {
	if r.watched {
		r.arrivals += n
	}
}

func (r *Running) newPart() *slotPart {
	return &slotPart{bounds: r.bounds, session: r.session, pairs: r.calls.pairs}
}

// slotPart sums by the slot.
type slotPart struct {
	scan.DamageList
	bounds  slotBounds
	session string // the only one to count; empty means all
	events  int64  // of it
	slots   slots
	slot    int64 // of sum: neighbours in a log are neighbours in time
	sum     *sum
	last    int64 // the slot of the last usable time, if timed
	timed   bool

	misdated []misdated
	pairs    bool
	counted  []counted // events with an identity, or with a call
	facts    sessionFacts
}

// misdated is an event without a usable time.
type misdated struct {
	line uint64 // its hash
	scan.Amounts
	counted int   // its index in slotPart.counted, or −1
	last    int64 // slotPart.last before it, if timed
	timed   bool
}

func (p *slotPart) Event(s *scan.Scanner) {
	t, usable := jsonline.ParseTime(s.Fields[scan.FieldTime])
	slot := int64(noSlot)
	if usable = usable && !t.After(p.bounds.latest); usable {
		slot = p.bounds.slot(t)
		p.last, p.timed = slot, true
	}
	a := scan.AmountsOf(&s.Fields)
	pends := false
	if p.session != "" {
		p.facts.take(&s.Fields)
		own := scan.IsString(s.Fields[scan.FieldSession], p.session)
		if pends = !own && s.Fields.HasDefaultSession(); !own && !pends {
			return
		}
	}
	if a.SpanRecord {
		return
	}
	if !pends {
		p.events++
	}
	if usable && slot < p.bounds.first {
		return
	}
	c := counted{slot: slot, identity: scan.Identity(&s.Fields, a)}
	a.Cost = max(a.Cost, 0) // a negative cost gives back nothing that others spent
	if p.pairs {
		if c.call = callOf(&s.Fields, a); c.call != nil {
			c.call.slot = slot
		}
	}
	if pends {
		c.Amounts = a
		p.facts.pending = append(p.facts.pending, &pendingEvent{counted: c, place: s.Fields.Place()})
		return
	}
	if usable {
		p.add(slot, a)
	}
	index := -1
	if c.identity != 0 || c.call != nil {
		index = len(p.counted)
		c.Amounts = a
		p.counted = append(p.counted, c)
	}
	if !usable {
		p.misdated = append(p.misdated, misdated{maphash.Bytes(scan.HashSeed, s.Raw), a, index, p.last, p.timed})
	}
}

func (p *slotPart) add(slot int64, a scan.Amounts) {
	if p.sum == nil || p.slot != slot {
		if p.slots == nil {
			p.slots = make(slots)
		}
		if p.slots[slot] == nil {
			p.slots[slot] = new(sum)
		}
		p.slot, p.sum = slot, p.slots[slot]
	}
	p.sum.add(a)
}

// skipped stands for an archive that ends before the first slot.
func (p *slotPart) Skipped() { p.last, p.timed = noSlot, true }

func (p *slotPart) Full() bool {
	return p.DamageList.Full() || len(p.counted) >= scan.MaxMatches || len(p.misdated) >= scan.MaxMatches || p.facts.full()
}

// Period is the time from Start on and before End.
type Period struct{ Start, End time.Time }

// InPeriods returns what was spent in each of periods, as a Running that is made at the
// instant now counts it.
func InPeriods(ctx context.Context, log *history.Log, now time.Time, onDamage func(*scan.DamageError), periods ...Period) (_ []Totals, err error) {
	if len(periods) == 0 {
		return nil, nil
	}
	var edges []time.Time
	for _, p := range periods {
		edges = append(edges, p.Start, p.End)
	}
	slices.SortFunc(edges, time.Time.Compare)
	r := NewRunning(log, 0, "", true)
	r.onDamage, r.bounds = onDamage, slotBounds{first: 1, latest: now.Add(maxAhead), edges: edges}
	snapshot, err := log.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	if err := r.read(ctx, snapshot); err != nil {
		return nil, err
	}
	r.calls.deduper.end()
	totals := make([]Totals, len(periods))
	for i, p := range periods {
		totals[i] = r.Total(r.bounds.slot(p.Start), r.bounds.slot(p.End))
	}
	return totals, nil
}

// Hourly sums what was spent by the hour, in UTC.
type Hourly struct {
	running *Running
	asked   int64
	answer  Totals
}

// NewHourly returns the sums of the log.
func NewHourly(log *history.Log) *Hourly {
	return &Hourly{running: NewRunning(log, SecondsPerHour, "", false)}
}

// Since returns the totals since the start of the hour that was hours hours ago.
func (h *Hourly) Since(ctx context.Context, hours int) (Totals, error) {
	const maxHours = 1 << 20 // a time.Duration holds twice as many
	if hours < 1 || hours > maxHours {
		return Totals{}, fmt.Errorf("auditlog: sum the last %d hours: want from 1 to %d", hours, maxHours)
	}
	if err := h.running.Acquire(ctx); err != nil {
		return Totals{}, fmt.Errorf("auditlog: sum the last %d hours: %w", hours, err)
	}
	defer h.running.Release()
	now := time.Now()
	first := h.running.SlotOf(now) - int64(hours)
	if _, err := h.running.Refresh(ctx, now, first); err != nil {
		return Totals{}, err
	}
	if h.running.Changed() || h.asked != first {
		h.asked, h.answer = first, h.running.Total(first, math.MaxInt64)
	}
	return h.answer, nil
}

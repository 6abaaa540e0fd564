package auditlog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"maps"
	"math"
	"os"
	"slices"
	"time"

	"github.com/otelaudit/otelaudit/internal/archive"
	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// HourlySpend sums what was spent since the start of the hour that was hours
// hours ago, in UTC: at 14:30, one hour means since 13:00. hours is 1 or more. It
// counts every event, at the time that a [Budget] counts it at.
//
// It is made to be asked before every call of a model. A [Reader], and so a
// [Log], remembers by the hour what it has summed up, and reads only what was
// appended since, by whatever process and across rotations. The first call
// reads the log as far back as it takes; so does one that asks for more hours
// than any before, and one that finds archives removed or changed in their
// order, which shows with the next line that is appended: as long as nothing
// happens to the active file, it looks at nothing else. An active file that was
// truncated or replaced is read again. What is changed in place, in a part that was
// read before, is not noticed.
//
// A line that stands twice counts once, as in [Reader.Spend]; two events that tell
// of one call are two.
//
// Damage is logged once, when it is met, and that of the active file's last
// line when its line feed is there.
func (r *Reader) HourlySpend(ctx context.Context, hours int) (Totals, error) {
	const maxHours = 1 << 20 // a time.Duration holds twice as many
	if hours < 1 || hours > maxHours {
		return Totals{}, fmt.Errorf("auditlog: sum the last %d hours: want from 1 to %d", hours, maxHours)
	}
	select {
	case r.hourlyTurn <- struct{}{}:
		defer func() { <-r.hourlyTurn }()
	case <-ctx.Done():
		return Totals{}, fmt.Errorf("auditlog: sum the last %d hours: %w", hours, context.Cause(ctx))
	}
	now := time.Now()
	totals, err := r.hourly.since(ctx, r, now, hourOf(now)-int64(hours))
	if errors.Is(err, fs.ErrNotExist) && r.missing(ctx, err) == nil {
		r.hourly.forget(hourOf(now))
		r.hourly.watched = true
	}
	return totals, err
}

// secondsPerHour is the length of HourlySpend's buckets, and secondsPerQuarter
// that of a Budget's: in all time zones, days begin at a quarter of an hour of UTC.
const (
	secondsPerHour    = 3600
	secondsPerQuarter = 900
)

// hourOf counts hours from 1970 on.
func hourOf(t time.Time) int64 { return slotOfTime(t, secondsPerHour) }

// bucketOf counts buckets from 1970 on.
func slotOfTime(t time.Time, seconds int64) int64 {
	s := t.Unix()
	if s < 0 {
		s -= seconds - 1
	}
	return s / seconds
}

// hourlySpend is what HourlySpend remembers of a log. It holds no file open: a
// Reader has no Close, and an open file keeps Windows from rotating it. The
// zero value but for calls has read nothing. It is used by who holds the Reader's
// hourlyTurn. After an error it has read nothing.
type hourlySpend struct {
	seconds       int64              // of a bucket; 0 means an hour
	session       string             // the only one to count; empty means all
	calls         *callTally         // corrects what the buckets count twice
	onDamage      func(*DamageError) // nil: it is logged
	bounds        slotBounds
	widest        int64        // number of hours that somebody asked for
	archives      []archive.ID // that were read, oldest first
	archivedSlots slots        // what they hold
	active        activeSpend
	folder        folderState // before the archives were listed

	// watched tells that all of the log was read: a line that is new arrives now.
	// carry is the hour of the last usable time of a log that was not read to its
	// end. misdated are the hours of lines whose time is not usable and which arrived
	// while the log was watched, by the hash of the line: they keep them when the
	// log is read again.
	watched  bool
	carry    int64
	misdated map[uint64]int64
	arrivals int64 // that Budget.Arrived knows of

	// asked and answer are those of the last call, if nothing was read since.
	answered bool
	asked    int64
	answer   Totals
}

// A time is usable for sums by the hour if it is readable and not further ahead of
// the clock than maxAhead. An event without a usable time counts at another one: see
// [Budget].
const maxAhead = 5 * time.Minute

// noHour is the hour of what counts in none.
const noHour = math.MinInt64

// maxMisdated bounds hourlySpend.misdated.
const maxMisdated = 1 << 16

// activeSpend is what hourlySpend remembers of the active file.
type activeSpend struct {
	info  os.FileInfo // when it was read; nil without an active file
	read  position    // behind the last line feed that was read
	slots slots       // of the lines before it
	tail  slots       // of the line behind it, which has no line feed yet
}

// since returns the totals of the hours from first on.
func (h *hourlySpend) since(ctx context.Context, r *Reader, now time.Time, first int64) (Totals, error) {
	if err := h.refresh(ctx, r, now, first); err != nil {
		return Totals{}, err
	}
	if !h.answered || h.asked != first {
		h.answered, h.asked, h.answer = true, first, h.total(first, math.MaxInt64)
	}
	return h.answer, nil
}

// refresh reads what is new, so that total knows the hours from first on.
func (h *hourlySpend) refresh(ctx context.Context, r *Reader, t time.Time, first int64) error {
	now := slotOfTime(t, h.slotSeconds())
	h.widest = max(h.widest, now-first)
	h.bounds.now, h.bounds.latest = now, t.Add(maxAhead)
	if first < h.bounds.first || h.bounds.seconds == 0 {
		if h.watched {
			if err := h.update(ctx, r, now); err != nil { // what arrived is known then
				return err
			}
		}
		h.forget(now)
	}
	if err := h.update(ctx, r, now); err != nil {
		return err
	}
	h.watched = true
	h.drop(now - h.widest)
	return nil
}

// total sums the hours from first on and before end.
func (h *hourlySpend) total(first, end int64) Totals {
	var total sum
	for _, b := range h.allSlots() {
		b.addTo(&total, first, end)
	}
	return total.totals()
}

// buckets returns all that have to be added up.
func (h *hourlySpend) allSlots() [4]slots {
	return [4]slots{h.archivedSlots, h.active.slots, h.active.tail, h.calls.corrections}
}

func (h *hourlySpend) slotSeconds() int64 { return cmp.Or(h.seconds, secondsPerHour) }

// forget makes the next update read everything.
func (h *hourlySpend) forget(now int64) {
	bounds := h.bounds
	bounds.first, bounds.seconds = now-h.widest, h.slotSeconds()
	if h.watched && (h.active.info != nil || len(h.archives) > 0) {
		h.arrivals++ // nobody knows any more that there were none
	}
	*h = hourlySpend{
		session:  h.session,
		calls:    newCallTally(h.calls.pairs),
		onDamage: h.onDamage,
		widest:   h.widest,
		seconds:  h.seconds,
		bounds:   bounds,
		carry:    noHour,
		misdated: h.misdated,
		arrivals: h.arrivals,
	}
}

// errChanged tells that what was read before is not what is there.
var errChanged = errors.New("auditlog: the log was changed")

// update reads what is new.
func (h *hourlySpend) update(ctx context.Context, r *Reader, now int64) (err error) {
	defer func() {
		if err != nil {
			h.forget(now) // calls holds events of what was not read to its end
		}
	}()
	done, err := h.updateActive(ctx, r)
	if errors.Is(err, errChanged) {
		h.forget(now)
		done, err = false, nil
	}
	if err != nil || done {
		return err
	}
	h.answered = false
	if err = h.updateAll(ctx, r); errors.Is(err, errChanged) {
		h.forget(now)
		err = h.updateAll(ctx, r)
	}
	return err
}

// updateActive is update for the usual case, that nothing happened or that
// lines were appended to the same active file. Else it reports false.
func (h *hourlySpend) updateActive(ctx context.Context, r *Reader) (done bool, err error) {
	info, err := os.Stat(r.path)
	known := err == nil && h.active.info != nil && os.SameFile(info, h.active.info)
	if known && h.folder.known() && info.Size() == h.active.info.Size() && info.ModTime().Equal(h.active.info.ModTime()) {
		// Whoever appends or rotates changes this file. That an archive was
		// removed meanwhile shows with the next line.
		return true, nil
	}
	if folder, err := r.folderState(); err != nil || !h.folder.same(folder) {
		return false, ignoreNotExist(err)
	}
	if err != nil {
		return h.active.info == nil && errors.Is(err, fs.ErrNotExist), nil // what else it is, updateAll says
	}
	if !known {
		return false, nil
	}
	file, err := r.openActive()
	if err != nil {
		return false, ignoreNotExist(err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if info, err = file.Stat(); err != nil || !os.SameFile(info, h.active.info) {
		return false, err
	}
	h.answered = false
	f := r.newFile(r.path)
	f.active = file
	return true, h.readActive(ctx, r, f)
}

// updateAll lists the files and reads what is new in them.
func (h *hourlySpend) updateAll(ctx context.Context, r *Reader) (err error) {
	h.folder = folderState{}
	folder, err := r.folderState()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	snapshot, err := r.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	archives, active := snapshot.Files(), (*File)(nil)
	if last := archives[len(archives)-1]; last.Active() {
		archives, active = archives[:len(archives)-1], last
	}
	if err := h.readArchives(ctx, r, archives); err != nil {
		return err
	}
	if active == nil {
		if err := h.letGo(); err != nil {
			return err
		}
	} else if err := h.readActive(ctx, r, active); err != nil {
		return err
	}
	h.folder = folder
	return nil
}

// drop lets go of the hours before first.
func (h *hourlySpend) drop(first int64) {
	if first <= h.bounds.first {
		return
	}
	h.bounds.first = first
	for _, b := range h.allSlots() {
		b.dropBefore(h.bounds.first)
	}
	maps.DeleteFunc(h.misdated, func(_ uint64, hour int64) bool { return hour < first })
}

// readArchives reads those that are new. The first one of them is what was the
// active file, of which only the rest is new.
func (h *hourlySpend) readArchives(ctx context.Context, r *Reader, archives []*File) error {
	for i, id := range h.archives {
		if i >= len(archives) || archives[i].id != id {
			return errChanged
		}
	}
	archives = archives[len(h.archives):]
	if len(archives) > 0 && h.active.info != nil {
		if err := h.readRotated(ctx, archives[0]); err != nil {
			return err
		}
		archives = archives[1:]
	}
	if len(archives) == 0 {
		return nil
	}
	var sections []section
	for _, f := range archives {
		sections = append(sections, section{file: f, to: math.MaxInt64, skip: h.bounds.excludes})
	}
	read, err := h.read(ctx, r, sections, 0)
	if err != nil {
		return err
	}
	h.archivedSlots = h.archivedSlots.merge(read.buckets)
	h.carry = read.carry
	h.arrived(1) // whatever they hold
	for _, f := range archives {
		h.archives = append(h.archives, f.id)
	}
	return nil
}

// readRotated reads the rest of an archive that was the active file.
func (h *hourlySpend) readRotated(ctx context.Context, f *File) error {
	c, err := f.openArchive()
	if err != nil {
		return fmt.Errorf("auditlog: read %s: %w", f.path, err)
	}
	c.io.ctx = ctx
	at := h.active.read
	found, err := at.find(c)
	if err != nil || !found {
		if err == nil {
			err = errChanged
		}
		return errors.Join(err, c.Close())
	}
	rest := h.newPart()
	scan := newFileScan(c, Cursor{Offset: at.offset, Line: at.lines}, f.maxLine, f.logger.report)
	err = scan.all(ctx, func(s *fileScan) bool {
		rest.event(s)
		return true
	})
	if err = errors.Join(err, scan.Close()); err != nil {
		return err
	}
	h.take(rest, &h.carry)
	h.archivedSlots = h.archivedSlots.merge(h.active.slots).merge(rest.buckets)
	h.arrived(rest.events)
	h.archives = append(h.archives, f.id)
	h.active = activeSpend{}
	return nil
}

// readActive reads the active file from where it was left; from the beginning,
// if it is another one or was truncated.
func (h *hourlySpend) readActive(ctx context.Context, r *Reader, f *File) error {
	info, err := f.active.Stat()
	if err != nil {
		return fmt.Errorf("auditlog: read %s: %w", f.path, err)
	}
	f.size = info.Size()
	same := h.active.info != nil && os.SameFile(info, h.active.info)
	if same {
		if same, err = h.active.read.in(f.active); err != nil {
			return fmt.Errorf("auditlog: read %s: %w", f.path, err)
		}
	}
	if !same {
		if err := h.letGo(); err != nil {
			return err
		}
	}
	// Whole lines are read once, and what is behind them until it is one.
	end, err := jsonline.LineStart(readerAt{f.active, ctx}, f.size)
	if err != nil {
		return fmt.Errorf("auditlog: read %s: %w", f.path, err)
	}
	next := activeSpend{info: info, read: h.active.read}
	read := hoursRead{carry: h.carry}
	if from := h.active.read.offset; from < end {
		if read, err = h.read(ctx, r, f.sections(from, end, r.sectionSize), h.active.read.lines); err != nil {
			return err
		}
		if err := next.read.advance(f.active, end, read.lines); err != nil {
			return fmt.Errorf("auditlog: read %s: %w", f.path, err)
		}
	}
	if end < f.size {
		tail := h.newPart()
		if err := f.scan(ctx, Cursor{Offset: end}, func(*DamageError) {}, func(s *fileScan) bool {
			tail.event(s)
			return true
		}); err != nil {
			return err
		}
		carry := read.carry
		h.takeMisdated(tail, &carry)
		next.tail = tail.buckets
		read.events += tail.events
	}
	if h.session == "" && (h.active.info == nil || h.active.info.Size() != f.size) {
		h.arrived(1) // if only part of a line
	}
	h.arrived(read.events)
	h.carry = read.carry
	next.slots = h.active.slots.merge(read.buckets)
	h.active = next
	return nil
}

// letGo refuses an active file that is not what it was: its times, and its calls,
// cannot be told from those of other files.
func (h *hourlySpend) letGo() error {
	if h.active.info != nil {
		return errChanged
	}
	return nil
}

// folderState tells whether files were added or removed.
type folderState struct {
	modTime time.Time
	// settled tells that the time was not of just now: within the granularity
	// of a file system's times, another change would not have moved it.
	settled bool
	none    bool // nobody asks
}

const timeGranularity = 50 * time.Millisecond

// folderState returns the state of the log's folder.
func (r *Reader) folderState() (folderState, error) {
	if r.cfg.activeOnly {
		return folderState{none: true}, nil
	}
	info, err := os.Stat(r.dir)
	if err != nil {
		return folderState{}, err
	}
	t := info.ModTime()
	return folderState{modTime: t, settled: time.Since(t) > timeGranularity}, nil
}

// known reports whether the files of the folder were read to the end.
func (before folderState) known() bool { return before.none || !before.modTime.IsZero() }

// same reports whether nothing was added or removed between before and now.
func (before folderState) same(now folderState) bool {
	return before.none && now.none || before.settled && before.modTime.Equal(now.modTime)
}

// hourBuckets are sums by the hour.
type slots map[int64]*sum

// merge adds other to b and returns it; b may be nil.
func (b slots) merge(other slots) slots {
	if b == nil {
		return other
	}
	for hour, s := range other {
		if b[hour] == nil {
			b[hour] = s
		} else {
			b[hour].merge(s)
		}
	}
	return b
}

// addTo adds the hours from first on and before end to total.
func (b slots) addTo(total *sum, first, end int64) {
	for hour, s := range b {
		if hour >= first && hour < end {
			total.merge(s)
		}
	}
}

func (b slots) dropBefore(first int64) {
	for hour := range b {
		if hour < first {
			delete(b, hour)
		}
	}
}

// hourBounds say which hours have buckets.
type slotBounds struct {
	first   int64     // the first of them
	now     int64     // the present one
	latest  time.Time // later ones are ahead of the clock
	seconds int64     // of a bucket
	// edges are not nil where buckets have no equal length: bucket i ends with the
	// instant before edges[i].
	edges []time.Time
}

func (b slotBounds) slot(t time.Time) int64 {
	if b.edges == nil {
		return slotOfTime(t, b.seconds)
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

// excludes reports whether an archive holds nothing for the buckets.
func (b slotBounds) excludes(archive archive.Summary) bool {
	return archive.Damaged == 0 && archive.Untimed == 0 && archive.Timed && b.slot(archive.Newest) < b.first
}

// hoursRead is what was read of sections.
type hoursRead struct {
	buckets slots
	lines   int64 // in the last file up to the end of its section
	events  int64
	carry   int64 // behind them
}

// read reads sections that belong to one file behind lines, or to several.
func (h *hourlySpend) read(ctx context.Context, r *Reader, sections []section, lines int64) (hoursRead, error) {
	read := hoursRead{carry: h.carry}
	report := h.onDamage
	if report == nil {
		report = damageLogger{r.cfg.logger}.report
	}
	var err error
	read.lines, err = scanSections(ctx, sections, lines, h.newPart, func(p *hourPart, linesBefore int64) bool {
		p.report(report, linesBefore)
		h.take(p, &read.carry)
		read.buckets = read.buckets.merge(p.buckets)
		read.events += p.events
		return true
	})
	return read, err
}

// take completes p, which is the next part of the log.
func (h *hourlySpend) take(p *hourPart, carry *int64) {
	h.takeMisdated(p, carry)
	h.calls.add(p.counted, h.bounds.first)
}

// takeMisdated counts what has no usable time: now if the log is watched, else at
// the usable time before it. carry is that before p, and then that behind it.
func (h *hourlySpend) takeMisdated(p *hourPart, carry *int64) {
	for _, m := range p.misdated {
		hour, known := h.misdated[m.line]
		switch {
		case h.watched:
			hour = h.bounds.now
			if h.misdated == nil {
				h.misdated = make(map[uint64]int64)
			}
			if len(h.misdated) < maxMisdated || known {
				h.misdated[m.line] = hour
			}
		case known:
		case m.timed:
			hour = m.last
		default:
			hour = *carry
		}
		if hour >= p.bounds.first {
			p.add(hour, m.amounts)
		}
		if m.counted >= 0 {
			c := &p.counted[m.counted]
			if c.hour = hour; c.call != nil {
				c.call.hour = hour
			}
		}
	}
	if len(p.misdated) > 0 {
		p.counted = slices.DeleteFunc(p.counted, func(c counted) bool { return c.hour < p.bounds.first })
	}
	if p.timed {
		*carry = p.last
	}
}

// arrived counts what came while the log was watched.
func (h *hourlySpend) arrived(n int64) {
	if h.watched {
		h.arrivals += n
	}
}

func (h *hourlySpend) newPart() *hourPart {
	return &hourPart{bounds: h.bounds, session: h.session, pairs: h.calls.pairs}
}

// hourPart sums by the hour.
type hourPart struct {
	damageList
	bounds  slotBounds
	session string // the only one to count; empty means all
	events  int64  // of it
	buckets slots
	hour    int64 // of bucket: neighbours in a log are neighbours in time
	bucket  *sum
	last    int64 // the hour of the last usable time, if timed
	timed   bool

	misdated []misdated
	pairs    bool
	counted  []counted // with an identity, or a call with pairs
	values   [callKeyCount][]byte
}

// misdated is an event without a usable time.
type misdated struct {
	line uint64 // its hash
	amounts
	counted int   // its place in that list, or −1
	last    int64 // that of the part before it
	timed   bool
}

func (p *hourPart) event(s *fileScan) {
	t, usable := jsonline.ParseTime(s.fields[fieldTime])
	hour := int64(noHour)
	if usable = usable && !t.After(p.bounds.latest); usable {
		hour = p.bounds.slot(t)
		p.last, p.timed = hour, true
	}
	if p.session != "" && !isString(s.fields[fieldSession], p.session) {
		return
	}
	p.events++
	if usable && hour < p.bounds.first {
		return
	}
	a := amountsOf(&s.fields)
	c := counted{hour: hour, identity: identityOf(&s.fields, a)}
	a.cost = max(a.cost, 0) // what one event says does not give back what others spent
	if usable {
		p.add(hour, a)
	}
	place := -1
	if p.pairs {
		if c.call = callOf(s.Raw, &s.fields, a, p.values[:]); c.call != nil {
			c.call.hour = hour
		}
	}
	if c.identity != 0 || c.call != nil {
		place = len(p.counted)
		c.amounts = a
		p.counted = append(p.counted, c)
	}
	if !usable {
		p.misdated = append(p.misdated, misdated{maphash.Bytes(idSeed, s.Raw), a, place, p.last, p.timed})
	}
}

func (p *hourPart) add(hour int64, a amounts) {
	if p.bucket == nil || p.hour != hour {
		if p.buckets == nil {
			p.buckets = make(slots)
		}
		if p.buckets[hour] == nil {
			p.buckets[hour] = new(sum)
		}
		p.hour, p.bucket = hour, p.buckets[hour]
	}
	p.bucket.add(a)
}

// skipped stands for an archive that ends before the first hour.
func (p *hourPart) skipped() { p.last, p.timed = noHour, true }

func (p *hourPart) full() bool {
	return p.damageList.full() || len(p.counted) >= maxMatches || len(p.misdated) >= maxMatches
}

// missing returns nil if there is no log, which is not the same as a file of
// it that was removed while it was read: then it returns err.
func (r *Reader) missing(ctx context.Context, err error) error {
	snapshot, snapshotErr := r.Snapshot(ctx)
	switch {
	case errors.Is(snapshotErr, fs.ErrNotExist):
		return nil
	case snapshotErr != nil:
		return snapshotErr
	}
	return errors.Join(err, snapshot.Close())
}

package auditlog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"time"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// HourlySpend sums what was spent since the start of the hour that was hours
// hours ago, in UTC: at 14:30, one hour means since 13:00. hours is 1 or more.
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
	now := hourOf(time.Now())
	return r.hourly.since(ctx, r, now, now-int64(hours))
}

// secondsPerHour is the length of HourlySpend's buckets, and secondsPerQuarter
// that of a Budget's: in all time zones, days begin at a quarter of an hour of UTC.
const (
	secondsPerHour    = 3600
	secondsPerQuarter = 900
)

// hourOf counts hours from 1970 on.
func hourOf(t time.Time) int64 { return bucketOf(t, secondsPerHour) }

// bucketOf counts buckets from 1970 on.
func bucketOf(t time.Time, seconds int64) int64 {
	s := t.Unix()
	if s < 0 {
		s -= seconds - 1
	}
	return s / seconds
}

// hourlySpend is what HourlySpend remembers of a log. It holds no file open: a
// Reader has no Close, and an open file keeps Windows from rotating it. The
// zero value has read nothing. It is used by who holds the Reader's hourlyTurn.
//
// Each step of reading changes it only when it is done, so that an error
// leaves it as a log that was read less far.
type hourlySpend struct {
	seconds  int64      // of a bucket; 0 means an hour
	session  string     // the only one to count; empty means all
	calls    *callTally // counts calls that are told of twice once; nil counts events
	bounds   hourBounds
	widest   int64       // number of hours that somebody asked for
	archives []archiveID // that were read, oldest first
	archived hourBuckets // what they hold
	active   activeSpend
	folder   folderState // before the archives were listed

	// asked and answer are those of the last call, if nothing was read since.
	answered bool
	asked    int64
	answer   Totals
}

// activeSpend is what hourlySpend remembers of the active file.
type activeSpend struct {
	info    os.FileInfo // when it was read; nil without an active file
	read    position    // behind the last line feed that was read
	buckets hourBuckets // of the lines before it
	tail    hourBuckets // of the line behind it, which has no line feed yet
}

// since returns the totals of the hours from first on.
func (h *hourlySpend) since(ctx context.Context, r *Reader, now, first int64) (Totals, error) {
	if err := h.refresh(ctx, r, now, first); err != nil {
		return Totals{}, err
	}
	if !h.answered || h.asked != first {
		h.answered, h.asked, h.answer = true, first, h.total(first)
	}
	return h.answer, nil
}

// refresh reads what is new, so that total knows the hours from first on.
func (h *hourlySpend) refresh(ctx context.Context, r *Reader, now, first int64) error {
	h.widest = max(h.widest, now-first)
	if first < h.bounds.first || first > h.bounds.last && h.hasLater() || h.bounds == (hourBounds{}) {
		h.forget(now)
	}
	if !h.hasLater() {
		h.bounds.last = now + h.horizon()
	}
	if err := h.update(ctx, r, now); err != nil {
		if h.calls != nil {
			h.forget(now) // calls of what was not read to its end are counted
		}
		return err
	}
	h.drop(now - h.widest)
	return nil
}

// total sums the hours from first on.
func (h *hourlySpend) total(first int64) Totals {
	var total sum
	for _, b := range h.buckets() {
		b.addTo(&total, first)
	}
	return total.totals()
}

// buckets returns all that have to be added up.
func (h *hourlySpend) buckets() [4]hourBuckets {
	all := [4]hourBuckets{h.archived, h.active.buckets, h.active.tail}
	if h.calls != nil {
		all[3] = h.calls.corrections
	}
	return all
}

// horizonHours is how far in the future an hour has a bucket of its own.
// Events may be stamped with any time; all later ones share a bucket.
const horizonHours = 48

func (h *hourlySpend) bucketSeconds() int64 { return cmp.Or(h.seconds, secondsPerHour) }

// horizon is the number of buckets of horizonHours.
func (h *hourlySpend) horizon() int64 { return horizonHours * secondsPerHour / h.bucketSeconds() }

// hasLater reports whether there are events behind the last hour that has a
// bucket of its own.
func (h *hourlySpend) hasLater() bool {
	later := h.bounds.last + 1
	return h.archived[later] != nil || h.active.buckets[later] != nil || h.active.tail[later] != nil
}

// forget makes the next update read everything.
func (h *hourlySpend) forget(now int64) {
	*h = hourlySpend{
		session: h.session,
		calls:   h.calls,
		widest:  h.widest,
		seconds: h.seconds,
		bounds:  hourBounds{first: now - h.widest, last: now + h.horizon(), seconds: h.bucketSeconds()},
	}
	if h.calls != nil {
		h.calls = newCallTally()
	}
}

// errChanged tells that what was read before is not what is there.
var errChanged = errors.New("auditlog: the log was changed")

// update reads what is new.
func (h *hourlySpend) update(ctx context.Context, r *Reader, now int64) error {
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
	file, err := openRegular(r.path)
	if err != nil {
		return false, ignoreNotExist(err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if info, err = file.Stat(); err != nil || !os.SameFile(info, h.active.info) {
		return false, err
	}
	h.answered = false
	return true, h.readActive(ctx, r, &File{path: r.path, active: file, logger: damageLogger{r.cfg.logger}})
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
	for _, b := range h.buckets() {
		b.dropBefore(h.bounds.first)
	}
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
	buckets, _, err := h.read(ctx, r, sections, 0)
	if err != nil {
		return err
	}
	h.archived = h.archived.merge(buckets)
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
	at := h.active.read
	found, err := at.find(c)
	if err != nil || !found {
		if err == nil {
			err = errChanged
		}
		return errors.Join(err, c.Close())
	}
	rest := h.newPart()
	scan := newFileScan(c, Cursor{Offset: at.offset, Line: at.lines}, f.logger.report)
	err = scan.all(ctx, func(s *fileScan) bool {
		rest.event(s)
		return true
	})
	if err = errors.Join(err, scan.Close()); err != nil {
		return err
	}
	h.calls.add(rest.calls, h.bounds.first)
	h.archived = h.archived.merge(h.active.buckets).merge(rest.buckets)
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
	end, err := lineStart(f.active, f.size)
	if err != nil {
		return fmt.Errorf("auditlog: read %s: %w", f.path, err)
	}
	next := activeSpend{info: info, read: h.active.read}
	var buckets hourBuckets
	if from := h.active.read.offset; from < end {
		var lines int64
		if buckets, lines, err = h.read(ctx, r, f.sections(from, end, r.sectionSize), h.active.read.lines); err != nil {
			return err
		}
		if err := next.read.advance(f.active, end, lines); err != nil {
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
		next.tail = tail.buckets
	}
	next.buckets = h.active.buckets.merge(buckets)
	h.active = next
	return nil
}

// letGo lets go of an active file that is not what it was.
func (h *hourlySpend) letGo() error {
	if h.calls != nil && h.active.info != nil {
		return errChanged // its calls cannot be told from those of other files
	}
	h.active = activeSpend{}
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
type hourBuckets map[int64]*sum

// merge adds other to b and returns it; b may be nil.
func (b hourBuckets) merge(other hourBuckets) hourBuckets {
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

// addTo adds the hours from first on to total.
func (b hourBuckets) addTo(total *sum, first int64) {
	for hour, s := range b {
		if hour >= first {
			total.merge(s)
		}
	}
}

func (b hourBuckets) dropBefore(first int64) {
	for hour := range b {
		if hour < first {
			delete(b, hour)
		}
	}
}

// hourBounds say which hours have buckets: those from first to last, and one
// behind last for all later ones.
type hourBounds struct {
	first, last int64
	seconds     int64 // of a bucket
}

// excludes reports whether an archive holds nothing for the buckets.
func (b hourBounds) excludes(archive archiveSummary) bool {
	return archive.damaged == 0 && (!archive.timed || bucketOf(archive.newest, b.seconds) < b.first)
}

// read reads sections that belong to one file behind lines, or to several. It
// returns the number of lines in the last file up to the end of its section.
func (h *hourlySpend) read(ctx context.Context, r *Reader, sections []section, lines int64) (hourBuckets, int64, error) {
	var all hourBuckets
	report := damageLogger{r.cfg.logger}.report
	lines, err := scanSections(ctx, sections, lines, h.newPart, func(p *hourPart, linesBefore int64) bool {
		p.report(report, linesBefore)
		all = all.merge(p.buckets)
		h.calls.add(p.calls, h.bounds.first)
		return true
	})
	return all, lines, err
}

func (h *hourlySpend) newPart() *hourPart {
	return &hourPart{bounds: h.bounds, session: h.session, keepCalls: h.calls != nil}
}

// hourPart sums by the hour.
type hourPart struct {
	damageList
	bounds  hourBounds
	session string // the only one to count; empty means all
	buckets hourBuckets
	hour    int64 // of bucket: neighbours in a log are neighbours in time
	bucket  *sum

	keepCalls bool
	calls     []*call
	values    [callKeyCount][]byte
}

func (p *hourPart) event(s *fileScan) {
	if p.session != "" && !isString(s.fields[fieldSession], p.session) {
		return
	}
	t, ok := jsonline.ParseTime(s.fields[fieldTime])
	if !ok {
		return
	}
	hour := min(bucketOf(t, p.bounds.seconds), p.bounds.last+1)
	if hour < p.bounds.first {
		return
	}
	if p.bucket == nil || p.hour != hour {
		if p.buckets == nil {
			p.buckets = make(hourBuckets)
		}
		if p.buckets[hour] == nil {
			p.buckets[hour] = new(sum)
		}
		p.hour, p.bucket = hour, p.buckets[hour]
	}
	a := amountsOf(&s.fields)
	p.bucket.add(a)
	if !p.keepCalls {
		return
	}
	if c := callOf(s.Raw, &s.fields, a, p.values[:]); c != nil {
		c.hour = hour
		p.calls = append(p.calls, c)
	}
}

func (p *hourPart) full() bool { return p.damageList.full() || len(p.calls) >= maxMatches }

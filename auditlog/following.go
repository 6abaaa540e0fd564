package auditlog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"time"
)

// Following says how to follow a log. The zero value yields every event, from
// the oldest one on.
type Following struct {
	Filter
	// Last begins with the last events that match, this many at most, and not
	// with the oldest one; their Line is 0, and damage among them is logged, as by
	// LastEvents. Less than 0 begins with the first that comes.
	Last int
	// Wait is called when every event that is there was yielded, and returns when
	// there may be more, or an error, which ends the sequence. nil waits for a quarter
	// of a second.
	Wait func(ctx context.Context) error
}

const followInterval = 250 * time.Millisecond

func (f Following) wait(ctx context.Context) error {
	if f.Wait != nil {
		return f.Wait(ctx)
	}
	timer := time.NewTimer(followInterval)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Follow yields events as Query does and goes on with those that are appended
// later, through rotations and whatever else [Snapshot.Next] follows, until ctx
// ends, whose cause is the last error then. A line is an event when its line
// feed is there. If there is no log yet, it waits for one, and yields all of it.
//
// What somebody did to the active file is logged, as information, and so is
// an archive that was removed before it was read, as a warning. Damage is told
// of when it is met.
func (r *Reader) Follow(ctx context.Context, how Following) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		f := &follower{reader: r, how: how, matcher: newMatcher(how.Filter), onDamage: r.onDamage(how.Filter), yield: yield}
		err := f.run(ctx)
		if err != nil && !errors.Is(err, errEnough) {
			yield(Entry{}, err)
		}
	}
}

// errEnough ends a follower whose reader has seen enough.
var errEnough = errors.New("auditlog: enough")

// follower is one iteration of Follow.
type follower struct {
	reader   *Reader
	how      Following
	matcher  *matcher
	onDamage func(*DamageError)
	yield    func(Entry, error) bool
	snapshot *Snapshot
	at       Cursor // behind what was read of the last file of snapshot
}

func (f *follower) run(ctx context.Context) (err error) {
	if err := f.begin(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.snapshot.Close()) }()
	for {
		if err := f.snapshot.Remember(f.at); err != nil {
			return err
		}
		if err := f.how.wait(ctx); err != nil {
			return err
		}
		next, err := f.snapshot.Next(ctx, f.at)
		if err != nil {
			return err
		}
		f.snapshot = next
		f.tellChange()
		if err := f.readNew(ctx); err != nil {
			return err
		}
	}
}

// begin takes the first snapshot and yields what is there.
func (f *follower) begin(ctx context.Context) (err error) {
	existed := true
	for f.snapshot == nil {
		f.snapshot, err = f.reader.Snapshot(ctx)
		switch {
		case err == nil:
		case !errors.Is(err, fs.ErrNotExist):
			return err
		default:
			if existed {
				f.reader.cfg.logger.Info("auditlog: there is no log yet; waiting for it", slog.String("path", f.reader.path))
			}
			existed = false
			if err := f.how.wait(ctx); err != nil {
				return err
			}
		}
	}
	if !existed {
		err = f.readNew(ctx)
	} else {
		err = f.readBefore(ctx)
	}
	if err != nil {
		err = errors.Join(err, f.snapshot.Close())
	}
	return err
}

// readBefore yields what there is before the end of the first snapshot's last
// whole line.
func (f *follower) readBefore(ctx context.Context) error {
	before := &Snapshot{reader: f.reader, files: f.snapshot.files}
	if n := len(before.files) - 1; before.files[n].Active() {
		whole, _, err := before.files[n].Whole(ctx)
		if err != nil {
			return err
		}
		before.files = before.files[:n:n]
		if f.at.Offset = whole.size; whole.size > 0 {
			before.files = append(before.files, whole)
		}
	}
	lines, err := f.readAll(ctx, before)
	if f.at.Offset > 0 {
		f.at.Line = lines
	}
	return err
}

// readAll yields what is asked for of s, which ends in a whole line. It returns
// the number of lines in the last file, if that is the active one.
func (f *follower) readAll(ctx context.Context, s *Snapshot) (lines int64, err error) {
	if f.how.Last == 0 {
		more := true
		newPart := func() *matches { return &matches{selection: selection{matcher: f.matcher}} }
		lines, err := parallelScanLines(ctx, f.reader, s, f.matcher, newPart, func(p *matches, onDamage func(*DamageError), linesBefore int64) bool {
			more = p.yield(f.yield, onDamage, linesBefore)
			return more
		})
		if err == nil && !more {
			err = errEnough
		}
		return lines, err
	}
	last, err := s.last(ctx, max(f.how.Last, 0), f.matcher)
	if err != nil {
		return 0, err
	}
	for _, e := range last {
		if !f.yield(e, nil) {
			return 0, errEnough
		}
	}
	if f.at.Offset == 0 {
		return 0, nil
	}
	file := s.files[len(s.files)-1]
	at, err := lineOf(file.active, file.size)
	if err != nil {
		return 0, fmt.Errorf("auditlog: read %s: %w", file.path, err)
	}
	return at.Line, nil
}

// readNew yields what matches in the files of the snapshot.
func (f *follower) readNew(ctx context.Context) error {
	from := f.snapshot.From()
	for _, file := range f.snapshot.files {
		behind, err := f.readFile(ctx, file, from)
		if errors.Is(err, fs.ErrNotExist) && !file.isOpen() {
			// To go on is better than to be stopped by whoever tidies up.
			f.reader.cfg.logger.Warn("auditlog: an archive was removed before it was read", slog.String("archive", file.path))
			err = nil
		}
		if err != nil {
			return err
		}
		f.at, from = behind, Cursor{}
	}
	return nil
}

// readFile yields what matches in the whole lines of file behind from, and
// returns the place behind them.
func (f *follower) readFile(ctx context.Context, file *File, from Cursor) (_ Cursor, err error) {
	if file.Active() {
		if file.size <= from.Offset {
			return from, nil
		}
		if file, _, err = file.Whole(ctx); err != nil {
			return from, err
		}
		if file.size <= from.Offset {
			return from, nil
		}
	}
	s, err := file.openScan(ctx, from, f.onDamage)
	if err != nil {
		return from, err
	}
	s.lines.limit = s.limit
	more := true
	err = s.all(ctx, func(s *fileScan) bool {
		if matches, _ := f.matcher.matches(&s.fields); matches {
			more = f.yield(s.Entry, nil)
		}
		return more
	})
	behind := Cursor{Offset: s.lines.offset, Line: s.number}
	if err = errors.Join(err, s.Close()); err == nil && !more {
		err = errEnough
	}
	return behind, err
}

// tellChange logs what somebody did to the active file.
func (f *follower) tellChange() {
	logger, path := f.reader.cfg.logger, slog.String("path", f.reader.path)
	switch f.snapshot.change {
	case Truncated:
		logger.Info("auditlog: the active file was truncated; going on where it changed", path, slog.Int64("offset", f.snapshot.from.Offset))
	case Left:
		logger.Info("auditlog: another active file has taken the place of the one before", path)
	case Copied:
		logger.Info("auditlog: the active file was brought back or repaired by its writer; going on in it", path)
	case Unchanged, Rotated:
	}
}

package history

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/otelaudit/otelaudit/internal/scan"
)

// Following says how to follow a log. The zero value yields every event, from
// the oldest one on.
type Following struct {
	scan.Filter
	// Last begins with the last events that match, this many at most, and not
	// with the oldest one; their Line is 0, and damage among them is logged, as by
	// Last. Less than 0 begins with the next event that is appended.
	Last int
	// Wait is called when every event was yielded, and returns when
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

// Follow calls yield as Query does, and goes on with events that are appended later, until
// ctx ends. A line is an event when its line feed is written. Without a log it waits for
// one.
func (l *Log) Follow(ctx context.Context, how Following, yield func(scan.Entry, error) bool) {
	f := &follower{log: l, how: how, matcher: scan.NewMatcher(how.Filter), onDamage: l.onDamage(how.Filter), yield: yield}
	if err := f.run(ctx); err != nil && !errors.Is(err, errEnough) {
		yield(scan.Entry{}, err)
	}
}

// errEnough ends a follower whose yield returned false.
var errEnough = errors.New("auditlog: enough")

// follower is one iteration of Follow.
type follower struct {
	log      *Log
	how      Following
	matcher  *scan.Matcher
	onDamage func(*scan.DamageError)
	yield    func(scan.Entry, error) bool
	snapshot *Snapshot
	at       scan.Cursor // after what was read of the last file of snapshot
	// sessions completes sessions by the lines before the first snapshot's end, if one of
	// them needed it, and by those that were read after it.
	sessions completer
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
		f.logChange()
		if err := f.readNew(ctx); err != nil {
			return err
		}
	}
}

// begin takes the first snapshot and yields its events.
func (f *follower) begin(ctx context.Context) (err error) {
	existed := true
	for f.snapshot == nil {
		f.snapshot, err = f.log.Snapshot(ctx)
		switch {
		case err == nil:
		case !errors.Is(err, fs.ErrNotExist):
			return err
		default:
			if existed {
				f.log.Logger.Info("auditlog: there is no log yet; waiting for it", slog.String("path", f.log.Path))
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

// readBefore yields the events before the end of the first snapshot's last whole line.
func (f *follower) readBefore(ctx context.Context) error {
	before := &Snapshot{log: f.log, files: f.snapshot.files, sessions: &f.sessions}
	if n := len(before.files) - 1; before.files[n].Active() {
		whole, _, err := before.files[n].Whole(ctx)
		if err != nil {
			return err
		}
		before.files = before.files[:n:n]
		if f.at.Offset = whole.Size; whole.Size > 0 {
			before.files = append(before.files, whole)
		}
	}
	lines, err := f.readAll(ctx, before)
	if f.at.Offset > 0 {
		f.at.Line = lines
	}
	return err
}

// readAll yields the events of s that Following asks for; s ends in a whole line. It
// returns the number of lines in the last file, if that is the active one.
func (f *follower) readAll(ctx context.Context, s *Snapshot) (lines int64, err error) {
	if f.how.Last == 0 {
		more := true
		newPart := func() *Matches { return &Matches{Selection: scan.Selection{Matcher: f.matcher}} }
		lines, err := parallelScanLines(ctx, f.log, s, f.matcher, newPart, func(p *Matches, onDamage func(*scan.DamageError), linesBefore int64) bool {
			more = p.Yield(f.yield, onDamage, linesBefore)
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
	at, err := lineOf(file.Handle, file.Size)
	if err != nil {
		return 0, fmt.Errorf("auditlog: read %s: %w", file.Path, err)
	}
	return at.Line, nil
}

// readNew yields the events that match in the files of the snapshot.
func (f *follower) readNew(ctx context.Context) error {
	from := f.snapshot.From()
	for _, file := range f.snapshot.files {
		after, err := f.readFile(ctx, file, from)
		if errors.Is(err, fs.ErrNotExist) && !file.IsOpen() {
			// Old archives may be removed at any time: go on with the next file.
			f.log.Logger.Warn("auditlog: an archive was removed before it was read", slog.String("archive", file.Path))
			err = nil
		}
		if err != nil {
			return err
		}
		f.at, from = after, scan.Cursor{}
	}
	return nil
}

// readFile yields the events that match in the whole lines of file from the place from
// on. It returns the place after them.
func (f *follower) readFile(ctx context.Context, file *scan.File, from scan.Cursor) (_ scan.Cursor, err error) {
	if file.Active() {
		if file.Size <= from.Offset {
			return from, nil
		}
		if file, _, err = file.Whole(ctx); err != nil {
			return from, err
		}
		if file.Size <= from.Offset {
			return from, nil
		}
	}
	s, err := file.Open(ctx, from, f.onDamage)
	if err != nil {
		return from, err
	}
	more, sessions := true, f.matcher.NeedsSessions()
	if sessions {
		f.matcher.Complete = f.sessions.sessions.Complete
	}
	err = s.All(ctx, func(s *scan.Scanner) bool {
		if sessions {
			f.sessions.sessions.Take(&s.Fields)
		}
		if matches, _ := f.matcher.Matches(&s.Fields); matches {
			more = f.yield(s.Entry, nil)
		}
		return more
	})
	after := s.At()
	if err = errors.Join(err, s.Close()); err == nil && !more {
		err = errEnough
	}
	return after, err
}

// logChange logs what became of the active file.
func (f *follower) logChange() {
	logger, path := f.log.Logger, slog.String("path", f.log.Path)
	switch f.snapshot.change {
	case Truncated:
		logger.Info("auditlog: the active file was truncated; continuing where it changed", path, slog.Int64("offset", f.snapshot.from.Offset))
	case Left:
		logger.Info("auditlog: another active file has taken the place of the one before", path)
	case Copied:
		logger.Info("auditlog: the active file was brought back or repaired by its writer; going on in it", path)
	case Unchanged, Rotated:
	}
}

package history

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/otelaudit/otelaudit/internal/archive"
	"github.com/otelaudit/otelaudit/internal/jsonline"
	"github.com/otelaudit/otelaudit/internal/scan"
)

// Change is what became of the active file of a snapshot in the next one.
type Change int

const (
	// Unchanged means: it is still the active file, and may have grown.
	Unchanged Change = iota
	// Rotated means: it is an archive. It is read to its end, and others follow.
	Rotated
	// Copied means: another file has taken its place and holds all that was read of it.
	// Reading goes on there. A writer restored or repaired it.
	Copied
	// Left means: it was moved or removed, and another file is at the path. It is read to its
	// end, and others follow.
	Left
	// Truncated means: it is shorter than the part that was read, or that part has other
	// content. Reading goes on where it changed, or up to 4 KiB before that.
	Truncated
)

func (c Change) String() string {
	switch c {
	case Unchanged:
		return "unchanged"
	case Rotated:
		return "rotated"
	case Copied:
		return "copied"
	case Left:
		return "left"
	case Truncated:
		return "truncated"
	}
	return fmt.Sprintf("Change(%d)", int(c))
}

// From returns the place in the first of Files where reading begins. It is zero but for
// snapshots of [Snapshot.Next] and [Log.Since].
func (s *Snapshot) From() scan.Cursor { return s.from }

// Change returns what became of the active file of the snapshot before s. It is Unchanged
// but for snapshots of [Snapshot.Next].
func (s *Snapshot) Change() Change { return s.change }

// Next returns the files to read after s. at is the place after what was read of the
// active file, which is the last one of s.Files. A reader that follows a log does this,
// again and again:
//
//	read s.Files(), the first one from s.From(), the others from the beginning
//	s.Remember(at)
//	wait for a change, or a moment
//	s, err = s.Next(ctx, at)
//
// If s has an active file, the first file of the next snapshot continues it: the same
// file, longer perhaps; or the same file, complete, with Active false, followed by all
// files that began later; or a copy of it that a writer made. So no line is missed, and
// none is read twice, through rotations, compression, and the removal, moving or repair
// of the active file. Without an active file in s, the files are the new ones. A last
// line without line feed must not be counted as read while its file is Active.
//
// A truncated file is shorter than what was read, or has other content there: then Change
// is Truncated, From is before at, and some lines may come again.
//
// Next takes over the open files of s: after it, use and close the new snapshot, and not
// s. An error, one of I/O or of ctx, leaves s as it was, and Next may be called again. It
// must not be called while another goroutine uses s.
func (s *Snapshot) Next(ctx context.Context, at scan.Cursor) (*Snapshot, error) {
	next, err := s.next(ctx, at)
	if err != nil {
		return nil, fmt.Errorf("auditlog: follow the log %s: %w", s.log.Path, err)
	}
	if s.left != nil {
		// It was read to its end.
		if err := s.left.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			s.left = nil
			return nil, errors.Join(fmt.Errorf("auditlog: %w", err), next.letGo(s.active))
		}
	}
	s.active, s.left = nil, nil
	return next, nil
}

// letGo closes the open file of s unless it is keep.
func (s *Snapshot) letGo(keep *os.File) error {
	if s.active == keep {
		return nil
	}
	return closeFile(s.active)
}

// Remember takes checksums of the active file up to at. By them Next notices a truncation
// after which the file grew beyond at again. Next calls Remember too, but a truncation
// while the reader waits shows by the length only then. It reads again what was read
// since the last call. An error is one of I/O.
func (s *Snapshot) Remember(at scan.Cursor) error {
	if s.active == nil {
		return nil
	}
	if err := s.fingerprint.extend(s.active, at.Offset); err != nil {
		return fmt.Errorf("auditlog: read %s: %w", s.log.Path, err)
	}
	return nil
}

func (s *Snapshot) next(ctx context.Context, at scan.Cursor) (*Snapshot, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if s.active != nil {
		if still, err := s.log.isActive(s.active); err != nil {
			return nil, err
		} else if still {
			return s.grown(at)
		}
	}
	archives, active, err := listConsistent(ctx, s.log)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	known := make(map[archive.ID]bool, len(s.known))
	for _, id := range s.known {
		known[id] = true
	}
	archives = slices.DeleteFunc(archives, func(a listedArchive) bool { return known[a.id] })
	next, err := s.succeed(ctx, at, archives, active)
	if err != nil {
		return nil, errors.Join(err, closeFile(active))
	}
	if next.active == active {
		next.unlisted, next.known = false, slices.Clip(s.known)
		for _, a := range archives {
			next.known = append(next.known, a.id)
		}
		return next, nil
	}
	return next, closeFile(active)
}

// grown returns the snapshot of an active file that stays in its place.
func (s *Snapshot) grown(at scan.Cursor) (*Snapshot, error) {
	f, err := s.log.Active(s.active)
	if err != nil {
		return nil, err
	}
	next := &Snapshot{log: s.log, files: []*scan.File{f}, active: s.active, known: s.known, unlisted: s.unlisted}
	return next, next.goOn(s, f, at)
}

// goOn sets the place in f, which was the active file of before, where reading goes on.
func (s *Snapshot) goOn(before *Snapshot, f *scan.File, at scan.Cursor) error {
	agreed, err := before.fingerprint.agrees(f.Handle)
	if err != nil {
		return err
	}
	s.from, s.fingerprint = at, before.fingerprint
	if intact := agreed == before.fingerprint.to && at.Offset <= f.Size; !intact {
		s.change = Truncated
		if s.from, err = lineOf(f.Handle, min(agreed, at.Offset, f.Size)); err != nil {
			return err
		}
		s.fingerprint = fingerprint{}
	}
	return s.fingerprint.extend(f.Handle, s.from.Offset)
}

// lineOf returns the beginning of the line that the byte at offset, or the one before it,
// belongs to.
func lineOf(src io.ReaderAt, offset int64) (at scan.Cursor, err error) {
	if at.Offset, err = jsonline.LineStart(src, offset); err != nil {
		return at, err
	}
	buf := make([]byte, scan.ReadSize)
	for read := int64(0); read < at.Offset; {
		n, err := readUpTo(src, buf, read, at.Offset)
		if err != nil {
			return at, err
		}
		if n == 0 {
			break // it was truncated again; the next call of Next finds that
		}
		at.Line += int64(bytes.Count(buf[:n], []byte{'\n'}))
		read += int64(n)
	}
	return at, nil
}

// succeed returns the snapshot after s when the active file of s is not at the path.
// archives and active are the files that s does not know.
func (s *Snapshot) succeed(ctx context.Context, at scan.Cursor, archives []listedArchive, active *os.File) (*Snapshot, error) {
	if s.active == nil {
		return s.log.newSnapshot(archives, active)
	}
	old, err := s.log.Active(s.active)
	if err != nil {
		return nil, err
	}
	if active != nil {
		// A rotation that failed gives the file its name back.
		if back, err := sameOpen(active, s.active); err != nil || back {
			next, growErr := s.grown(at)
			return next, errors.Join(err, growErr)
		}
	}
	for i, a := range archives {
		is, err := s.log.isArchive(a, s.active, true)
		if err != nil {
			return nil, err
		}
		if is {
			f := s.log.Archive(a.id, a.plain)
			old.Path, old.Other, old.ID = f.Path, f.Other, f.ID
			return s.leave(old, at, Rotated, archives[i+1:], active)
		}
	}
	if s.unlisted {
		archives = nil // the reader leaves out the archives before s
	}
	if i, err := s.findCopy(ctx, at, old, archives, active); err != nil {
		return nil, err
	} else if i >= 0 {
		next, err := s.log.newSnapshot(archives[i:], active)
		if err != nil {
			return nil, err
		}
		next.from, next.change, next.left = at, Copied, s.active
		if i == len(archives) {
			err = next.fingerprint.extend(active, at.Offset)
		}
		return next, err
	}
	if len(archives) == 0 && active == nil {
		return s.grown(at) // writers use it until there is another one
	}
	return s.leave(old, at, Left, archives, active)
}

func sameOpen(a, b *os.File) (bool, error) {
	first, err := a.Stat()
	if err != nil {
		return false, err
	}
	second, err := b.Stat()
	return err == nil && os.SameFile(first, second), err
}

// leave returns the snapshot in which old, the active file of s, is complete, and
// archives and active follow it.
func (s *Snapshot) leave(old *scan.File, at scan.Cursor, change Change, archives []listedArchive, active *os.File) (*Snapshot, error) {
	next, err := s.log.newSnapshot(archives, active)
	if err != nil {
		return nil, err
	}
	old.Complete = true
	next.files = slices.Insert(next.files, 0, old)
	next.left, next.change = s.active, change
	where := Snapshot{change: change}
	if err := where.goOn(s, old, at); err != nil {
		return nil, err
	}
	next.from, next.change = where.from, where.change
	return next, nil
}

// findCopy returns the index of the archive that begins with what was read of old, the
// active file of s; with nothing read, with all of old. len(archives) stands for active.
// It returns -1 if no file does.
func (s *Snapshot) findCopy(ctx context.Context, at scan.Cursor, old *scan.File, archives []listedArchive, active *os.File) (int, error) {
	seen, to := s.fingerprint, at.Offset
	if to == 0 {
		to = old.Size
	}
	if err := seen.extend(s.active, to); err != nil {
		return -1, err
	}
	if to == 0 || seen.to < to {
		return -1, nil // old was truncated
	}
	for i, a := range archives {
		is, err := copied(ctx, &seen, s.log.Archive(a.id, a.plain))
		if err != nil || is {
			return i, err
		}
	}
	if active == nil {
		return -1, nil
	}
	is, err := seen.begins(io.NewSectionReader(active, 0, seen.to))
	if err != nil || !is {
		return -1, err
	}
	return len(archives), nil
}

// copied reports whether the archive f begins with what was seen.
func copied(ctx context.Context, seen *fingerprint, f *scan.File) (_ bool, err error) {
	c, err := f.Content(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	is, err := seen.begins(c)
	if err != nil && c.Fault() == nil {
		err = nil // the compressed bytes are damaged before seen.to
	}
	return is, err
}

package history

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/otelaudit/otelaudit/internal/archive"
	"github.com/otelaudit/otelaudit/internal/scan"
	"github.com/otelaudit/otelaudit/internal/vfs"
)

// sections splits the files of s, in their order.
func (s *Snapshot) sections(size int64) []scan.Section {
	var list []scan.Section
	for _, f := range s.files {
		if f.Handle == nil || f.Size <= size {
			list = append(list, scan.Section{File: f, To: math.MaxInt64})
			continue
		}
		list = append(list, f.Sections(0, f.Size, size)...)
	}
	return list
}

// Snapshot is the list of a log's files at one moment. Appends and rotations
// do not change what is read through it: no event is
// missing and none is there twice. Close it after use. It is safe for
// concurrent use, [Snapshot.Next] and [Snapshot.Remember] excepted.
type Snapshot struct {
	log    *Log
	files  []*scan.File
	active *os.File // nil without an active file

	sessions *completer // nil until it is needed

	// For Next.
	known       []archive.ID // of the archives that are older than active
	unlisted    bool         // known is empty because the reader leaves out archives
	fingerprint fingerprint  // of active
	left        *os.File     // was active in the snapshot before this one
	from        scan.Cursor
	folder      folderState // before the archives were listed, for Point
	head        Span        // of the first file, after Since
	change      Change
}

// Files returns the files in the order in which they were written: archives,
// oldest first, then the active file.
func (s *Snapshot) Files() []*scan.File { return s.files }

// Close closes the open files of s; nothing can be read through s after it. Further calls
// do nothing.
func (s *Snapshot) Close() error {
	var errs []error
	for _, f := range []*os.File{s.active, s.left} {
		if err := closeFile(f); err != nil && !errors.Is(err, os.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("auditlog: %w", err)
	}
	return nil
}

// Snapshot returns the files of the log as they are now. Without an active
// file and archives the error is fs.ErrNotExist.
func (l *Log) Snapshot(ctx context.Context) (*Snapshot, error) {
	s, err := l.snapshot(ctx)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("auditlog: no log at %s: check the path, or append a first event: %w", l.Path, fs.ErrNotExist)
	case err != nil:
		return nil, fmt.Errorf("auditlog: read the log %s: %w", l.Path, err)
	}
	return s, nil
}

func (l *Log) snapshot(ctx context.Context) (_ *Snapshot, err error) {
	var archives []listedArchive
	var active *os.File
	if l.activeOnly {
		active, err = l.openActive()
	} else {
		archives, active, err = listConsistent(ctx, l)
	}
	if err != nil {
		return nil, err
	}
	s, err := l.newSnapshot(archives, active)
	if err != nil {
		return nil, errors.Join(err, closeFile(active))
	}
	return s, nil
}

// folder is what listConsistent reads: a [Log], and in tests one whose files are rotated
// at each step.
type folder interface {
	// openActive returns fs.ErrNotExist if there is none, as between the steps
	// of a rotation.
	openActive() (*os.File, error)
	// listArchives returns the archives, oldest first.
	listArchives() ([]listedArchive, error)
	// isActive reports whether the path of the active file leads to f.
	isActive(f *os.File) (bool, error)
	// isArchive reports whether a is what was the active file f. With deep it
	// also recognises a compressed one, by its content.
	isArchive(a listedArchive, f *os.File, deep bool) (bool, error)
}

// maxListings bounds the attempts. Even while files rotate all the time, the
// first or the second one succeeds. More are needed only if a program
// replaces the active file again and again.
const maxListings = 1000

// listConsistent returns the active file and the archives written before it. The
// folder may change meanwhile:
//
//	open the active file
//	list the archives, twice
//	is the open file still the active one?
//
// An archive that was made before the file was opened is in one of the lists
// at least: a list can only miss it while its plain form gives way to its
// compressed one, and that happens once. If the open file is still the active
// one, no archive was made since. Else the file is an archive itself by now:
// it, and what follows it, is left out of the list and read through the open
// file as it was.
func listConsistent(ctx context.Context, dir folder) ([]listedArchive, *os.File, error) {
	var known []listedArchive // made before the active file was opened
	for range maxListings {
		if err := context.Cause(ctx); err != nil {
			return nil, nil, err
		}
		archives, active, consistent, err := tryList(dir, known)
		if err != nil || consistent {
			return archives, active, err
		}
		known = archives
	}
	return nil, nil, errors.New("its active file keeps being replaced; try again")
}

func tryList(dir folder, known []listedArchive) (archives []listedArchive, active *os.File, consistent bool, err error) {
	active, err = dir.openActive()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, false, err
	}
	defer func() {
		if err != nil || !consistent {
			err = errors.Join(err, closeFile(active))
			active = nil
		}
	}()
	first, err := dir.listArchives()
	if err != nil {
		return nil, active, false, err
	}
	second, err := dir.listArchives()
	if err != nil {
		return nil, active, false, err
	}
	archives = union(first, second)
	if active == nil {
		// An archive may be younger than this attempt. Without an active file
		// none is, if none was added.
		if !sameArchives(first, second) {
			return archives, nil, false, nil
		}
		if appeared, err := dir.openActive(); !errors.Is(err, fs.ErrNotExist) {
			return archives, nil, false, errors.Join(err, closeFile(appeared))
		}
		if len(archives) == 0 {
			return nil, nil, false, fs.ErrNotExist
		}
		return archives, nil, true, nil
	}
	if still, err := dir.isActive(active); err != nil || still {
		return archives, active, still, err
	}
	for i, a := range slices.Backward(archives) {
		if _, old := slices.BinarySearchFunc(known, a.id, listedArchive.compareID); old {
			break
		}
		// Two files may hold the same content, so it is compared only where an
		// attempt before this one leaves few that it can be.
		if is, err := dir.isArchive(a, active, known != nil); err != nil {
			return nil, active, false, err
		} else if is {
			return archives[:i], active, true, nil
		}
	}
	return archives, active, false, nil
}

func closeFile(f *os.File) error {
	if f == nil {
		return nil
	}
	return f.Close()
}

// newSnapshot returns a snapshot that closes active.
func (l *Log) newSnapshot(archives []listedArchive, active *os.File) (*Snapshot, error) {
	s := &Snapshot{log: l, active: active, unlisted: l.activeOnly, files: make([]*scan.File, 0, len(archives)+1)}
	for _, a := range archives {
		s.files = append(s.files, l.Archive(a.id, a.plain))
		s.known = append(s.known, a.id)
	}
	if active != nil {
		f, err := l.Active(active)
		if err != nil {
			return nil, err
		}
		s.files = append(s.files, f)
	}
	return s, nil
}

// listedArchive is an archive in the log's folder.
type listedArchive struct {
	id archive.ID
	// plain reports whether the uncompressed form exists, perhaps with the compressed
	// one: the plain form is removed only when the other one is verified.
	plain bool
}

// compare orders archives as they were written, plain forms first.
func (a listedArchive) compare(b listedArchive) int {
	switch c := a.id.Compare(b.id); {
	case c != 0 || a.plain == b.plain:
		return c
	case a.plain:
		return -1
	}
	return 1
}

func (a listedArchive) compareID(id archive.ID) int { return a.id.Compare(id) }

// listArchives returns the archives, oldest first.
func (l *Log) listArchives() ([]listedArchive, error) {
	entries, err := os.ReadDir(l.Dir)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return nil, err
	}
	var list []listedArchive
	for _, e := range entries {
		// A link to a file, or a FIFO, of such a name shows as damage when it is read.
		if id, compressed, ok := archive.Parse(l.Stem, e.Name()); ok && !e.IsDir() && !l.isLinkToFolder(e) {
			list = append(list, listedArchive{id, !compressed})
		}
	}
	slices.SortFunc(list, listedArchive.compare)
	return slices.CompactFunc(list, func(a, b listedArchive) bool { return a.id == b.id }), nil
}

// isLinkToFolder reports whether e is a link to a folder, which is no archive either.
func (l *Log) isLinkToFolder(e fs.DirEntry) bool {
	if e.Type()&fs.ModeSymlink == 0 {
		return false
	}
	info, err := os.Stat(filepath.Join(l.Dir, e.Name()))
	return err == nil && info.IsDir()
}

// sameArchives ignores the forms: compression does not move events.
func sameArchives(a, b []listedArchive) bool {
	return slices.EqualFunc(a, b, func(a, b listedArchive) bool { return a.id == b.id })
}

// union returns the archives of both lists, in order.
func union(a, b []listedArchive) []listedArchive {
	if sameArchives(a, b) {
		return b
	}
	both := slices.Concat(a, b)
	slices.SortStableFunc(both, listedArchive.compare)
	return slices.CompactFunc(both, func(a, b listedArchive) bool { return a.id == b.id })
}

func (l *Log) openActive() (*os.File, error) { return l.Beside.Open(l.Path) }

func (l *Log) isActive(f *os.File) (bool, error) {
	at, err := os.Stat(l.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	open, err := f.Stat()
	return err == nil && os.SameFile(at, open), err
}

func (l *Log) isArchive(a listedArchive, f *os.File, deep bool) (bool, error) {
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	plain := filepath.Join(l.Dir, a.id.PlainName(l.Stem))
	at, err := os.Lstat(plain)
	if err == nil && at.Mode().IsRegular() {
		return os.SameFile(at, info), nil
	}
	if !errors.Is(err, fs.ErrNotExist) && err != nil || !deep {
		return false, ignoreNotExist(err)
	}
	return l.isCompressed(plain+".gz", f, info.Size())
}

func ignoreNotExist(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// isCompressed reports whether the gzip file at path holds the content of f, by
// size and checksum.
func (l *Log) isCompressed(path string, f *os.File, size int64) (_ bool, err error) {
	z, err := l.Beside.Open(path)
	if _, refused := errors.AsType[*vfs.RefusedError](err); refused {
		return false, nil
	}
	if err != nil {
		return false, ignoreNotExist(err)
	}
	defer func() { err = errors.Join(err, z.Close()) }()
	info, err := z.Stat()
	if err != nil {
		return false, err
	}
	return archive.Holds(z, info.Size(), f, size)
}

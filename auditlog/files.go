package auditlog

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/klauspost/compress/gzip"
)

// Snapshot is the list of a log's files at one moment. Writers and rotations
// go on beside it without changing what is read through it: no event is
// missing and none is there twice. Close it after use. It is safe for
// concurrent use.
type Snapshot struct {
	files  []*File
	active *os.File // nil without an active file
}

// Files returns the files in the order in which they were written: archives,
// oldest first, then the active file.
func (s *Snapshot) Files() []*File { return s.files }

// Close releases the active file; nothing can be read through s after it.
// Further calls do nothing.
func (s *Snapshot) Close() error {
	if s.active == nil {
		return nil
	}
	if err := s.active.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("auditlog: %w", err)
	}
	return nil
}

// File is one file of a [Snapshot]: an archive or the active file.
type File struct {
	path   string
	logger damageLogger
	// other is the path of an archive's other form, compressed or plain:
	// while the snapshot is in use, one may take the place of the other.
	other string
	// active is the open active file, nil for an archive. It stays the same
	// file when a rotation renames it.
	active *os.File
	// size is the active file's size when the snapshot was taken. Lines that
	// begin behind it do not belong to the snapshot.
	size int64
}

// Path returns the path that the file had when the snapshot was taken.
func (f *File) Path() string { return f.path }

// Active reports whether f is the active file, to which lines are appended.
func (f *File) Active() bool { return f.active != nil }

// Content returns the uncompressed content, from the beginning. Of the active
// file it is what was there when the snapshot was taken; the last line of it
// may be incomplete. A defect of a compressed archive is an error of Read.
func (f *File) Content() (io.ReadCloser, error) {
	if f.active != nil {
		return io.NopCloser(io.NewSectionReader(f.active, 0, f.size)), nil
	}
	c, err := f.openArchive()
	if err != nil {
		return nil, fmt.Errorf("auditlog: read %s: %w", f.path, err)
	}
	return c, nil
}

// content is an open file. It tells an unreadable file, which is an error,
// from a readable one whose compressed bytes make no sense, which is damage.
type content struct {
	path   string
	file   *os.File // nil for the active file, which the snapshot closes
	io     *ioReader
	reader io.Reader // of the uncompressed bytes
}

// compressed tells whether an error of Read may be damage.
func (c *content) compressed() bool { return c.reader != io.Reader(c.io) }

func (c *content) Read(p []byte) (int, error) { return c.reader.Read(p) }

func (c *content) Close() error {
	if c.file == nil {
		return nil
	}
	return c.file.Close()
}

// ioReader keeps the error of the file below a decompressor.
type ioReader struct {
	r   io.Reader
	err error
}

func (r *ioReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

// open returns the content from offset on.
func (f *File) open(offset int64) (*content, error) {
	if f.active != nil {
		// Not bounded by size: the last line may go on behind it.
		r := &ioReader{r: io.NewSectionReader(f.active, offset, math.MaxInt64-offset)}
		return &content{path: f.path, io: r, reader: r}, nil
	}
	c, err := f.openArchive()
	if err != nil {
		return nil, err
	}
	if !c.compressed() {
		_, err = c.file.Seek(offset, io.SeekStart)
	} else if _, err = io.CopyN(io.Discard, c, offset); c.io.err == nil {
		err = nil // it is shorter, or damaged before: reading on will tell
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// openArchive opens an archive in the form it now has.
func (f *File) openArchive() (*content, error) {
	path, other := f.path, f.other
	file, err := openRegular(path)
	// Compression makes the one form before it removes the other, so that one
	// of two tries finds it; the third is for the way back.
	for i := 0; i < 2 && errors.Is(err, fs.ErrNotExist); i++ {
		path, other = other, path
		file, err = openRegular(path)
	}
	if err != nil {
		return nil, err
	}
	c := &content{path: path, file: file, io: &ioReader{r: file}}
	c.reader = c.io
	if filepath.Ext(path) == ".gz" {
		c.reader = &gzipReader{src: bufio.NewReaderSize(c.io, readSize/4)}
	}
	return c, nil
}

// gzipReader reads a gzip file of any number of members. It exists to open the
// first one within Read, where its defects belong.
type gzipReader struct {
	src *bufio.Reader
	gz  *gzip.Reader
	err error
}

func (r *gzipReader) Read(p []byte) (int, error) {
	if r.gz == nil && r.err == nil {
		r.gz, r.err = gzip.NewReader(r.src)
		if errors.Is(r.err, io.EOF) {
			r.err = io.ErrUnexpectedEOF // not even a header
		}
	}
	if r.err != nil {
		return 0, r.err
	}
	return r.gz.Read(p)
}

// openRegular opens a regular file for reading. It does not wait for the
// writer of a FIFO.
func openRegular(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) //nolint:gosec // the path is the caller's
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: path, Err: fmt.Errorf("not a regular file but %v", info.Mode().Type())}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Snapshot returns the files of the log as they are now. Without an active
// file and archives the error is fs.ErrNotExist.
func (r *Reader) Snapshot(ctx context.Context) (*Snapshot, error) {
	s, err := r.snapshot(ctx)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("auditlog: no log at %s: check the path, or append a first event: %w", r.path, fs.ErrNotExist)
	case err != nil:
		return nil, fmt.Errorf("auditlog: read the log %s: %w", r.path, err)
	}
	return s, nil
}

// maxListings bounds the attempts at finding the archives at rest. A rotation
// takes as long as its fsyncs, a listing does not.
const maxListings = 1000

func (r *Reader) snapshot(ctx context.Context) (*Snapshot, error) {
	openActive := func() (*os.File, error) { return openRegular(r.path) }
	if r.cfg.activeOnly {
		active, err := openActive()
		if err != nil {
			return nil, err
		}
		return r.newSnapshot(nil, active)
	}
	archives, active, err := settle(ctx, r.listArchives, openActive)
	if err != nil {
		return nil, err
	}
	return r.newSnapshot(archives, active)
}

// settle lists the archives, opens the active file, and lists again, until
// both lists are equal. Then no rotation made an archive of the file that is
// open, or of one before it, between the lists: what is open follows the
// archives listed. It returns no active file if there is none, as between the
// steps of a rotation.
func settle(ctx context.Context, list func() ([]archive, error), open func() (*os.File, error)) ([]archive, *os.File, error) {
	for range maxListings {
		if err := context.Cause(ctx); err != nil {
			return nil, nil, err
		}
		before, err := list()
		if err != nil {
			return nil, nil, err
		}
		active, err := open()
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, nil, err
		}
		after, err := list()
		switch {
		case err != nil:
			return nil, nil, errors.Join(err, closeFile(active))
		case !sameArchives(before, after):
			if err := closeFile(active); err != nil {
				return nil, nil, err
			}
		case active == nil && len(after) == 0:
			return nil, nil, fs.ErrNotExist
		default:
			return after, active, nil
		}
	}
	return nil, nil, errors.New("its archives keep changing; try again")
}

func closeFile(f *os.File) error {
	if f == nil {
		return nil
	}
	return f.Close()
}

func (r *Reader) newSnapshot(archives []archive, active *os.File) (*Snapshot, error) {
	s := &Snapshot{active: active, files: make([]*File, 0, len(archives)+1)}
	logger := damageLogger{r.cfg.logger}
	for _, a := range archives {
		plain := filepath.Join(r.dir, a.id.plainName(r.stem))
		f := &File{path: plain, other: plain + ".gz", logger: logger}
		if !a.plain {
			f.path, f.other = f.other, f.path
		}
		s.files = append(s.files, f)
	}
	if active != nil {
		info, err := active.Stat()
		if err != nil {
			return nil, errors.Join(err, active.Close())
		}
		s.files = append(s.files, &File{path: r.path, logger: logger, active: active, size: info.Size()})
	}
	return s, nil
}

// archive is an archive in the log's folder.
type archive struct {
	id archiveID
	// plain tells that it is there uncompressed, perhaps compressed as well:
	// the plain form is removed only when the other one is verified.
	plain bool
}

// listArchives returns the archives, oldest first.
func (r *Reader) listArchives() ([]archive, error) {
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return nil, err
	}
	var list []archive
	for _, e := range entries {
		id, compressed, ok := parseArchive(r.stem, e.Name())
		if !ok || !e.Type().IsRegular() && e.Type()&fs.ModeSymlink == 0 {
			continue
		}
		list = append(list, archive{id, !compressed})
	}
	slices.SortFunc(list, func(a, b archive) int {
		if c := a.id.compare(b.id); c != 0 || a.plain == b.plain {
			return c
		}
		if a.plain {
			return -1
		}
		return 1
	})
	return slices.CompactFunc(list, func(a, b archive) bool { return a.id == b.id }), nil
}

// sameArchives ignores the forms: compression does not move events.
func sameArchives(a, b []archive) bool {
	return slices.EqualFunc(a, b, func(a, b archive) bool { return a.id == b.id })
}

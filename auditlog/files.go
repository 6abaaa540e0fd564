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

	"github.com/klauspost/compress/gzip"

	"github.com/otelaudit/otelaudit/internal/archive"
	"github.com/otelaudit/otelaudit/internal/jsonline"
	"github.com/otelaudit/otelaudit/internal/vfs"
)

// File is one file of a [Snapshot]: an archive or the active file.
type File struct {
	path   string
	id     archive.ID // of an archive
	beside vfs.Beside // opens it
	logger damageLogger
	// maxLine is the length in bytes of the longest line.
	maxLine int
	// other is the path of an archive's other form, compressed or plain:
	// while the snapshot is in use, one may take the place of the other.
	other string
	// active is the open active file, nil for an archive. It stays the same
	// file when a rotation renames it.
	active *os.File
	// size is the active file's size when the snapshot was taken. Lines that
	// begin behind it do not belong to the snapshot.
	size int64
	// complete tells that active was the active file of the snapshot before
	// this one and is not any more.
	complete bool
}

// Path returns the path that the file had when the snapshot was taken.
func (f *File) Path() string { return f.path }

// Active reports whether f is the active file, to which lines are appended.
func (f *File) Active() bool { return f.active != nil && !f.complete }

// Whole returns f without a last line that has no line feed, and how many bytes
// of that line there are: a reader that follows the active file has no use for it
// until it ends, and would hold all of it. To find its beginning the file is read
// backwards, without being held. An error is one of I/O or of ctx. Of an archive it is f
// itself, as nothing is written to it any more.
func (f *File) Whole(ctx context.Context) (whole *File, unfinished int64, err error) {
	if !f.Active() {
		return f, 0, nil
	}
	end, err := jsonline.LineStart(readerAt{f.active, ctx}, f.size)
	if err != nil {
		return nil, 0, fmt.Errorf("auditlog: read %s: %w", f.path, err)
	}
	w := *f
	w.size = end
	return &w, f.size - end, nil
}

// isOpen reports whether f is read through a descriptor. That of a file that
// was rotated is closed when the snapshot that holds it is left behind; then it
// is an archive like any other.
func (f *File) isOpen() bool {
	if f.active == nil {
		return false
	}
	if !f.complete || f.other == "" {
		return true
	}
	_, err := f.active.Stat()
	return !errors.Is(err, os.ErrClosed)
}

// Content returns the uncompressed content, from the beginning. Of the active
// file it is what was there when the snapshot was taken; the last line of it
// may be incomplete. A defect of a compressed archive is an error of Read.
func (f *File) Content() (io.ReadCloser, error) {
	if f.isOpen() {
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
	file   *os.File // nil if somebody else closes it, or if it is refused
	io     *ioReader
	reader io.Reader // of the uncompressed bytes
}

// compressed reports whether an error of Read may be damage.
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
	ctx context.Context // ends reading; a line, or what a gzip file unpacks to, has any length
	err error
}

func (r *ioReader) Read(p []byte) (int, error) {
	if r.ctx != nil && r.ctx.Err() != nil {
		r.err = context.Cause(r.ctx)
		return 0, r.err
	}
	n, err := r.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

// readerAt is a file of which reading ends with ctx.
type readerAt struct {
	io.ReaderAt
	ctx context.Context
}

func (r readerAt) ReadAt(p []byte, off int64) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.ReaderAt.ReadAt(p, off)
}

// open returns the content from offset on. Reading it ends with ctx.
func (f *File) open(ctx context.Context, offset int64) (*content, error) {
	if f.isOpen() {
		// Not bounded by size: the last line may go on behind it.
		c := contentAt(f.path, f.active, offset)
		c.io.ctx = ctx
		return c, nil
	}
	c, err := f.openArchive()
	if err != nil {
		return nil, err
	}
	c.io.ctx = ctx
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

// contentAt returns the content of a plain file that somebody else closes.
func contentAt(path string, file io.ReaderAt, offset int64) *content {
	r := &ioReader{r: io.NewSectionReader(file, offset, math.MaxInt64-offset)}
	return &content{path: path, io: r, reader: r}
}

// openArchive opens an archive in the form it now has. The content of a file that is
// refused, because it is a link for example, is damage: reading goes on after it.
func (f *File) openArchive() (*content, error) {
	path, other := f.path, f.other
	file, err := f.beside.Open(path)
	var refused *vfs.RefusedError
	// Compression makes the one form before it removes the other, so that one
	// of two tries finds it; the third is for the way back. Where one form is
	// refused, the other one is the archive.
	for i := 0; i < 2 && (errors.Is(err, fs.ErrNotExist) || errors.As(err, &refused)); i++ {
		path, other = other, path
		file, err = f.beside.Open(path)
	}
	if refused != nil && (errors.Is(err, fs.ErrNotExist) || errors.As(err, &refused)) {
		return &content{path: refused.Path, io: new(ioReader), reader: refusedReader{refused}}, nil
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

// refusedReader is the content of a file that is not opened.
type refusedReader struct{ err *vfs.RefusedError }

func (r refusedReader) Read([]byte) (int, error) { return 0, r.err }

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

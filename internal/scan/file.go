package scan

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

// File is one file of a log: an archive or the active file.
type File struct {
	*Source
	Path string     // when the snapshot was taken
	ID   archive.ID // of an archive
	// Other is the path of an archive's other form, compressed or plain. One form may
	// take the place of the other while the snapshot is in use.
	Other string
	// Handle is the open active file, nil for an archive. It stays the same file
	// when a rotation renames it.
	Handle *os.File
	// Info and Size, in bytes, are those of Handle when the snapshot was taken. Lines
	// that begin at Size or later do not belong to the snapshot.
	Info os.FileInfo
	Size int64
	// Complete reports that Handle was the active file of the snapshot before this one
	// and is not any more.
	Complete bool
}

// Archive returns the file of an archive. isPlain reports whether its uncompressed form
// exists.
func (s *Source) Archive(id archive.ID, isPlain bool) *File {
	plain := filepath.Join(s.Dir, id.PlainName(s.Stem))
	f := &File{Source: s, ID: id, Path: plain, Other: plain + ".gz"}
	if !isPlain {
		f.Path, f.Other = f.Other, f.Path
	}
	return f
}

// Active returns the file of the open active file, with its present size.
func (s *Source) Active(handle *os.File) (*File, error) {
	info, err := handle.Stat()
	if err != nil {
		return nil, err
	}
	return &File{Source: s, Path: s.Path, Handle: handle, Info: info, Size: info.Size()}, nil
}

// Active reports whether f is the active file, to which lines are appended.
func (f *File) Active() bool { return f.Handle != nil && !f.Complete }

// Whole returns f without a last line that has no line feed, and the number of bytes of
// that line. A reader that follows the active file would hold all of the line before its
// end is written. Whole reads the file backwards and holds a few KiB. Of an archive it
// returns f: no writer appends to it. An error is one of I/O or of ctx.
func (f *File) Whole(ctx context.Context) (whole *File, unfinished int64, err error) {
	if !f.Active() {
		return f, 0, nil
	}
	end, err := jsonline.LineStart(readerAt{f.Handle, ctx}, f.Size)
	if err != nil {
		return nil, 0, fmt.Errorf("auditlog: read %s: %w", f.Path, err)
	}
	w := *f
	w.Size = end
	return &w, f.Size - end, nil
}

// IsOpen reports whether f is read through Handle. The Handle of a rotated file is closed
// with the snapshot that holds it; from then on f is read by its name.
func (f *File) IsOpen() bool {
	if f.Handle == nil {
		return false
	}
	if !f.Complete || f.Other == "" {
		return true
	}
	_, err := f.Handle.Stat()
	return !errors.Is(err, os.ErrClosed)
}

// Content returns the uncompressed content, from the beginning, and of the active file up
// to Size. A defect of a compressed archive is an error of Read. Reading ends with ctx.
func (f *File) Content(ctx context.Context) (*Content, error) {
	if f.IsOpen() {
		c := contentAt(f.Path, io.NewSectionReader(f.Handle, 0, f.Size), 0)
		c.io.ctx = ctx
		return c, nil
	}
	c, err := f.openArchive()
	if err != nil {
		return nil, fmt.Errorf("auditlog: read %s: %w", f.Path, err)
	}
	c.io.ctx = ctx
	return c, nil
}

// ReaderAt returns the file if it is not compressed, else nil.
func (c *Content) ReaderAt() io.ReaderAt {
	if src, ok := c.io.r.(io.ReaderAt); ok && !c.compressed() {
		return src
	}
	return nil
}

// Fault returns the error of reading the file, or of the context. It is nil where only
// compressed bytes are damaged.
func (c *Content) Fault() error { return c.io.err }

// Content is the uncompressed content of an open file. Fault separates a file that cannot
// be read, which is an error, from compressed bytes that are damaged.
type Content struct {
	path   string
	file   *os.File // nil if Close leaves it open, or if it was refused
	io     *ioReader
	reader io.Reader // of the uncompressed bytes
}

// compressed reports whether an error of Read may be damage.
func (c *Content) compressed() bool { return c.reader != io.Reader(c.io) }

func (c *Content) Read(p []byte) (int, error) { return c.reader.Read(p) }

// Close closes the file, if reading it opened it.
func (c *Content) Close() error {
	if c.file == nil {
		return nil
	}
	return c.file.Close()
}

// ioReader keeps the error of the file that a decompressor reads.
type ioReader struct {
	r   io.Reader
	ctx context.Context // ends reading: a line or a gzip file may have any length
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

// readerAt is a file whose reading ends with ctx.
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

// openContent returns the content from offset on. Reading it ends with ctx.
func (f *File) openContent(ctx context.Context, offset int64) (*Content, error) {
	if f.IsOpen() {
		// Not bounded by Size: the last line may go on after it.
		c := contentAt(f.Path, f.Handle, offset)
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
		err = nil // it is shorter, or damaged before offset: the next Read returns the error
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// contentAt returns the content of a plain file from offset on. Closing it leaves the
// file open.
func contentAt(path string, file io.ReaderAt, offset int64) *Content {
	r := &ioReader{r: io.NewSectionReader(file, offset, math.MaxInt64-offset)}
	return &Content{path: path, io: r, reader: r}
}

// openArchive opens an archive in its present form. A file that is refused, a link for
// example, has content that is damaged: reads go on with the next file.
func (f *File) openArchive() (*Content, error) {
	path, other := f.Path, f.Other
	file, err := f.Beside.Open(path)
	var refused *vfs.RefusedError
	// Compression makes one form before it removes the other, so one of two
	// attempts finds the archive; the third is for a form that came back. Where one
	// form is refused, the other one is the archive.
	for i := 0; i < 2 && (errors.Is(err, fs.ErrNotExist) || errors.As(err, &refused)); i++ {
		path, other = other, path
		file, err = f.Beside.Open(path)
	}
	if refused != nil && (errors.Is(err, fs.ErrNotExist) || errors.As(err, &refused)) {
		return &Content{path: refused.Path, io: new(ioReader), reader: refusedReader{refused}}, nil
	}
	if err != nil {
		return nil, err
	}
	c := &Content{path: path, file: file, io: &ioReader{r: file}}
	c.reader = c.io
	if filepath.Ext(path) == ".gz" {
		c.reader = &gzipReader{src: bufio.NewReaderSize(c.io, ReadSize/4)}
	}
	return c, nil
}

// refusedReader is the content of a file that was refused.
type refusedReader struct{ err *vfs.RefusedError }

func (r refusedReader) Read([]byte) (int, error) { return 0, r.err }

// gzipReader reads a gzip file of any number of members. It opens the first member within
// Read, so that Read returns its defects.
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

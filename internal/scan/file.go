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
	// Info is what Handle's stat said when the snapshot was taken, and
	// Size the active file's size in bytes when the snapshot was taken. Lines that
	// begin at Size or later do not belong to the snapshot.
	Info os.FileInfo
	Size int64
	// Complete reports that Handle was the active file of the snapshot before this one
	// and is not any more.
	Complete bool
}

// Archive returns the file of an archive, which has its plain form or only the
// compressed one.
func (s *Source) Archive(id archive.ID, isPlain bool) *File {
	plain := filepath.Join(s.Dir, id.PlainName(s.Stem))
	f := &File{Source: s, ID: id, Path: plain, Other: plain + ".gz"}
	if !isPlain {
		f.Path, f.Other = f.Other, f.Path
	}
	return f
}

// Active returns the file of the open active file, with the size that it has now.
func (s *Source) Active(handle *os.File) (*File, error) {
	info, err := handle.Stat()
	if err != nil {
		return nil, err
	}
	return &File{Source: s, Path: s.Path, Handle: handle, Info: info, Size: info.Size()}, nil
}

// Active reports whether f is the active file, to which lines are appended.
func (f *File) Active() bool { return f.Handle != nil && !f.Complete }

// Whole returns f without a last line that has no line feed, and how many bytes
// of that line there are: a reader that follows the active file has no use for it
// until it ends, and would hold all of it. To find its beginning the file is read
// backwards, without being held. An error is one of I/O or of ctx. Of an archive it is f
// itself, as nothing is written to it any more.
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

// isOpen reports whether f is read through a descriptor. That of a file that
// was rotated is closed when the snapshot that holds it is left behind; then it
// is an archive like any other.
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

// Content returns the uncompressed content, from the beginning. Of the active
// file it is what was there when the snapshot was taken; the last line of it
// may be incomplete. A defect of a compressed archive is an error of Read.
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

// ReaderAt returns the file if it is plain, nil if it is compressed.
func (c *Content) ReaderAt() io.ReaderAt {
	if src, ok := c.io.r.(io.ReaderAt); ok && !c.compressed() {
		return src
	}
	return nil
}

// Fault returns the error that reading the file gave, or that of the context. It is
// nil where only the compressed bytes are damaged.
func (c *Content) Fault() error { return c.io.err }

// content is the uncompressed content of an open file. Fault separates a file that cannot
// be read, which is an error, from compressed bytes that are damaged.
type Content struct {
	path   string
	file   *os.File // nil if somebody else closes it, or if it is refused
	io     *ioReader
	reader io.Reader // of the uncompressed bytes
}

// compressed reports whether an error of Read may be damage.
func (c *Content) compressed() bool { return c.reader != io.Reader(c.io) }

func (c *Content) Read(p []byte) (int, error) { return c.reader.Read(p) }

func (c *Content) Close() error {
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
func (f *File) openContent(ctx context.Context, offset int64) (*Content, error) {
	if f.IsOpen() {
		// Not bounded by size: the last line may go on behind it.
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
		err = nil // it is shorter, or damaged before: reading on will tell
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// contentAt returns the content of a plain file that somebody else closes.
func contentAt(path string, file io.ReaderAt, offset int64) *Content {
	r := &ioReader{r: io.NewSectionReader(file, offset, math.MaxInt64-offset)}
	return &Content{path: path, io: r, reader: r}
}

// openArchive opens an archive in the form it now has. The content of a file that is
// refused, because it is a link for example, is damage: reading goes on after it.
func (f *File) openArchive() (*Content, error) {
	path, other := f.Path, f.Other
	file, err := f.Beside.Open(path)
	var refused *vfs.RefusedError
	// Compression makes the one form before it removes the other, so that one
	// of two tries finds it; the third is for the way back. Where one form is
	// refused, the other one is the archive.
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

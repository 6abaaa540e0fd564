package auditlog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"

	"github.com/otelaudit/otelaudit/internal/archive"
	"github.com/otelaudit/otelaudit/internal/vfs"
)

// compress replaces the plain archive at path by its gzip form. In this order:
//
//	flock(plain)               another process that is at it has it
//	write(temporary file)      in the same folder; then the header again, with its length
//	fsync(temporary file)
//	read it back, compare      what is removed below is in it, byte for byte
//	lstat(plain)               it is the path's still, and once more below
//	rename(temporary, gz)      not replacing anything
//	fsync(folder)              the archive is durable under its name
//	chmod(plain)               other processes see why it is gone, see follow;
//	                           not of a file with a second name
//	unlink(plain), fsync(folder)
//
// Readers that see both forms read one. A crash leaves the plain archive until
// the gzip form is durable; compress then starts again, or only removes it.
func (c *compressor) compress(path string) (err error) {
	fsys := c.log.fs
	plain, err := fsys.Open(path, vfs.Read)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // another process finished it
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, plain.Close()) }() // unlocks it too
	if free, err := plain.Lock(false); err != nil || !free {
		return err // not free: another process is compressing it
	}
	info, err := plain.Stat()
	if err != nil {
		return err
	}
	if here, err := c.isAt(path, info); err != nil || !here {
		return err
	}
	folder, err := fsys.OpenFolder(c.log.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, folder.Close()) }()
	final := strings.TrimSuffix(path, archive.PlainSuffix) + archive.GzipSuffix
	if done, err := c.finished(plain, info.Size, final); err != nil {
		return err
	} else if !done {
		if err := c.write(plain, info.Size, final+archive.TempSuffix); err != nil {
			return errors.Join(err, c.log.removeIfThere(final+archive.TempSuffix))
		}
		// It took a while, in which the folder may have given way to another one.
		if here, err := c.isAt(path, info); err != nil || !here {
			return errors.Join(err, c.log.removeIfThere(final+archive.TempSuffix))
		}
		if err := fsys.Rename(final+archive.TempSuffix, final, false); err != nil {
			return err
		}
	}
	if err := folder.Sync(); err != nil {
		return err
	}
	if here, err := c.isAt(path, info); err != nil || !here {
		return err
	}
	// Of a file with another name (a hard link, in a backup for example) that would be
	// the other one's mode: a process with an open descriptor compares the content then.
	if info, err = plain.Stat(); err != nil {
		return err
	}
	if info.Links <= 1 {
		if err := plain.Chmod(compressedMode); err != nil {
			return err
		}
	}
	if err := fsys.Remove(path); err != nil {
		return err
	}
	return folder.Sync()
}

// isAt reports whether path leads to the file that info tells of.
func (c *compressor) isAt(path string, info vfs.Info) (bool, error) {
	at, err := c.log.fs.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && at.Same(info), err
}

// finished reports whether a compression that was interrupted before it
// removed the plain archive has left a gzip form that holds all of it. One
// that does not is set aside.
func (c *compressor) finished(plain vfs.File, size int64, final string) (bool, error) {
	err := c.sameContent(plain, size, final)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	}
	c.log.log.Warn("auditlog: setting a broken archive aside", slog.String("archive", final), slog.Any("error", err))
	return false, c.log.fs.Rename(final, final+archive.SuspectSuffix, false)
}

// gzipWriters are most of a megabyte each.
var gzipWriters = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}

// write compresses plain into a new file at path, makes it durable and reads
// it back.
func (c *compressor) write(plain vfs.File, size int64, path string) (err error) {
	// A new file, not whatever may stand at that name: it could be a link.
	if err := c.log.removeIfThere(path); err != nil {
		return err
	}
	f, err := c.log.fs.Open(path, vfs.Compose)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	summary, err := summarize(path, plain, size, c.log.cfg.reader.maxLine)
	if err != nil {
		return err
	}
	z := gzipWriters.Get().(*gzip.Writer)
	defer gzipWriters.Put(z)
	z.Reset(f)
	if z.Extra, err = summary.Extra(); err != nil { // but for the size of the file
		return err
	}
	if _, err := io.Copy(z, io.NewSectionReader(plain, 0, size)); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	summary.Compressed = info.Size
	field, err := summary.Encode()
	if err != nil {
		return err
	}
	if _, err := f.WriteAt(field, archive.SummaryOffset); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return c.sameContent(plain, size, path)
}

// sameContent returns nil if the gzip file at path holds exactly plain.
func (c *compressor) sameContent(plain vfs.File, size int64, path string) (err error) {
	f, err := c.log.fs.Open(path, vfs.Read)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	z, err := gzip.NewReader(io.NewSectionReader(f, 0, info.Size))
	if err != nil {
		return fmt.Errorf("read back %s: %w", path, err)
	}
	want := io.NewSectionReader(plain, 0, size)
	if _, err := io.Copy(&comparer{want: want}, z); err != nil {
		return fmt.Errorf("read back %s: %w", path, err)
	}
	if n, err := want.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		return fmt.Errorf("read back %s: %w", path, errors.Join(errDiffers, err))
	}
	return nil
}

var errDiffers = errors.New("it differs from what was compressed")

// comparer is a writer that accepts only what it reads from want.
type comparer struct {
	want io.Reader
	buf  []byte
}

func (c *comparer) Write(p []byte) (int, error) {
	c.buf = slices.Grow(c.buf[:0], len(p))[:len(p)]
	if n, err := io.ReadFull(c.want, c.buf); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return 0, err
	} else if !bytes.Equal(c.buf[:n], p) {
		return 0, errDiffers
	}
	return len(p), nil
}

package journal

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

// compressor compresses archives in the background, one at a time, so that no append
// waits for it. It knows no Log.
type compressor struct {
	fs        vfs.FS
	dir       string
	logger    *slog.Logger
	summarize func(path string, plain io.ReaderAt, size int64) (archive.Summary, error)

	mu    sync.Mutex // guards the fields below
	queue []string
	later []string // paths of archives that could not be compressed
	busy  bool
	done  sync.WaitGroup
}

// start queues the archive at path, and those that could not be compressed before.
func (c *compressor) start(path string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = append(append(c.queue, path), c.later...)
	c.later = nil
	if !c.busy {
		c.busy = true
		c.done.Go(c.run)
	}
}

// wait returns when the queue is empty.
func (c *compressor) wait() { c.done.Wait() }

func (c *compressor) run() {
	for {
		c.mu.Lock()
		if len(c.queue) == 0 {
			c.busy = false
			c.mu.Unlock()
			return
		}
		path := c.queue[0]
		c.queue = c.queue[1:]
		c.mu.Unlock()
		// A failure loses nothing: readers read the plain archive, and the next rotation
		// or Open tries again.
		if err := c.compress(path); err != nil {
			c.logger.Error("auditlog: compress an archive", slog.String("archive", path), slog.Any("error", err))
			c.mu.Lock()
			c.later = append(c.later, path)
			c.mu.Unlock()
		}
	}
}

// compress replaces the plain archive at path by its gzip form. In this order:
//
//	flock(plain)               held by the process that compresses this archive
//	write(temporary file)      in the same folder; then the header again, with its length
//	fsync(temporary file)
//	read it back, compare      the plain content is in it, byte for byte
//	lstat(plain)               the path is still this file; again before the removal
//	rename(temporary, gz)      without replacing
//	fsync(folder)              the archive is durable under its name
//	chmod(plain)               a process that has it open sees that it was compressed, see
//	                           fateOf; not if the file has a second name
//	unlink(plain), fsync(folder)
//
// While both forms exist, readers read one. After a crash the plain archive exists until
// the gzip form is durable: compress then starts again, or only removes the plain one.
func (c *compressor) compress(path string) (err error) {
	plain, err := c.fs.Open(path, vfs.Read)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // another process compressed it
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, plain.Close()) }() // unlocks it too
	if free, err := plain.Lock(false); err != nil || !free {
		return err // not free: another process compresses it
	}
	info, err := plain.Stat()
	if err != nil {
		return err
	}
	if here, err := isAt(c.fs, path, info); err != nil || !here {
		return err
	}
	folder, err := c.fs.OpenFolder(c.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, folder.Close()) }()
	final := strings.TrimSuffix(path, archive.PlainSuffix) + archive.GzipSuffix
	if done, err := c.finished(plain, info.Size, final); err != nil {
		return err
	} else if !done {
		if err := c.write(plain, info.Size, final+archive.TempSuffix); err != nil {
			return errors.Join(err, removeIfExists(c.fs, final+archive.TempSuffix))
		}
		// During the write another folder may have taken the place of this one.
		if here, err := isAt(c.fs, path, info); err != nil || !here {
			return errors.Join(err, removeIfExists(c.fs, final+archive.TempSuffix))
		}
		if err := c.fs.Rename(final+archive.TempSuffix, final, false); err != nil {
			return err
		}
	}
	if err := folder.Sync(); err != nil {
		return err
	}
	if here, err := isAt(c.fs, path, info); err != nil || !here {
		return err
	}
	// A second name (a hard link, in a backup for example) shares the mode. A process that
	// has such a file open compares the content instead.
	if info, err = plain.Stat(); err != nil {
		return err
	}
	if info.Links <= 1 {
		if err := plain.Chmod(compressedMode); err != nil {
			return err
		}
	}
	if err := c.fs.Remove(path); err != nil {
		return err
	}
	return folder.Sync()
}

// finished reports whether an interrupted compression left a gzip form that holds all of
// plain. It sets aside one that does not.
func (c *compressor) finished(plain vfs.File, size int64, final string) (bool, error) {
	err := c.sameContent(plain, size, final)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	}
	c.logger.Warn("auditlog: setting a broken archive aside", slog.String("archive", final), slog.Any("error", err))
	return false, c.fs.Rename(final, final+archive.SuspectSuffix, false)
}

// gzipWriters holds writers of most of a megabyte each.
var gzipWriters = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}

// write compresses plain into a new file at path, syncs it and reads it back.
func (c *compressor) write(plain vfs.File, size int64, path string) (err error) {
	// A file that exists at that name is not written to: it could be a link.
	if err := removeIfExists(c.fs, path); err != nil {
		return err
	}
	f, err := c.fs.Open(path, vfs.Compose)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	summary, err := c.summarize(path, plain, size)
	if err != nil {
		return err
	}
	z := gzipWriters.Get().(*gzip.Writer)
	defer gzipWriters.Put(z)
	z.Reset(f)
	if z.Extra, err = summary.Extra(); err != nil { // without the size of the file yet
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
	f, err := c.fs.Open(path, vfs.Read)
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

var errDiffers = errors.New("it differs from the plain archive")

// comparer is a writer that returns errDiffers for bytes other than those of want.
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

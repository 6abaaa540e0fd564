package auditlog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// compressor turns archives into gzip files in the background, one at a time,
// so that no writer waits for it.
type compressor struct {
	log   *Log
	mu    sync.Mutex
	queue []string
	busy  bool
	done  sync.WaitGroup
}

func (c *compressor) init(l *Log) { c.log = l }

// start queues the archive at path.
func (c *compressor) start(path string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = append(c.queue, path)
	if !c.busy {
		c.busy = true
		c.done.Go(c.run)
	}
}

// wait returns when nothing is queued any more.
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
		// Nothing is lost by a failure: the plain archive stays, is read as
		// it is, and the next Open tries again.
		if err := c.compress(path); err != nil {
			c.log.log.Error("auditlog: compress an archive", "archive", path, "error", err)
		}
	}
}

// compress replaces the plain archive at path by its gzip form. In this order:
//
//	flock(plain)               another process that is at it has it
//	write(temporary file)      in the same folder
//	fsync(temporary file)
//	read it back, compare      what is removed below is in it, byte for byte
//	rename(temporary, gz)      not replacing anything
//	fsync(folder)              the archive is durable under its name
//	unlink(plain), fsync(folder)
//
// Readers that see both forms read one. A crash leaves the plain archive until
// the gzip form is durable; compress then starts again, or only removes it.
func (c *compressor) compress(path string) (err error) {
	plain, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil // another process finished it
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, plain.Close()) }() // unlocks it too
	if free, err := tryLock(plain); err != nil || !free {
		return err // not free: another process is compressing it
	}
	if here, err := isAt(path, plain); err != nil || !here {
		return err
	}
	final := strings.TrimSuffix(path, lineSuffix) + gzipSuffix
	if done, err := c.finished(plain, final); err != nil {
		return err
	} else if !done {
		if err := c.write(plain, final+partSuffix); err != nil {
			return errors.Join(err, removeIfThere(final+partSuffix))
		}
		if err := renameNoReplace(final+partSuffix, final); err != nil {
			return err
		}
		if err := syncDir(filepath.Dir(path)); err != nil {
			return err
		}
	}
	if err := os.Remove(path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// finished reports whether a compression that was interrupted before it
// removed the plain archive has left a gzip form that holds all of it. One
// that does not is set aside.
func (c *compressor) finished(plain *os.File, final string) (bool, error) {
	err := sameContent(plain, final)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, os.ErrNotExist):
		return false, nil
	}
	c.log.log.Warn("auditlog: setting a broken archive aside", "archive", final, "error", err)
	return false, renameNoReplace(final, final+brokenSuffix)
}

// write compresses plain into a new file at path, makes it durable and reads
// it back.
func (c *compressor) write(plain *os.File, path string) (err error) {
	// A new file, not whatever may stand at that name: it could be a link.
	if err := removeIfThere(path); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // beside the log
	if err != nil {
		return err
	}
	defer func() {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	if _, err := plain.Seek(0, io.SeekStart); err != nil {
		return err
	}
	summary, err := summarize(plain)
	if err != nil {
		return err
	}
	z := gzip.NewWriter(f)
	z.Extra = summary.extra()
	if _, err := io.Copy(z, plain); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	if err := summary.write(f); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	err = f.Close()
	f = nil
	if err != nil {
		return err
	}
	return sameContent(plain, path)
}

// sameContent returns nil if the gzip file at path holds exactly plain.
func sameContent(plain *os.File, path string) (err error) {
	if _, err := plain.Seek(0, io.SeekStart); err != nil {
		return err
	}
	f, err := os.Open(path) //nolint:gosec // beside the log
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	z, err := gzip.NewReader(f)
	if err != nil {
		return fmt.Errorf("read back %s: %w", path, err)
	}
	compare := &comparer{want: plain}
	if _, err := io.Copy(compare, z); err != nil {
		return fmt.Errorf("read back %s: %w", path, err)
	}
	if n, err := plain.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
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

func removeIfThere(path string) error {
	if err := os.Remove(path); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

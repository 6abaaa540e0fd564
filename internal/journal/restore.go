package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"syscall"
	"time"

	"github.com/otelaudit/otelaudit/internal/vfs"
)

// restore brings back the active file, which someone removed, by its descriptor: to the
// path, or to the name of an archive if another file is at the path. In this order:
//
//	open(temporary file, O_EXCL), flock, write, fsync
//	rename(temporary, path)    without replacing, or to the name of an archive
//	fsync(folder)
//	chmod(removed file)        a process that has it open sees that it is back
//
// If the other file holds lines of the removed one, restoreInto continues in that file.
func (l *Log) restore(size int64) error {
	if err := l.holdNames(); err != nil {
		return err
	}
	if done, err := l.restoreInto(size); err != nil || done {
		if err != nil {
			err = fmt.Errorf("bring back lines of the removed file: %w", err)
		}
		return err
	}
	f, temp, info, err := l.rebuild(size, reasonRemoved, map[string]any{"restored_length": size})
	if err != nil {
		return fmt.Errorf("bring back the removed file: %w", err)
	}
	asArchive := ""
	err = l.rename(f, temp, l.path, false)
	if errors.Is(err, fs.ErrExist) {
		if asArchive, err = l.nextArchive(time.Now()); err == nil {
			err = l.rename(f, temp, asArchive, false)
		}
	}
	if err != nil {
		return errors.Join(fmt.Errorf("bring back the removed file: %w", err), removeIfExists(l.fs, temp), f.Close())
	}
	l.counts.recovered.Add(1)
	l.log.Warn("auditlog: the active file was removed; its content is back",
		slog.String("path", l.path), slog.String("archive", asArchive), slog.Int64("length", size))
	err = l.file.Chmod(compressedMode)
	return errors.Join(err, l.swapActive(f, info, asArchive))
}

// restoreInto continues in the file at the path, if that has lines of the removed active
// file, which has size bytes. It reports false, and has done nothing, if not.
//
// An editor saves a file as a new one and renames that over the old one; so does sed -i.
// The lines after the last common one were perhaps appended while the editor ran: they
// come back. The lines before it that the new file lacks were removed on purpose: a
// recovery event counts them. In this order:
//
//	open(path), flock
//	write(path)                the lines after the last common one, a recovery event
//	fsync(path)
//	chmod(removed file)        a process that has it open sees that its lines are back
//	fsync(folder)
//
// After a crash before the chmod, another process finds the lines in the new file.
func (l *Log) restoreInto(size int64) (done bool, err error) {
	f, err := l.fs.Open(l.path, vfs.Append)
	switch {
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return false, err
	case err != nil:
		return false, nil //nolint:nilerr // no file to continue in: restore brings the removed one back
	}
	defer func() {
		if !done {
			err = errors.Join(err, f.Close())
		}
	}()
	if err := l.lockWithin(f, repairLockLimit); err != nil {
		return false, err
	}
	ours, err := l.leadsTo(l.path, f)
	if err != nil || !ours {
		return false, errors.Join(err, errBusy(ours)) // replaced once more; the next call tries again
	}
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	from := l.unsynced.from(size)
	tail := l.unsyncedTail(from, size)
	removed := func() io.Reader {
		return io.MultiReader(io.NewSectionReader(l.file, 0, from), bytes.NewReader(tail))
	}
	c, err := l.cfg.Compare(removed, size, func() io.Reader { return io.NewSectionReader(f, 0, info.Size) })
	if err != nil || !c.Common {
		return false, err
	}
	if err := l.appendRest(f, info.Size, removed(), size, c); err != nil {
		return false, errors.Join(err, f.Truncate(info.Size))
	}
	if info, err = f.Stat(); err != nil {
		return false, err
	}
	l.counts.recovered.Add(1)
	l.log.Warn("auditlog: another file took the place of the active file; what was appended meanwhile is back",
		slog.String("path", l.path), slog.Int64("length", size-c.End), slog.Int64("removed_lines", c.Lacks))
	err = l.file.Chmod(compressedMode)
	return true, errors.Join(err, l.swapActive(f, info, ""))
}

// appendRest appends to f, which has end bytes, the lines of removed from c.End on and a
// recovery event, and syncs f.
func (l *Log) appendRest(f vfs.File, end int64, removed io.Reader, size int64, c Comparison) error {
	w := &appender{f: f}
	if end > 0 {
		if _, err := f.ReadAt(w.last[:], end-1); err != nil {
			return fmt.Errorf("read the end of %s: %w", l.path, err)
		}
		w.endLine()
	}
	if _, err := io.CopyN(io.Discard, removed, c.End); err != nil {
		return fmt.Errorf("read the removed file: %w", err)
	}
	if _, err := io.CopyBuffer(w, removed, make([]byte, maxWrite)); err != nil {
		return err
	}
	if size > c.End {
		w.endLine()
	}
	event, err := l.cfg.RecoveredEvent(nil, reasonReplaced, map[string]any{
		"restored_length": size - c.End, "removed_lines": c.Lacks,
	})
	if err != nil {
		return err
	}
	if _, err := w.Write(event); err != nil {
		return err
	}
	return f.Sync()
}

// appender is a writer to f that keeps the last byte and the first error.
type appender struct {
	f    vfs.File
	last [1]byte
	err  error
}

func (a *appender) Write(p []byte) (n int, err error) {
	for n < len(p) && a.err == nil {
		var wrote int
		wrote, a.err = a.f.Write(p[n:])
		n += wrote
	}
	if n > 0 {
		a.last[0] = p[n-1]
	}
	return n, a.err
}

// endLine writes a line feed if the last line lacks it. The next Write returns its error.
func (a *appender) endLine() {
	if a.last[0] != '\n' {
		_, _ = a.Write([]byte{'\n'}) // a.err keeps the error
	}
}

// swapActive continues in f, which holds all lines and is synced, in place of l.file.
// With the path of an archive, f is that archive, and l.file is nil after it.
func (l *Log) swapActive(f vfs.File, info vfs.Info, asArchive string) error {
	old := l.file
	l.setActive(f, info)
	l.locked, l.size, l.end = true, info.Size, info.Size
	err := l.names.Sync()
	l.syncer.repaired(err)
	if err != nil {
		return errors.Join(err, old.Close())
	}
	l.unsynced.clear()
	if asArchive != "" {
		l.compressor.start(asArchive)
		err = l.closeFile()
	}
	if err := errors.Join(err, old.Close()); err != nil {
		l.log.Error("auditlog: close a replaced file", slog.String("path", l.path), slog.Any("error", err))
	}
	return nil
}

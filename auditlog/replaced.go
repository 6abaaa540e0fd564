package auditlog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"syscall"

	"github.com/otelaudit/otelaudit/internal/vfs"
)

// An editor saves a file as a new one and renames that over the old one, and so
// does sed -i. The file that the Log has open has no name then, and the file at
// the path holds lines of it. Lines behind the last one that both have may have
// been appended while the editor worked: they come back. Earlier lines that the
// new file lacks were removed on purpose: they are counted.

// restoreBehind brings back what the file at the path lacks of the removed active
// file, which has size bytes, and goes on in that file. It reports false, and
// has done nothing, if there is no such file or none with a line of the removed one.
//
//	open(path), flock
//	write(path)                the lines behind the last common one, an event
//	fsync(path)
//	chmod(removed file)        other processes that have it open know then
//	fsync(folder)
//
// Whoever dies before the chmod leaves lines that the next one finds there.
func (l *Log) restoreBehind(size int64) (done bool, err error) {
	f, err := l.fs.Open(l.path, vfs.Append)
	switch {
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return false, err
	case err != nil:
		return false, nil //nolint:nilerr // no file that could be gone on in: the removed one comes back beside it
	}
	defer func() {
		if !done {
			err = errors.Join(err, f.Close())
		}
	}()
	if err := l.lockWithin(f, repairLocked); err != nil {
		return false, err
	}
	ours, err := l.leadsTo(l.path, f)
	if err != nil || !ours {
		return false, errors.Join(err, errBusy(ours)) // another one took its place: again later
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
	what, err := compareLines(l.cfg.reader.maxLine, removed, size, func() io.Reader { return io.NewSectionReader(f, 0, info.Size) })
	if err != nil || !what.common {
		return false, err
	}
	if err := l.appendBehind(f, info.Size, removed(), size, what); err != nil {
		return false, errors.Join(err, f.Truncate(info.Size))
	}
	if info, err = f.Stat(); err != nil {
		return false, err
	}
	l.counts.recovered.Add(1)
	l.log.Warn("auditlog: another file took the place of the active file; what was appended meanwhile is back",
		slog.String("path", l.path), slog.Int64("length", size-what.behind), slog.Int64("removed_lines", what.lacks))
	err = l.file.Chmod(compressedMode)
	return true, errors.Join(err, l.swapActive(f, info, ""))
}

// appendBehind appends to f, which has end bytes, what removed holds behind the last
// common line, and an event, and syncs it.
func (l *Log) appendBehind(f vfs.File, end int64, removed io.Reader, size int64, what replacement) error {
	w := &appender{f: f}
	if end > 0 {
		if _, err := f.ReadAt(w.last[:], end-1); err != nil {
			return fmt.Errorf("read the end of %s: %w", l.path, err)
		}
		w.endLine()
	}
	if _, err := io.CopyN(io.Discard, removed, what.behind); err != nil {
		return fmt.Errorf("read the removed file: %w", err)
	}
	if _, err := io.CopyBuffer(w, removed, make([]byte, maxWrite)); err != nil {
		return err
	}
	if size > what.behind {
		w.endLine()
	}
	event, err := l.recoveredEvent(nil, reasonReplaced, map[string]any{
		"restored_length": size - what.behind, "removed_lines": what.lacks,
	})
	if err != nil {
		return err
	}
	if _, err := w.Write(event); err != nil {
		return err
	}
	return f.Sync()
}

// appender writes all of what it is given, and remembers the last byte.
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

// endLine ends a line that lacks its line feed. An error is that of the next Write.
func (a *appender) endLine() {
	if a.last[0] != '\n' {
		_, _ = a.Write([]byte{'\n'}) // kept in err
	}
}

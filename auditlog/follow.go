package auditlog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/otelaudit/otelaudit/internal/archive"
	"github.com/otelaudit/otelaudit/internal/vfs"
)

// place is where an active file is that is not at the path any more.
type fate int

const (
	moved    fate = iota // somebody renamed it
	removed              // somebody removed it; our descriptor is all there is
	archived             // it was rotated, and compressed perhaps
	replaced             // another Log repaired it after a failed fsync
)

// compressedMode is the mode of a file whose content is safe in another one:
// set before its last name is removed, it tells those that have the file open
// that it is not lost.
const compressedMode = 0o400

// whereIs finds the file that info tells of, which is not at the path.
func (l *Log) fateOf(info vfs.Info) (fate, error) {
	switch {
	case info.Mode&0o200 == 0:
		return archived, nil
	case info.Links == 0 && info.Size == 0:
		return removed, nil
	}
	names, err := l.fs.List(l.dir)
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		_, compressed, isArchive := archive.Parse(l.stem, name)
		isSuspect := strings.HasPrefix(name, filepath.Base(l.path)) && strings.HasSuffix(name, archive.SuspectSuffix)
		if !isSuspect && (!isArchive || compressed) {
			continue
		}
		at, err := l.fs.Stat(filepath.Join(l.dir, name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return 0, err
		case at.Same(info) && isArchive:
			return archived, nil
		case at.Same(info):
			return replaced, nil
		}
	}
	// Between the look and the list it may have been compressed.
	if info, err = l.file.Stat(); err != nil {
		return 0, err
	}
	if info.Mode&0o200 == 0 {
		return archived, nil
	}
	if compressed, err := l.isCompressed(names, info.Size); err != nil || compressed {
		return archived, err
	}
	if info.Links == 0 {
		return removed, nil
	}
	return moved, nil
}

// isCompressed reports whether an archive of those names holds the content of the
// active file, which has size bytes. Compression leaves the mode of a file alone that
// has a second name.
func (l *Log) isCompressed(names []string, size int64) (bool, error) {
	for _, name := range names {
		if _, compressed, ok := archive.Parse(l.stem, name); !ok || !compressed {
			continue
		}
		if is, err := l.isCompressedIn(filepath.Join(l.dir, name), size); err != nil || is {
			return is, err
		}
	}
	return false, nil
}

// isCompressedIn is isCompressed for one archive. What cannot be opened is not it.
func (l *Log) isCompressedIn(name string, size int64) (_ bool, err error) {
	f, err := l.fs.Open(name, vfs.Read)
	if err != nil {
		return false, nil //nolint:nilerr // the file is taken for moved or removed then, and its lines are kept
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	return archive.Holds(f, info.Size, l.file, size)
}

// follow lets go of an active file that is not at the path any more, so that
// what this Log wrote to it stays in the log, or in the file that somebody
// moved away. info is what the file says of itself. The caller has the turn,
// and the lock unless the file was rotated. When follow returns nil, l.file is
// nil or the active file, locked.
func (l *Log) handleDisplaced(info vfs.Info) error {
	where, err := l.fateOf(info)
	if err != nil {
		return err
	}
	if where == removed {
		return l.restore(info.Size)
	}
	failure := l.syncer.failed()
	if failure == nil && where != replaced {
		failure = l.syncer.finish()
	}
	if failure != nil && where == archived {
		// Its pages are what is compressed and synced, so nothing can be done
		// for these lines, and nothing was found to be wrong with them.
		l.syncer.markIndeterminate(failure)
		l.unsynced.clear()
	}
	if where == moved {
		l.log.Warn("auditlog: the active file was moved away; going on in a new one", slog.String("path", l.path))
	}
	if failure != nil && where == moved || where == replaced {
		if err := l.carryOver(where == replaced); err != nil {
			return err
		}
	}
	return l.closeFile()
}

// owe takes the lines that no fsync covers into the next file. With look, only
// those that the file which another Log made of this one lacks.
func (l *Log) carryOver(look bool) error {
	lacking := l.unsynced.chunks
	if look {
		var err error
		if lacking, err = l.lacking(); err != nil {
			return err
		}
	}
	for _, c := range lacking {
		l.carryover = append(l.carryover, l.unsynced.buf[c.start:c.end]...)
	}
	l.unsynced.clear()
	l.syncer.markCarryover()
	return nil
}

// lacking returns the chunks that no repaired file holds. Repairs keep lines at
// their offsets, and rotations do too.
func (l *Log) lacking() ([]chunk, error) {
	lacking := slices.Clone(l.unsynced.chunks)
	names, err := l.allNames()
	if err != nil {
		return nil, err
	}
	candidates := []string{l.path}
	since := archive.ID{Stamp: l.opened.UTC().Add(-time.Second).Format(archive.StampLayout)}
	for _, name := range names {
		candidate := filepath.Join(l.dir, name)
		if id, _, ok := archive.Parse(l.stem, name); ok && id.Compare(since) > 0 && !slices.Contains(candidates, candidate) {
			candidates = append(candidates, candidate)
		}
	}
	for _, name := range candidates {
		if len(lacking) == 0 {
			break
		}
		lacking, err = l.lackingIn(name, lacking)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			// Lines that cannot be read there had better be in two places.
			l.log.Error("auditlog: look for lines", slog.String("file", name), slog.Any("error", err))
		}
	}
	return lacking, nil
}

// lackingIn returns the chunks that the file at name lacks, in their order.
func (l *Log) lackingIn(name string, chunks []chunk) (lacking []chunk, err error) {
	f, err := l.fs.Open(name, vfs.Read)
	if err != nil {
		return chunks, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return chunks, err
	}
	var r io.Reader = io.NewSectionReader(f, 0, info.Size)
	if strings.HasSuffix(name, archive.GzipSuffix) {
		if r, err = gzip.NewReader(r); err != nil {
			return chunks, fmt.Errorf("read %s: %w", name, err)
		}
	}
	pos := int64(0)
	for i, c := range chunks {
		want := l.unsynced.buf[c.start:c.end]
		got := make([]byte, len(want))
		_, err := io.CopyN(io.Discard, r, c.offset-pos)
		n := 0
		if err == nil {
			n, err = io.ReadFull(r, got)
		}
		pos = c.offset + int64(n)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return append(lacking, chunks[i:]...), nil
		}
		if err != nil {
			return chunks, fmt.Errorf("read %s: %w", name, err)
		}
		if !bytes.Equal(got, want) {
			lacking = append(lacking, c)
		}
	}
	return lacking, nil
}

// restore brings back an active file that somebody removed, through the
// descriptor: to the path, or, if a new file is there already, as an archive.
//
//	open(temporary file, O_EXCL), flock, write, fsync
//	rename(temporary, path)    not replacing anything, or to an archive's name
//	fsync(folder)
//	chmod(removed file)        other processes that have it open know then
//
// A new file that holds lines of the removed one is gone on in: see restoreBehind.
func (l *Log) restore(size int64) error {
	if err := l.holdNames(); err != nil {
		return err
	}
	if done, err := l.restoreBehind(size); err != nil || done {
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
		return errors.Join(fmt.Errorf("bring back the removed file: %w", err), l.removeIfThere(temp), f.Close())
	}
	l.counts.recovered.Add(1)
	l.log.Warn("auditlog: the active file was removed; its content is back",
		slog.String("path", l.path), slog.String("archive", asArchive), slog.Int64("length", size))
	err = l.file.Chmod(compressedMode)
	return errors.Join(err, l.swapActive(f, info, asArchive))
}

// takeOver goes on with f, which holds all that was written and is synced, in
// place of the active file; with an archive's path, f is only kept.
func (l *Log) swapActive(f vfs.File, info vfs.Info, asArchive string) error {
	old := l.file
	l.setActiveAs(f, info)
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

// noticeTruncation tells of bytes that somebody cut off the active file, whose
// size is l.size now. The caller has the lock.
func (l *Log) noticeTruncation() error {
	if l.size >= l.end {
		return nil
	}
	lost := l.end - l.size
	l.end = -1
	l.unsynced.truncated(l.size)
	l.log.Warn("auditlog: the active file was truncated", slog.String("path", l.path),
		slog.Int64("size", l.size), slog.Int64("lost", lost))
	return l.addRecoveryEvent(reasonTruncated, map[string]any{"truncated_offset": l.size, "truncated_length": lost})
}

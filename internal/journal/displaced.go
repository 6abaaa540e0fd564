package journal

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

// fate says why an active file is not at the path any more.
type fate int

const (
	moved    fate = iota // someone renamed it
	removed              // someone removed it; only open descriptors lead to it
	archived             // it was rotated, and perhaps compressed
	replaced             // another Log repaired it after a failed fsync
)

// compressedMode is the mode of a file whose content is safe in another one. It is set
// before the last name of the file is removed: a process that has the file open sees that
// no line of it is lost.
const compressedMode = 0o400

// fateOf returns the fate of l.file, which is not at the path. info is its Info.
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
		isSuspect := strings.HasPrefix(name, l.base) && strings.HasSuffix(name, archive.SuspectSuffix)
		if !isSuspect && (!isArchive || compressed) {
			continue
		}
		here, err := isAt(l.fs, filepath.Join(l.dir, name), info)
		switch {
		case err != nil:
			return 0, err
		case here && isArchive:
			return archived, nil
		case here:
			return replaced, nil
		}
	}
	// Its compression may have ended between the stat and the list.
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

// isCompressed reports whether an archive among names holds the content of l.file, which
// has size bytes. It finds a compressed file with a second name, whose mode stays.
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

// isCompressedIn is isCompressed for the archive at name.
func (l *Log) isCompressedIn(name string, size int64) (_ bool, err error) {
	f, err := l.fs.Open(name, vfs.Read)
	if err != nil {
		return false, nil //nolint:nilerr // l.file counts as moved or removed then, and its lines are kept
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	return archive.Holds(f, info.Size, l.file, size)
}

// handleDisplaced closes l.file, which is not at the path any more, and keeps its lines
// in the log, or in the file that someone moved away. info is the Info of l.file. After
// nil, l.file is nil or the locked active file.
//
// The caller must hold the write lock and, unless the file was rotated, its lock.
//
//	archived   sync; after a failed fsync its unsynced lines are indeterminate
//	moved      sync; after a failed fsync they go to the next file, or are indeterminate
//	           if no copy is kept
//	replaced   they go to the next file, unless the repaired file holds them
//	removed    restore
func (l *Log) handleDisplaced(info vfs.Info) error {
	fate, err := l.fateOf(info)
	if err != nil {
		return err
	}
	if fate == removed {
		return l.restore(info.Size)
	}
	failure := l.syncer.failed()
	if failure == nil && fate != replaced {
		failure = l.syncer.syncWithoutRepair()
	}
	if fate == moved {
		l.log.Warn("auditlog: the active file was moved away; going on in a new one", slog.String("path", l.path))
	}
	switch {
	case fate == replaced, failure != nil && fate == moved && !l.unsynced.discard:
		if err := l.carryOver(fate == replaced); err != nil {
			return err
		}
	case failure != nil:
		// Nothing more can be done. In an archive, the compressor reads the same pages
		// and syncs them in the gzip form, and no line is known to be wrong.
		l.syncer.markIndeterminate(failure)
		l.unsynced.clear()
	}
	return l.closeFile()
}

// carryOver adds the unsynced lines to the carryover, for the next file. compare: only
// the lines that no repaired file holds.
func (l *Log) carryOver(compare bool) error {
	lacking := l.unsynced.chunks
	if compare {
		var err error
		if lacking, err = l.lacking(); err != nil {
			return err
		}
	}
	for _, c := range lacking {
		l.carryover = append(l.carryover, l.unsynced.buf[c.start:c.end]...)
	}
	l.unsynced.clear()
	l.syncer.markCarryover(len(l.carryover) > 0)
	return nil
}

// lacking returns the chunks that neither the active file nor an archive holds. Repairs
// and rotations keep lines at their offsets.
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
			// Lines twice are better than lines lost.
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

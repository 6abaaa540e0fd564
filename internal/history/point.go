package history

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/otelaudit/otelaudit/internal/archive"
	"github.com/otelaudit/otelaudit/internal/scan"
)

// Point is how far a reader has read a log that it comes back to. A Point holds no file
// open: an open file keeps Windows from rotating it. The zero value has read nothing.
type Point struct {
	archives []archive.ID // that were read, oldest first
	folder   folderState  // before they were listed
	active   os.FileInfo  // of the active file when it was read, nil without one
	at       scan.Cursor  // after what was read of it
	mark     Mark         // of at
}

// HasActive reports whether p stands in an active file.
func (p *Point) HasActive() bool { return p.active != nil }

// IsZero reports whether nothing was read.
func (p *Point) IsZero() bool { return p.active == nil && len(p.archives) == 0 }

// HasRead reports whether p was taken when the active file f had the size that it has now.
func (p *Point) HasRead(f *scan.File) bool {
	return p.active != nil && os.SameFile(p.active, f.Info) && p.active.Size() == f.Size
}

// ErrChanged is the error of Since when files that were read have changed since.
var ErrChanged = errors.New("auditlog: files that were read before have changed")

// IsCurrent reports whether the active file is as it was. Whoever appends or rotates
// changes it. The removal of an archive shows only after the next append.
func (l *Log) IsCurrent(p *Point) bool {
	if p.active == nil || !p.folder.known() {
		return false
	}
	info, err := os.Stat(l.Path)
	return err == nil && os.SameFile(info, p.active) && info.Size() == p.active.Size() && info.ModTime().Equal(p.active.ModTime())
}

// Since returns what there is to read after p. The first file of the snapshot is the one
// that p stands in, under whatever name, and From is the place; files that begin later
// follow. Without an active file in p there are only new files. The error is ErrChanged if
// archives were removed or added before p, or if the file of p was truncated or replaced.
//
// While nothing is added to the folder, Since opens the active file and lists nothing.
func (l *Log) Since(ctx context.Context, p *Point) (*Snapshot, error) {
	folder, err := l.folderState()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("auditlog: read the log %s: %w", l.Path, err)
	}
	if p.active != nil && p.folder.same(folder) {
		if s, err := l.sinceActive(ctx, p); s != nil || err != nil {
			return s, err
		}
	}
	s, err := l.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	s.folder = folder
	if err := s.skipTo(ctx, p); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// sinceActive is Since for the usual case that lines were appended to the file of p. It
// returns nil if another file is at the path.
func (l *Log) sinceActive(ctx context.Context, p *Point) (_ *Snapshot, err error) {
	active, err := l.openActive()
	if err != nil {
		return nil, ignoreNotExist(err)
	}
	f, err := l.Active(active)
	if err != nil {
		return nil, errors.Join(err, active.Close())
	}
	if !os.SameFile(f.Info, p.active) {
		return nil, active.Close()
	}
	s := &Snapshot{log: l, files: []*scan.File{f}, active: active, known: p.archives, folder: p.folder}
	if err := s.skipTo(ctx, &Point{active: p.active, at: p.at, mark: p.mark}); err != nil {
		return nil, errors.Join(err, active.Close())
	}
	return s, nil
}

// skipTo drops the files before p, and sets where to begin in the first one.
func (s *Snapshot) skipTo(ctx context.Context, p *Point) error {
	for i, id := range p.archives {
		if i >= len(s.files) || s.files[i].ID != id {
			return ErrChanged
		}
	}
	s.files = s.files[len(p.archives):]
	if p.active == nil {
		return nil
	}
	if len(s.files) == 0 {
		return ErrChanged
	}
	first := s.files[0]
	if first.Active() && !os.SameFile(first.Info, p.active) {
		return ErrChanged
	}
	if is, err := p.mark.IsIn(ctx, first); err != nil || !is {
		if _, unreadable := errors.AsType[*fs.PathError](err); unreadable || ctx.Err() != nil {
			return err
		}
		return ErrChanged // a compressed file that is damaged before p does not hold it
	}
	s.from, s.head = p.at, p.mark.Head
	return nil
}

// Point returns the point after the archives of s and after at in the active file.
func (s *Snapshot) Point(at scan.Cursor) (Point, error) {
	p := Point{archives: slices.Clip(s.known), folder: s.folder, at: at}
	if s.active == nil {
		return p, nil
	}
	var err error
	p.active = s.files[len(s.files)-1].Info
	var head Span
	if len(s.files) == 1 {
		head = s.head
	}
	if p.mark, err = markAt(s.active, at.Offset, head); err != nil {
		return Point{}, fmt.Errorf("auditlog: read %s: %w", s.log.Path, err)
	}
	return p, nil
}

// folderState is the time of a folder, which changes with its names.
type folderState struct {
	modTime time.Time
	// settled reports that the time is older than timeGranularity: a change within
	// the granularity of a file system's times may leave the time as it is.
	settled bool
	none    bool // the reader leaves out the archives
}

const timeGranularity = 50 * time.Millisecond

// folderState returns the state of the log's folder.
func (l *Log) folderState() (folderState, error) {
	if l.activeOnly {
		return folderState{none: true}, nil
	}
	info, err := os.Stat(l.Dir)
	if err != nil {
		return folderState{}, err
	}
	t := info.ModTime()
	return folderState{modTime: t, settled: time.Since(t) > timeGranularity}, nil
}

// known reports whether the files of the folder were read to the end.
func (before folderState) known() bool { return before.none || !before.modTime.IsZero() }

// same reports whether no file was added or removed between before and now.
func (before folderState) same(now folderState) bool {
	return before.none && now.none || before.settled && before.modTime.Equal(now.modTime)
}

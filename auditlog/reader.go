package auditlog

import (
	"bytes"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/otelaudit/otelaudit/internal/archive"
	"github.com/otelaudit/otelaudit/internal/jsonline"
	"github.com/otelaudit/otelaudit/internal/vfs"
)

// Reader reads the files of a log: its archives, oldest first, then the active
// file. It takes no locks and may read while others append and rotate. All
// methods are safe for concurrent use.
//
// It reads what any JSON writer may produce (FORMAT.md section 7). Damaged
// lines are skipped, counted and told of; they end nothing.
type Reader struct {
	path, dir, stem string
	beside          vfs.Beside // opens the files
	cfg             readerConfig
	sectionSize     int64 // bytes that a goroutine reads at a time
	hourly          hourlySpend
	hourlyTurn      chan struct{} // held by who uses hourly
}

// NewReader returns a reader of the log at path, which is that of the active
// file, [DefaultPath] for example; a leading ~/ is the user's home directory.
// It opens nothing yet: that there is no log shows when it is read, as
// fs.ErrNotExist.
func NewReader(path string, opts ...ReaderOption) (*Reader, error) {
	resolved, err := resolvePath(path)
	if err != nil {
		return nil, fmt.Errorf("auditlog: %w", err)
	}
	cfg := newReaderConfig(opts)
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("auditlog: read %s: %w", path, err)
	}
	return newReader(resolved, cfg), nil
}

// newReader takes an absolute path.
func newReader(path string, cfg readerConfig) *Reader {
	dir, base := filepath.Split(path)
	return &Reader{
		path: path, dir: filepath.Clean(dir), stem: archive.Stem(base), cfg: cfg, beside: vfs.NewBeside(path),
		sectionSize: sectionSize,
		hourly:      hourlySpend{calls: newCallTally(false)},
		hourlyTurn:  make(chan struct{}, 1),
	}
}

// Path returns the absolute path of the active file.
func (r *Reader) Path() string { return r.path }

// MaxLine returns the length in bytes of the longest line, as [WithMaxLine] sets it.
func (r *Reader) MaxLine() int { return r.cfg.maxLine }

// Entry is one event as it stands in a file.
type Entry struct {
	// File is the path of the file, of an archive perhaps.
	File string
	// Line is the number of the line in the file, from 1, and Offset that of
	// its first byte, from 0, in the uncompressed file. Line is 0 where the
	// lines before it were not read: see LastEvents.
	Line, Offset int64
	// Raw is the line, a JSON object, without its LF or CRLF. It is valid until
	// the next iteration: keep an Entry by its Clone.
	Raw []byte
	// Terminated tells whether the line ends in a line feed. Only the last one
	// of a file may lack it.
	Terminated bool
}

// Clone returns a copy of e that stays valid.
func (e Entry) Clone() Entry {
	e.Raw = bytes.Clone(e.Raw)
	return e
}

// Time returns the instant that the line's ts says, in UTC, and whether it has
// one.
func (e Entry) Time() (time.Time, bool) {
	var f fields
	if f.scan(e.Raw) != nil {
		return time.Time{}, false
	}
	return jsonline.ParseTime(f[fieldTime])
}

// damageLogger is where damage is told of when the caller does not ask for it.
type damageLogger struct {
	logger *slog.Logger
}

func (l damageLogger) report(d *DamageError) {
	l.logger.Warn("auditlog: skipping damaged line",
		slog.String("file", d.File), slog.Int64("line", d.Line), slog.Int64("offset", d.Offset), slog.String("reason", d.Reason))
}

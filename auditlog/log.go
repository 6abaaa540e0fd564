package auditlog

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/otelaudit/otelaudit/internal/archive"
	"github.com/otelaudit/otelaudit/internal/journal"
	"github.com/otelaudit/otelaudit/internal/scan"
)

// Log is an audit log that is open for appending. It reads its own files too,
// as the [Reader] it holds. All methods are safe for concurrent use. [Open]
// makes one; close it with [Log.Close].
type Log struct {
	*Reader

	journal   *journal.Log
	sessionID string
	refused   atomic.Int64 // events that could not be encoded, and those of the same Append
}

// Open opens the log at path for appending, and finishes rotations that a crash
// interrupted. It makes the file (mode 0600) and its folders (0700) where they
// do not exist. path is that of the active file, [DefaultPath] for example; a
// leading ~/ is the user's home directory. Archives stand beside it.
//
// A symbolic link as last element of path, anything that is not a regular
// file, and a file of another user are refused. [ErrLocked] means that a Log
// with [WithSoleOwner] has the file, or, with that option, that any other Log
// is just writing to it.
func Open(path string, opts ...Option) (*Log, error) {
	cfg, err := newConfig(opts)
	if err != nil {
		return nil, fmt.Errorf("auditlog: open %s: %w", path, err)
	}
	if path, err = scan.ResolvePath(path); err != nil {
		return nil, fmt.Errorf("auditlog: %w", err)
	}
	longest := cfg.reader.maxLine
	j, err := journal.Open(journal.Config{
		Path:           path,
		SyncLines:      cfg.syncLines,
		SyncInterval:   cfg.syncInterval,
		WithoutCadence: cfg.withoutCadence,
		MaxFileSize:    cfg.maxFileSize,
		MaxLine:        longest,
		SoleOwner:      cfg.soleOwner,
		Logger:         cfg.reader.logger,
		FS:             cfg.fs,
		Summarize: func(path string, plain io.ReaderAt, size int64) (archive.Summary, error) {
			return scan.Summarize(path, plain, size, longest)
		},
		Compare: func(removed func() io.Reader, size int64, now func() io.Reader) (journal.Comparison, error) {
			c, err := scan.CompareLines(longest, removed, size, now)
			return journal.Comparison(c), err
		},
		RecoveredEvent: func(dst []byte, reason string, attributes map[string]any) ([]byte, error) {
			event := Event{Name: eventRecovered, Reason: reason, Attributes: attributes}
			return new(eventEncoder).append(dst, &event, 0, time.Now(), cfg.sessionID)
		},
	})
	if err != nil {
		return nil, err
	}
	return &Log{Reader: newReader(path, cfg.reader), journal: j, sessionID: cfg.sessionID}, nil
}

// eventRecovered is the name of the event that says what was found at the active
// file, or done to it besides appending: FORMAT.md section 7.
const eventRecovered = "auditlog_recovered"

// Close syncs, waits for running compressions and closes the log's files. Every
// later call returns what the first one did; appends after it return
// [ErrClosed]. While another process holds the file's lock for longer than 10
// seconds, Close returns [ErrLocked]: what was appended is synced then, and the
// file is closed when the lock is free.
func (l *Log) Close() error { return l.journal.Close() }

// Sync returns nil when everything that was appended before is on stable
// storage. ctx bounds the waiting; the fsync goes on if it ends first. Any
// error but [ErrClosed] is a [*SyncError].
func (l *Log) Sync(ctx context.Context) error { return publicError(l.journal.Sync(ctx)) }

// Rotate makes an archive of the active file now, however small it is; an
// empty one stays. When it returns nil, everything that was appended before is
// on stable storage. The archive is compressed in the background. ctx bounds
// the waiting for other writers.
func (l *Log) Rotate(ctx context.Context) error { return l.journal.Rotate(ctx) }

// ObserveSyncs calls observe after each fsync of the active file, with its
// duration and its error. The goroutine that did the fsync calls it: observe must
// return quickly, must be safe for concurrent use and must call no method of l.
// stop ends the calls; one that has begun may still be running when stop returns.
func (l *Log) ObserveSyncs(observe func(d time.Duration, err error)) (stop func()) {
	return l.journal.ObserveSyncs(observe)
}

package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/otelaudit/otelaudit/internal/archive"
	"github.com/otelaudit/otelaudit/internal/vfs"
)

// Config configures a [Log]. All fields but the booleans must be set.
type Config struct {
	Path string // of the active file, absolute

	SyncLines    int           // an append blocks while this many lines are unsynced
	SyncInterval time.Duration // after this time an unsynced line is synced
	MaxFileSize  int64         // in bytes; a write that would exceed it rotates first
	MaxLine      int           // in bytes; the longest torn line that is read into memory

	// WithoutCadence leaves syncing to Sync, Close and rotations. SyncLines and
	// SyncInterval have no effect then, and unsynced lines are not kept in memory.
	WithoutCadence bool
	// SoleOwner holds the lock of the active file from Open to Close.
	SoleOwner bool

	Logger *slog.Logger // for errors in the background and for damage
	FS     vfs.FS

	// Summarize returns the summary of the plain archive at path, whose content are
	// the first size bytes of plain.
	Summarize func(path string, plain io.ReaderAt, size int64) (archive.Summary, error)
	// Compare compares a removed file of size bytes with the file that replaced it.
	// Each call of removed and now returns a reader from the first byte.
	Compare func(removed func() io.Reader, size int64, now func() io.Reader) (Comparison, error)
	// RecoveredEvent appends a line to dst: the event auditlog_recovered of now.
	RecoveredEvent func(dst []byte, reason string, attributes map[string]any) ([]byte, error)
}

// Comparison says how a file differs from the removed file that it replaced.
type Comparison struct {
	Common bool  // both files have a line in common
	End    int64 // the offset in the removed file that follows the last common line
	Lacks  int64 // number of the lines before End that the other file lacks
}

// Log is the writer of one active file. All methods are safe for concurrent use.
type Log struct {
	cfg  Config
	path string // of the active file
	dir  string // of path
	base string // of path
	stem string
	log  *slog.Logger
	fs   vfs.FS

	queue      queue
	syncer     syncer
	compressor compressor
	monitor    monitor
	observers  syncObservers
	counts     counts

	writer // guarded by the write lock

	closeOnce sync.Once
	closeErr  error
}

// writer is the state that the write lock guards.
type writer struct {
	folder vfs.Folder // for statActive; nil when it has to be opened
	names  vfs.Folder // for fsync: it is open before a name in it changes
	file   vfs.File   // the active file; nil when it has to be opened
	id     vfs.Info   // of file; only its identity is current
	locked bool       // file is locked against other processes
	size   int64      // of file, while it is locked
	// end is the size of file after the last write of this Log, which ended in a
	// line feed; -1 when unknown.
	end     int64
	closed  bool
	scratch [1]byte

	// These bytes precede the next lines in the file: carryover holds lines that were
	// acknowledged and lost with an earlier file, recoveryEvents their explanation.
	carryover      []byte
	recoveryEvents []byte

	unsynced unsynced
	parts    []part

	opened        time.Time // when file was opened
	rotateAgain   time.Time // not before; set by a rotation that failed
	repairAgain   time.Time // not before; set by a repair that failed
	repairErr     error
	suspectLinked bool // the suspect file has its second name
}

// Open opens the log, and finishes rotations that a crash interrupted. It makes the
// active file (mode 0600) and its folders (0700) where they do not exist.
func Open(cfg Config) (*Log, error) {
	l := &Log{
		cfg:    cfg,
		path:   cfg.Path,
		dir:    filepath.Dir(cfg.Path),
		base:   filepath.Base(cfg.Path),
		stem:   archive.Stem(filepath.Base(cfg.Path)),
		log:    cfg.Logger,
		fs:     cfg.FS,
		writer: writer{end: -1, unsynced: unsynced{discard: cfg.WithoutCadence}},
	}
	l.queue.init(l)
	syncing := syncerConfig{
		limit: int64(cfg.SyncLines), interval: cfg.SyncInterval,
		fsync: l.fsync, repair: l.repairForSync,
		logger: cfg.Logger.With(slog.String("path", cfg.Path)),
	}
	if cfg.WithoutCadence {
		syncing.limit, syncing.interval = 0, 0
	}
	l.syncer.init(syncing)
	l.compressor = compressor{fs: cfg.FS, dir: l.dir, logger: cfg.Logger, summarize: cfg.Summarize}
	if err := makeFolder(l.dir); err != nil {
		return nil, fmt.Errorf("auditlog: make the log's folder: %w", err)
	}
	l.warnOfLocks()
	if err := l.start(); err != nil {
		err = errors.Join(err, l.stop())
		if what := "open " + l.path + ": "; strings.HasPrefix(err.Error(), what) {
			return nil, fmt.Errorf("auditlog: %w", err) // the file system's error has the prefix already
		}
		return nil, fmt.Errorf("auditlog: open %s: %w", l.path, err)
	}
	l.monitor.start(l.checkActive)
	return l, nil
}

// start opens the active file and finishes interrupted rotations. Only the process that
// holds the lock of the file at the path rotates or repairs it: under that lock, other
// temporary files are those of dead processes.
func (l *Log) start() error {
	for {
		if err := l.openFile(); err != nil {
			return err
		}
		if err := l.lockWithin(l.file, openLockLimit); err != nil {
			return err
		}
		l.locked = true
		_, here, err := l.statActive()
		if err != nil {
			return err
		}
		if here {
			break
		}
		// Another process rotated it during the wait.
		if err := l.closeFile(); err != nil {
			return err
		}
	}
	names, err := l.fs.List(l.dir)
	if err != nil {
		return fmt.Errorf("finish interrupted rotations: %w", err)
	}
	l.removeLeftovers(names)
	l.finishRotations(names)
	l.unlockActive()
	return nil
}

// makeFolder makes dir with mode 0700 and its parents, and syncs their names.
func makeFolder(dir string) error {
	var missing []string
	for d := dir; ; d = filepath.Dir(d) {
		if _, err := os.Stat(d); !errors.Is(err, fs.ErrNotExist) {
			break // it exists, or MkdirAll meets the error too
		}
		missing = append(missing, d)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, d := range missing {
		if err := (vfs.OS{}).SyncDir(filepath.Dir(d)); err != nil {
			return err
		}
	}
	return nil
}

// warnOfLocks warns of file systems whose locks do not hold between machines.
func (l *Log) warnOfLocks() {
	kind, err := l.fs.UntrustedLocks(l.dir)
	switch {
	case err != nil:
		l.log.Warn("auditlog: cannot tell the kind of the file system", slog.String("path", l.dir), slog.Any("error", err))
	case kind != "":
		l.log.Warn("auditlog: locks may not hold on this file system: let one process on one machine write to this log",
			slog.String("path", l.path), slog.String("file_system", kind))
	}
}

// Close syncs, waits for running compressions and closes the files. Every later call
// returns the result of the first one; appends after it return [ErrClosed]. After 10
// seconds of waiting for another process's lock, Close syncs and returns [ErrLocked],
// and a goroutine closes the file when the lock is free.
func (l *Log) Close() error {
	l.closeOnce.Do(func() {
		l.monitor.stop()
		ctx, cancel := context.WithTimeout(context.Background(), lockLimit)
		defer cancel()
		if err := l.queue.acquire(ctx); err != nil {
			l.closeErr = fmt.Errorf("auditlog: close %s: %w", l.path, errors.Join(ErrLocked, l.syncer.syncNow(false)))
			go func() {
				_ = l.queue.acquire(context.Background()) // its context never ends, so no error
				if err := l.stop(); err != nil {
					l.log.Error("auditlog: close", slog.String("path", l.path), slog.Any("error", err))
				}
				l.queue.release()
			}()
			return
		}
		defer l.queue.release()
		if err := l.stop(); err != nil {
			l.closeErr = fmt.Errorf("auditlog: close %s: %w", l.path, err)
		}
	})
	return l.closeErr
}

// stop closes the log. The caller must hold the write lock.
func (l *Log) stop() error {
	l.repairAgain = time.Time{} // a repair has its last chance
	var err error
	if len(l.carryover)+len(l.recoveryEvents) > 0 {
		err = l.writeRecoveryEvents()
	}
	l.closed = true
	err = errors.Join(err, l.syncer.stop())
	err = errors.Join(err, l.closeFile(), l.closeFolder(), l.closeNames())
	l.compressor.wait()
	return err
}

// Sync returns nil when all lines appended before are on stable storage. ctx bounds the
// wait; the fsync goes on if ctx ends first. An error is [ErrClosed] or a [*SyncError].
func (l *Log) Sync(ctx context.Context) error {
	last, stopped := l.syncer.lastWritten()
	if stopped {
		return ErrClosed
	}
	return syncError(l.syncer.wait(ctx, last))
}

// WaitForCompression returns when no archive is to be compressed. Tests call it.
func (l *Log) WaitForCompression() { l.compressor.wait() }

// fsync makes what was written to t.file durable, and its name unless t.named. The
// syncer calls it, without the write lock and without the lock of the file.
//
//	fsync(active)
//	fsync(folder)    unless the name is durable
//	stat(dir)        a file in a folder that was removed is in no log
func (l *Log) fsync(t syncTarget) error {
	if err := l.observers.sync(t.file.Sync); err != nil || t.named {
		return err
	}
	if err := t.folder.Sync(); err != nil {
		return err
	}
	_, err := l.fs.Stat(l.dir + "/.")
	return err
}

package auditlog

import (
	"context"
	"errors"
	"fmt"
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

// Log is an audit log that is open for appending. It reads its own files too,
// as the [Reader] it holds. All methods are safe for concurrent use. [Open]
// makes one; close it with [Log.Close].
type Log struct {
	*Reader

	path string // of the active file, absolute
	dir  string // of path
	base string // of path
	stem string
	cfg  config
	log  *slog.Logger
	fs   vfs.FS

	commitGroup commitGroup
	queue       writeQueue
	// The fields of writer belong to the goroutine that has the turn.
	writer

	syncer     syncer
	compressor compressor
	monitor    monitor
	counts     counts

	closeOnce sync.Once
	closeErr  error
}

// writer is what the goroutine that has the turn writes with.
type writer struct {
	folder vfs.Folder // to look from; nil when it has to be opened
	names  vfs.Folder // to sync: open before anything is renamed in it
	file   vfs.File   // the active file; nil when it has to be opened
	id     vfs.Info   // of file; only what identifies it is current
	locked bool       // file is, against other processes
	size   int64      // of file, while it is locked
	// end is the size of file after our last write, which ended in a line
	// feed; -1 when unknown.
	end     int64
	closed  bool
	scratch [1]byte

	// What goes to the file ahead of the next lines: lines that are counted as
	// written and were lost with a file, and events that tell of it.
	carryover      []byte
	recoveryEvents []byte

	unsynced unsynced
	parts    []part

	opened        time.Time // when file was
	rotateAgain   time.Time // after a rotation that failed
	repairAgain   time.Time // after a repair that failed
	repairErr     error
	suspectLinked bool // the suspect file has its second name
}

// Open opens the log at path for appending, and finishes what an interrupted
// rotation left. It makes the file (mode 0600) and its folders (0700) if they
// are not there. path is that of the active file, [DefaultPath] for example; a
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
	if path, err = resolvePath(path); err != nil {
		return nil, fmt.Errorf("auditlog: %w", err)
	}
	l := &Log{
		Reader: newReader(path, cfg.reader),
		path:   path,
		dir:    filepath.Dir(path),
		base:   filepath.Base(path),
		stem:   archive.Stem(filepath.Base(path)),
		cfg:    cfg,
		log:    cfg.reader.logger,
		fs:     cfg.fs,
		writer: writer{end: -1},
	}
	l.syncer.init(l)
	l.compressor.init(l)
	if err := makeFolder(l.dir); err != nil {
		return nil, fmt.Errorf("auditlog: make the log's folder: %w", err)
	}
	l.warnOfLocks()
	if err := l.start(); err != nil {
		err = errors.Join(err, l.stop())
		if what := "open " + path + ": "; strings.HasPrefix(err.Error(), what) {
			return nil, fmt.Errorf("auditlog: %w", err) // not what the file system says already twice
		}
		return nil, fmt.Errorf("auditlog: open %s: %w", path, err)
	}
	l.monitor.start(l)
	return l, nil
}

// start opens the active file and takes up what was interrupted. Whoever has
// the lock on the file at the path is the only one that rotates or repairs, so
// that what they leave behind is nobody's.
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
		// Rotated while we waited.
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

// resolvePath makes path absolute and expands a leading ~/, so that neither a
// later chdir nor a shell that did not expand it moves the log.
func resolvePath(path string) (string, error) {
	if path == "" {
		return "", errors.New("the path of the log is empty; give one, or use auditlog.DefaultPath")
	}
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("expand %s: %w; set it, or name another path", path, err)
		}
		path = filepath.Join(home, rest)
	}
	if strings.HasPrefix(path, "~") && (strings.IndexByte(path, filepath.Separator) > 0 || path == "~") {
		return "", fmt.Errorf("%s: only ~/ is expanded, to your own home directory; write the path out, or ./%s if that is the name", path, path)
	}
	if strings.HasSuffix(path, string(filepath.Separator)) {
		return "", fmt.Errorf("%s names a folder; name the log's file in it, for example %saudit.jsonl", path, path)
	}
	return filepath.Abs(path)
}

// makeFolder makes dir with mode 0700 and its parents, and their names
// durable.
func makeFolder(dir string) error {
	var missing []string
	for d := dir; ; d = filepath.Dir(d) {
		if _, err := os.Stat(d); !errors.Is(err, fs.ErrNotExist) {
			break // there, or an error that MkdirAll meets too
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

// warnOfLocks tells of file systems whose locks do not hold between machines.
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

// Close syncs, waits for running compressions and releases the log's files.
// Every later call returns what the first one did; appends after it return
// [ErrClosed]. While another process holds the file's lock for longer than 10
// seconds, Close returns [ErrLocked]; what was appended is synced then, and
// the file is released when the lock is.
func (l *Log) Close() error {
	l.closeOnce.Do(func() {
		l.monitor.stop()
		ctx, cancel := context.WithTimeout(context.Background(), lockLimit)
		defer cancel()
		if err := l.queue.acquire(ctx); err != nil {
			l.closeErr = errors.Join(fmt.Errorf("auditlog: close %s: %w", l.path, ErrLocked), l.syncer.sync(context.Background()))
			go func() {
				_ = l.queue.acquire(context.Background()) // without end, so without error
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

// stop is Close for who has the turn.
func (l *Log) stop() error {
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

// Sync returns nil when everything that was appended before is on stable
// storage. ctx bounds the waiting; the fsync goes on if it ends first. Any
// error but [ErrClosed] is a [*SyncError].
func (l *Log) Sync(ctx context.Context) error {
	return l.syncer.sync(ctx)
}

package auditlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// Log is an audit log that is open for appending. It reads its own files too,
// as the [Reader] it holds. All methods are safe for concurrent use. [Open]
// makes one; close it with [Log.Close].
type Log struct {
	*Reader

	path string // of the active file, absolute
	dir  string
	stem string
	cfg  config
	log  *slog.Logger

	// writing is held by the one goroutine that uses the fields below it. It
	// is a channel and not a mutex so that a caller can stop waiting for it.
	writing chan struct{}
	file    *os.File // the active file; nil when it has to be opened
	end     int64    // its size after our last write, which ended in a line feed; -1 when unknown
	closed  bool

	cadence    cadence
	compressor compressor

	closeOnce sync.Once
	closeErr  error
}

// Open opens the log at path for appending, and finishes what an interrupted
// rotation left. It makes the file (mode 0600) and its folders (0700) if they
// are not there. path is that of the active file, [DefaultPath] for example; a
// leading ~/ is the user's home directory. Archives stand beside it.
//
// A symbolic link as last element of path, anything that is not a regular
// file, and a file of another user are refused.
func Open(path string, opts ...Option) (*Log, error) {
	cfg, err := newConfig(opts)
	if err != nil {
		return nil, fmt.Errorf("auditlog: open %s: %w", path, err)
	}
	if path, err = resolvePath(path); err != nil {
		return nil, fmt.Errorf("auditlog: %w", err)
	}
	l := &Log{
		Reader:  newReader(path, cfg.reader),
		path:    path,
		dir:     filepath.Dir(path),
		stem:    logStem(filepath.Base(path)),
		cfg:     cfg,
		log:     cfg.reader.logger,
		writing: make(chan struct{}, 1),
		end:     -1,
	}
	l.cadence.init(l)
	l.compressor.init(l)
	if err := os.MkdirAll(l.dir, 0o700); err != nil {
		return nil, fmt.Errorf("auditlog: make the log's folder: %w", err)
	}
	if err := l.reopen(); err != nil {
		return nil, fmt.Errorf("auditlog: %w", err)
	}
	if err := l.finishRotations(); err != nil {
		return nil, errors.Join(fmt.Errorf("auditlog: finish interrupted rotations: %w", err), l.Close())
	}
	return l, nil
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
			return "", fmt.Errorf("expand %s: %w", path, err)
		}
		path = filepath.Join(home, rest)
	}
	if strings.HasSuffix(path, string(filepath.Separator)) {
		return "", fmt.Errorf("%s names a folder; name the log's file in it, for example %saudit.jsonl", path, path)
	}
	return filepath.Abs(path)
}

// Path returns the absolute path of the active file.
func (l *Log) Path() string { return l.path }

// reopen opens the active file and makes its name durable if it is new. The
// caller holds writing, or owns l alone.
func (l *Log) reopen() error {
	created, err := l.openFile()
	if err != nil || !created {
		return err
	}
	return syncDir(l.dir)
}

// openFile is reopen without making the name durable.
func (l *Log) openFile() (created bool, err error) {
	f, created, err := openActive(l.path)
	if err != nil {
		return false, err
	}
	l.file, l.end = f, -1
	l.cadence.use(f)
	return created, nil
}

// closeFile lets go of the active file.
func (l *Log) closeFile() error {
	f := l.file
	l.file, l.end = nil, -1
	if f == nil {
		return nil
	}
	return f.Close()
}

// Close syncs, waits for running compressions and releases the log's files.
// Every later call returns what the first one did; appends after it return
// [ErrClosed].
func (l *Log) Close() error {
	l.closeOnce.Do(func() {
		l.writing <- struct{}{}
		defer func() { <-l.writing }()
		l.closed = true
		err := l.cadence.stop()
		err = errors.Join(err, l.closeFile())
		l.compressor.wait()
		l.closeErr = err
	})
	return l.closeErr
}

// Sync returns nil when everything that was appended before is on stable
// storage. ctx bounds the waiting; the fsync goes on if it ends first. Any
// error but [ErrClosed] is a [*SyncError].
func (l *Log) Sync(ctx context.Context) error {
	return l.cadence.sync(ctx)
}

package auditlog

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/otelaudit/otelaudit/internal/scan"
	"github.com/otelaudit/otelaudit/internal/vfs"
)

// DefaultPath is the path of the log unless the caller names another one. [Open]
// and [NewReader] expand the tilde to the user's home directory.
const DefaultPath = "~/.scout/audit.jsonl"

// DefaultMaxLine is the length in bytes of the longest line, unless
// [WithMaxLine] sets another one: 64 MiB.
const DefaultMaxLine = 64 << 20

const (
	defaultSyncLines    = 10
	defaultSyncInterval = time.Second
	defaultMaxFileSize  = 10 << 20
)

// Option configures a [Log]. Every [ReaderOption] is one too.
type Option interface {
	applyLog(cfg config) config
}

// ReaderOption configures a [Reader], and the reading side of a [Log].
type ReaderOption interface {
	Option
	applyReader(cfg readerConfig) readerConfig
}

type config struct {
	syncLines    int
	syncInterval time.Duration
	maxFileSize  int64
	sessionID    string
	reader       readerConfig

	withoutCadence bool
	soleOwner      bool
	fs             vfs.FS
}

type readerConfig struct {
	logger     *slog.Logger
	activeOnly bool
	maxLine    int
}

func (cfg readerConfig) check() error {
	return scan.CheckMaxLine(cfg.maxLine)
}

func newConfig(opts []Option) (config, error) {
	cfg := config{
		syncLines:    defaultSyncLines,
		syncInterval: defaultSyncInterval,
		maxFileSize:  defaultMaxFileSize,
		reader:       newReaderConfig(nil),
		fs:           vfs.OS{},
	}
	for _, opt := range opts {
		if opt != nil {
			cfg = opt.applyLog(cfg)
		}
	}
	if cfg.sessionID == "" {
		cfg.sessionID = SessionID()
	}
	var errs []error
	if cfg.syncLines < 1 {
		errs = append(errs, fmt.Errorf("WithSyncLines(%d): want 1 line or more", cfg.syncLines))
	}
	if cfg.syncInterval <= 0 {
		errs = append(errs, fmt.Errorf("WithSyncInterval(%v): want a duration above 0", cfg.syncInterval))
	}
	if cfg.maxFileSize < 1 {
		errs = append(errs, fmt.Errorf("WithMaxFileSize(%d): want 1 byte or more", cfg.maxFileSize))
	}
	return cfg, errors.Join(append(errs, cfg.reader.check())...)
}

func newReaderConfig(opts []ReaderOption) readerConfig {
	cfg := readerConfig{logger: slog.New(slog.DiscardHandler), maxLine: DefaultMaxLine}
	for _, opt := range opts {
		if opt != nil {
			cfg = opt.applyReader(cfg)
		}
	}
	return cfg
}

type logOption func(config) config

func (o logOption) applyLog(cfg config) config { return o(cfg) }

type readerOption func(readerConfig) readerConfig

func (o readerOption) applyReader(cfg readerConfig) readerConfig { return o(cfg) }

func (o readerOption) applyLog(cfg config) config {
	cfg.reader = o(cfg.reader)
	return cfg
}

// WithSyncLines sets the number of unsynced lines at which appends block: at any
// time fewer than n lines of a [Log] whose Append returned nil are unsynced. The
// default is 10; with 1 every Append waits for the disk. The Log keeps unsynced
// lines in memory until they are synced.
func WithSyncLines(n int) Option {
	return logOption(func(cfg config) config {
		cfg.syncLines = n
		return cfg
	})
}

// WithSyncInterval sets the longest time that a line stays unsynced, also when no
// other line follows it. The default is 1 second.
func WithSyncInterval(d time.Duration) Option {
	return logOption(func(cfg config) config {
		cfg.syncInterval = d
		return cfg
	})
}

// WithoutCadenceSync leaves syncing to [Log.Sync], [Log.Close] and rotation: a
// power cut loses all lines that were appended since. The Log keeps no copy of them:
// after a failed fsync it reads them back as far as the kernel still has them.
func WithoutCadenceSync() Option {
	return logOption(func(cfg config) config {
		cfg.withoutCadence = true
		return cfg
	})
}

// WithSoleOwner makes the Log hold the lock of the file until Close: any other
// [Open] of the path returns [ErrLocked], and so does this one while another Log
// holds the lock. That saves a few microseconds per write. The Log notices within a
// second, not with the next write, that the file was moved, removed or truncated.
func WithSoleOwner() Option {
	return logOption(func(cfg config) config {
		cfg.soleOwner = true
		return cfg
	})
}

// WithMaxFileSize sets the size in bytes that the active file does not exceed: a
// line that would make it larger goes into the next file. Two things exceed it: a
// single line that is larger, and a file that cannot be rotated; the Log tries that
// again once a second. The default is 10 MiB.
func WithMaxFileSize(bytes int64) Option {
	return logOption(func(cfg config) config {
		cfg.maxFileSize = bytes
		return cfg
	})
}

// WithSessionID sets the session of events that name none. The default is
// [SessionID], also when id is empty.
func WithSessionID(id string) Option {
	return logOption(func(cfg config) config {
		cfg.sessionID = id
		return cfg
	})
}

// WithLogger sets the logger for background errors and damage: a failed fsync or
// compression, a damaged line. A [Log] or [Reader] logs nothing per event. The
// default, and nil, discard.
func WithLogger(logger *slog.Logger) ReaderOption {
	return readerOption(func(cfg readerConfig) readerConfig {
		if logger == nil {
			logger = slog.New(slog.DiscardHandler)
		}
		cfg.logger = logger
		return cfg
	})
}

// WithMaxLine sets the length in bytes of the longest line, its line feed not
// counted, from 1 KiB to 1 GiB. [Log.Append] refuses an event whose line is longer.
// Reads pass over a longer line as damage and hold no more of it than that length
// in memory. Give writers and readers of one log the same length. The default is
// [DefaultMaxLine].
func WithMaxLine(bytes int) ReaderOption {
	return readerOption(func(cfg readerConfig) readerConfig {
		cfg.maxLine = bytes
		return cfg
	})
}

// WithActiveOnly makes reads leave the archives out.
func WithActiveOnly() ReaderOption {
	return readerOption(func(cfg readerConfig) readerConfig {
		cfg.activeOnly = true
		return cfg
	})
}

package auditlog

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/otelaudit/otelaudit/internal/scan"
	"github.com/otelaudit/otelaudit/internal/vfs"
)

// DefaultPath is where the log is unless told otherwise; [Open] and
// [NewReader] expand the tilde to the user's home directory.
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

// WithSyncLines sets how many lines of a [Log] whose Append returned nil may
// be unsynced at any time: fewer than n. The Append that would make them n
// waits for the disk. The default is 10; with 1 every Append waits. Unsynced
// lines are kept in memory until they are synced.
func WithSyncLines(n int) Option {
	return logOption(func(cfg config) config {
		cfg.syncLines = n
		return cfg
	})
}

// WithSyncInterval sets how long a line may stay unsynced when too few others
// follow it to reach the number of [WithSyncLines]. The default is 1 second.
func WithSyncInterval(d time.Duration) Option {
	return logOption(func(cfg config) config {
		cfg.syncInterval = d
		return cfg
	})
}

// WithoutCadenceSync leaves syncing to [Log.Sync], [Log.Close] and rotation: a
// power cut takes everything that was appended since. After a failed fsync that
// part is read back as far as the kernel still has it, since no copy is kept.
func WithoutCadenceSync() Option {
	return logOption(func(cfg config) config {
		cfg.withoutCadence = true
		return cfg
	})
}

// WithSoleOwner makes the Log take the lock of the file for as long as it is
// open: any other [Open] of the path returns [ErrLocked], and so does this one
// when somebody else is writing. That saves a few microseconds for each write.
// That the file was moved, removed or truncated is noticed within a second,
// not with the next write.
func WithSoleOwner() Option {
	return logOption(func(cfg config) config {
		cfg.soleOwner = true
		return cfg
	})
}

// WithMaxFileSize sets the size in bytes that the active file does not exceed:
// the line that would make it larger goes into the next file. Only a single
// line that is larger by itself exceeds it, and a file that cannot be rotated,
// which is tried again once a second. The default is 10 MiB.
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

// WithLogger sets where a [Log] or [Reader] tells what concerns no single
// call: damaged lines met by a read, a failed fsync or compression in the
// background. Nothing is logged per event. The default discards; nil does too.
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

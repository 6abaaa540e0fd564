package auditlogexporter

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configretry"
	"go.opentelemetry.io/collector/exporter/exporterhelper"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/exporter"
	"github.com/otelaudit/otelaudit/internal/visible"
)

// Config is the configuration of an exporter. The README says what each member
// means.
type Config struct {
	// Path is that of the active file. A leading ~/ is the home directory of
	// the collector's user.
	Path string `mapstructure:"path"`

	Sync     SyncConfig     `mapstructure:"sync"`
	Rotation RotationConfig `mapstructure:"rotation"`
	// SoleOwner keeps other writers out of the file.
	SoleOwner bool `mapstructure:"sole_owner"`

	// SessionID is the session of records that name none; empty: one of the process
	// that sent them.
	SessionID string `mapstructure:"session_id"`
	// Aliases has fields taken from the attributes of known emitters.
	Aliases bool `mapstructure:"aliases"`
	// Sources are further attributes, by the field that is taken from them.
	Sources map[string][]string `mapstructure:"sources"`
	// RecordUID has records that have no log.record.uid get one.
	RecordUID bool `mapstructure:"record_uid"`
	// SpanNames are further spans that are calls of a model.
	SpanNames []string `mapstructure:"span_names"`
	// RecentTraces is of how many traces the spans are remembered, for the sessions
	// that records have from an ancestor of their span.
	RecentTraces int `mapstructure:"recent_traces"`

	// Events says which events are written.
	Events EventsConfig `mapstructure:"events"`
	// Attributes are rules for the attributes of records and spans, in the
	// order in which they are applied.
	Attributes []AttributeRule `mapstructure:"attributes"`

	Queue configoptional.Optional[exporterhelper.QueueBatchConfig] `mapstructure:"sending_queue"`
	Retry configretry.BackOffConfig                                `mapstructure:"retry_on_failure"`

	// prevent unkeyed literal initialization
	_ struct{}
}

// SyncMode says what the end of an export means.
type SyncMode string

// The modes of syncing.
const (
	// SyncAlways: the lines are on stable storage.
	SyncAlways SyncMode = "always"
	// SyncCadence: the lines are in the kernel; soon they are on stable storage.
	SyncCadence SyncMode = "cadence"
	// SyncNever: the lines are in the kernel.
	SyncNever SyncMode = "never"
)

// SyncConfig says when lines are synced to disk.
type SyncConfig struct {
	Mode SyncMode `mapstructure:"mode"`
	// Lines and Interval are those of auditlog.WithSyncLines and
	// auditlog.WithSyncInterval.
	Lines    int           `mapstructure:"lines"`
	Interval time.Duration `mapstructure:"interval"`

	// prevent unkeyed literal initialization
	_ struct{}
}

// RotationConfig says when the active file becomes an archive.
type RotationConfig struct {
	MaxBytes int64 `mapstructure:"max_bytes"`

	// prevent unkeyed literal initialization
	_ struct{}
}

// EventsConfig chooses events by their names. * stands for any characters.
type EventsConfig struct {
	// Include names those that are written; empty means all.
	Include []string `mapstructure:"include"`
	// Exclude names those of them that are not.
	Exclude []string `mapstructure:"exclude"`

	// prevent unkeyed literal initialization
	_ struct{}
}

var _ component.Config = (*Config)(nil)

func createDefaultConfig() component.Config {
	retry := configretry.NewDefaultBackOffConfig()
	retry.Enabled = false
	retry.MaxElapsedTime = 0
	return &Config{
		Sync:      SyncConfig{Mode: SyncAlways, Lines: 10, Interval: time.Second},
		Rotation:  RotationConfig{MaxBytes: 10 << 20},
		Aliases:   true,
		RecordUID: true,

		RecentTraces: exporter.DefaultRecentTraces,

		Queue: configoptional.Default(exporterhelper.NewDefaultQueueConfig()),
		Retry: retry,
	}
}

// Validate returns everything that is wrong with the configuration.
func (c *Config) Validate() error {
	var errs []error
	if c.Path == "" {
		errs = append(errs, errors.New("path: it is empty; name the file that events are appended to"))
	}
	switch c.Sync.Mode {
	case SyncAlways, SyncCadence, SyncNever:
	default:
		errs = append(errs, fmt.Errorf("sync::mode: %q is none of always, cadence and never", visible.Cut(string(c.Sync.Mode))))
	}
	if c.Sync.Lines < 1 {
		errs = append(errs, fmt.Errorf("sync::lines: %d; want 1 line or more", c.Sync.Lines))
	}
	if c.Sync.Interval <= 0 {
		errs = append(errs, fmt.Errorf("sync::interval: %v; want a duration above 0", c.Sync.Interval))
	}
	if c.Rotation.MaxBytes < 1 {
		errs = append(errs, fmt.Errorf("rotation::max_bytes: %d; want 1 byte or more", c.Rotation.MaxBytes))
	}
	if err := exporter.CheckOptions(c.sources()...); err != nil {
		errs = append(errs, fmt.Errorf("sources: %w", err))
	}
	if n := c.RecentTraces; n < 0 || n > exporter.MaxRecentTraces {
		errs = append(errs, fmt.Errorf("recent_traces: %d; want from 0 to %d traces", n, exporter.MaxRecentTraces))
	}
	for i := range c.Attributes {
		if err := c.Attributes[i].validate(); err != nil {
			errs = append(errs, fmt.Errorf("attributes::%d: %w", i, err))
		}
	}
	if q := c.Queue.Get(); c.Queue.HasValue() && !q.WaitForResult && (!c.Retry.Enabled || c.Retry.MaxElapsedTime != 0) {
		errs = append(errs, errors.New("sending_queue: senders are told that a request is accepted before it is written, and would lose it when the disk is full: "+
			"set retry_on_failure::enabled to true and retry_on_failure::max_elapsed_time to 0, or sending_queue::wait_for_result to true"))
	}
	return errors.Join(errs...)
}

// log returns the options of the log, of which all exporters to one path need
// the same.
func (c *Config) log() logConfig {
	return logConfig{
		lines: c.Sync.Lines, interval: c.Sync.Interval, never: c.Sync.Mode == SyncNever,
		maxBytes: c.Rotation.MaxBytes, soleOwner: c.SoleOwner, sessionID: c.SessionID,
	}
}

func (c *Config) sources() (opts []exporter.Option) {
	for field, keys := range c.Sources {
		opts = append(opts, exporter.WithSources(field, keys...))
	}
	return opts
}

// exporter returns the options of the exporter, of a valid configuration.
func (c *Config) exporter() []exporter.Option {
	opts := append(c.sources(), exporter.WithReplaceAttribute(hook(c.Attributes)))
	if !c.Aliases {
		opts = append(opts, exporter.WithoutAliases())
	}
	if !c.RecordUID {
		opts = append(opts, exporter.WithoutRecordUID())
	}
	return opts
}

// logConfig are the options of a log.
type logConfig struct {
	lines     int
	interval  time.Duration
	never     bool
	maxBytes  int64
	soleOwner bool
	sessionID string
}

func (c logConfig) options() []auditlog.Option {
	opts := []auditlog.Option{
		auditlog.WithSyncLines(c.lines), auditlog.WithSyncInterval(c.interval),
		auditlog.WithMaxFileSize(c.maxBytes), auditlog.WithSessionID(c.sessionID),
	}
	if c.never {
		opts = append(opts, auditlog.WithoutCadenceSync())
	}
	if c.soleOwner {
		opts = append(opts, auditlog.WithSoleOwner())
	}
	return opts
}

// pattern returns what matches one of names, in which * stands for any
// characters; nil for none.
func pattern(names []string) *regexp.Regexp {
	if len(names) == 0 {
		return nil
	}
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = strings.ReplaceAll(regexp.QuoteMeta(name), `\*`, `.*`)
	}
	return regexp.MustCompile(`(?s)^(?:` + strings.Join(quoted, "|") + `)$`)
}

// wants returns whether an event is written; nil if all are.
func (c *EventsConfig) wants() func(event string) bool {
	include, exclude := pattern(c.Include), pattern(c.Exclude)
	if include == nil && exclude == nil {
		return nil
	}
	return func(event string) bool {
		return (include == nil || include.MatchString(event)) && (exclude == nil || !exclude.MatchString(event))
	}
}

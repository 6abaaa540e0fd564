package auditlog

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/otelaudit/otelaudit/internal/history"
	"github.com/otelaudit/otelaudit/internal/scan"
	"github.com/otelaudit/otelaudit/internal/spend"
)

// Reader reads the files of a log: its archives, oldest first, then the active
// file. It takes no locks and may read while others append and rotate. All
// methods are safe for concurrent use.
//
// It reads what any JSON writer may produce (FORMAT.md section 7). A read skips damaged
// lines, counts them and reports each with file, line and byte offset.
type Reader struct {
	log    *history.Log
	hourly *spend.Hourly
}

// NewReader returns a reader of the log at path, the path of the active file,
// [DefaultPath] for example; a leading ~/ is the user's home directory. It opens no
// file: a read of a log that does not exist returns fs.ErrNotExist.
func NewReader(path string, opts ...ReaderOption) (*Reader, error) {
	resolved, err := scan.ResolvePath(path)
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
	log := history.New(scan.NewSource(path, cfg.logger, cfg.maxLine), cfg.activeOnly)
	return &Reader{log: log, hourly: spend.NewHourly(log)}
}

// Path returns the absolute path of the active file.
func (r *Reader) Path() string { return r.log.Path }

// MaxLine returns the length in bytes of the longest line, as [WithMaxLine] sets it.
func (r *Reader) MaxLine() int { return r.log.MaxLine }

// Entry is one event as it stands in a file.
type Entry struct {
	// File is the path of the file: the active file or an archive.
	File string
	// Line is the number of the line in the file, from 1, and Offset the number of
	// its first byte, from 0, in the uncompressed file. Line is 0 where the
	// lines before it were not read: see LastEvents.
	Line, Offset int64
	// Raw is the line, a JSON object, without its LF or CRLF. It is valid until
	// the next iteration: keep an Entry by its Clone.
	Raw []byte
	// Terminated reports whether the line ends in a line feed. Only the last one
	// of a file may lack it.
	Terminated bool
}

// Clone returns a copy of e that stays valid.
func (e Entry) Clone() Entry {
	e.Raw = bytes.Clone(e.Raw)
	return e
}

// Time returns the instant of the line's ts, in UTC, and whether the line has one.
func (e Entry) Time() (time.Time, bool) { return scan.Entry(e).Time() }

// Event decodes the line. Every key of FORMAT.md section 2 becomes its field;
// one whose value is not of the field's type, and every other key, becomes an
// attribute, so that nothing is dropped but otel, the envelope of records that
// came from OpenTelemetry, which stays in Raw. null counts as absent there.
//
// Attributes and Config hold nil, bool, string, int64, float64, []byte, []any
// and map[string]any; a number that neither int64 nor float64 holds is the
// string of its digits. Of a key that occurs more than once the last counts.
//
// The error says that Raw is not a JSON object, or that a value of it is
// nested deeper than 10,000 levels.
func (e Entry) Event() (Event, error) { return decode(e.Raw) }

// DamageError says where a file holds bytes that are not an event, and why.
// Reads skip them, report them, and go on after them.
type DamageError struct {
	File   string `json:"file"`   // path of the file
	Line   int64  `json:"line"`   // number of the line, from 1
	Offset int64  `json:"offset"` // of the line's first byte in the uncompressed file
	// Length is the number of damaged bytes, without the line feed; 0 where it is not
	// known, after a defect in a compressed archive.
	Length int64  `json:"-"`
	Reason string `json:"reason"`
}

func (e *DamageError) Error() string { return (*scan.DamageError)(e).Error() }

// Filter selects the events that a read returns. The zero value selects all.
type Filter struct {
	// Since is the first instant, Until the first one that is too late; zero
	// means no bound. Instants are compared, in whatever zone they are written.
	// With a bound, events without a readable ts are left out, and their number is
	// logged, as information.
	Since, Until time.Time
	// Event, Session, Model and TraceID are compared with the strings of the
	// line's event, session_id, model and trace_id, after its escapes; TraceID in any
	// case. A byte outside valid UTF-8 counts as U+FFFD, as it is written. Empty
	// means any.
	Event, Session, Model, TraceID string
	// NoDedup makes Spend count every event, also where two of them are of one call
	// of a model, or are one repeated line: see [Reader.Spend]. Other reads never leave
	// events out.
	NoDedup bool
	// TimeZone is the zone of the hours, days, weeks and months by which Spend
	// groups; nil means UTC. Other reads ignore it.
	TimeZone *time.Location
	// OnDamage is called for each damaged line, in order, from the goroutine
	// that reads. nil means that damage is logged as warnings, by the logger of
	// WithLogger.
	OnDamage func(*DamageError)
}

func (f Filter) internal() scan.Filter {
	return scan.Filter{
		Since: f.Since, Until: f.Until, Event: f.Event, Session: f.Session, Model: f.Model, TraceID: f.TraceID,
		OnDamage: onDamage(f.OnDamage),
	}
}

// onDamage returns f for damage of the readers.
func onDamage(f func(*DamageError)) func(*scan.DamageError) {
	if f == nil {
		return nil
	}
	return func(d *scan.DamageError) { f((*DamageError)(d)) }
}

// Query yields the events that match filter, in the order in which they were
// written: archives first, then the active file. It reads the log as it is
// when the iteration begins. Damage does not end the sequence; an error, one of I/O or of
// ctx, does.
//
// It scans ahead of the iteration on all processors, by a few MiB of the log
// for each. With a bound of time it leaves out archives whose headers say that they hold
// no matching event and no damage.
func (r *Reader) Query(ctx context.Context, filter Filter) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		r.log.Query(ctx, filter.internal(), func(e scan.Entry, err error) bool { return yield(Entry(e), err) })
	}
}

// LastEvents returns the last n events, oldest first; with an event name, the
// last n of that name. It reads the active file from its end, and archives
// only as far back as it takes, so the Line of the entries is 0: the
// lines before them were not counted.
func (r *Reader) LastEvents(ctx context.Context, n int, event string) ([]Entry, error) {
	last, err := r.log.Last(ctx, n, scan.Filter{Event: event})
	var entries []Entry
	for _, e := range last {
		entries = append(entries, Entry(e))
	}
	return entries, err
}

// Following says how to follow a log. The zero value yields every event, from
// the oldest one on.
type Following struct {
	Filter
	// Last begins with the last events that match, this many at most, and not
	// with the oldest one; their Line is 0, and damage among them is logged, as by
	// LastEvents. Less than 0 begins with the next event that is appended.
	Last int
	// Wait is called when every event was yielded, and returns when
	// there may be more, or an error, which ends the sequence. nil waits for a quarter
	// of a second.
	Wait func(ctx context.Context) error
}

// Follow yields events as Query does and goes on with those that are appended
// later, until ctx ends, whose cause is the last error then. A line is an event when its
// line feed is written. If there is no log yet, Follow waits for one, and yields all of it.
//
// It misses no line and yields none twice through rotations, compression, and the
// removal, moving or repair of the active file. After a truncation it goes on where the
// file changed, or up to 4 KiB before that.
//
// A move, removal, replacement or truncation of the active file is logged, as
// information, and so is an archive that was removed before it was read, as a warning.
// Damage is reported when it is read.
func (r *Reader) Follow(ctx context.Context, how Following) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		following := history.Following{Filter: how.internal(), Last: how.Last, Wait: how.Wait}
		r.log.Follow(ctx, following, func(e scan.Entry, err error) bool { return yield(Entry(e), err) })
	}
}

// Verification is the result of [Reader.Verify].
type Verification struct {
	Files  int64 `json:"files"`  // number of files, the active one included
	Events int64 `json:"events"` // number of events
	// Untimed is the number of events without a readable ts (FORMAT.md section 7).
	Untimed int64 `json:"untimed,omitempty"`
	// Repeated is the number of events of which an earlier line holds a copy: one
	// with the same log.record.uid and equal ts, event, cost and tokens. It is
	// exact for the whole log, not only within the window of [Reader.Spend].
	Repeated int64 `json:"repeated"`
	// Damaged are the damaged lines, in order; never nil.
	Damaged []*DamageError `json:"damaged"`
}

// Verify reads every byte of the log and returns the damage. onDamage, if
// not nil, is called for each damage when it is read.
//
// It takes up to 200 MiB to recognise repeated events. A log with more than 12
// million events that have a uid is read again for each further 6 to 12 million.
func (r *Reader) Verify(ctx context.Context, onDamage func(*DamageError)) (Verification, error) {
	v := Verification{Damaged: []*DamageError{}}
	counts, err := r.log.Verify(ctx, func(d *scan.DamageError) {
		v.Damaged = append(v.Damaged, (*DamageError)(d))
		if onDamage != nil {
			onDamage((*DamageError)(d))
		}
	})
	if err != nil {
		return Verification{}, err
	}
	v.Files, v.Events, v.Untimed, v.Repeated = counts.Files, counts.Events, counts.Untimed, counts.Repeated
	return v, nil
}

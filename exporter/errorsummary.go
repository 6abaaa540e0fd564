package exporter

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
)

const (
	// summaryPeriod is the shortest time between two summaries.
	summaryPeriod = 10 * time.Second
	// maxReasons bounds what is told at once while the trouble lasts: a reason
	// may have a number in it that is another one each time.
	maxReasons = 8
)

// WithErrorSummary keeps a full disk from filling stderr: the SDK hands each
// error of [Processor.OnEmit] to otel.Handle, which by default prints it, one
// line per lost record. With it OnEmit returns an error whose reason is new, and nil
// for more records that are lost for a reason that was told. How many they were
// otel.Handle is told every 10 seconds and at Shutdown, and, once nothing was lost for
// 10 seconds, that records are written again.
//
// What it takes away: a nil from OnEmit no longer means that the record is
// written. The SDK looks at it for otel.Handle only, but a processor around this one
// that acts on it must not use the option. [WithOnError] is called with each
// error all the same. [Setup] always uses it.
func WithErrorSummary() ProcessorOption {
	return processorOption(func(cfg processorConfig) processorConfig {
		cfg.errorSummary = true
		return cfg
	})
}

// errorSummary says what goes wrong once for each reason, and counts what goes
// wrong for a reason that was said. It is safe for concurrent use; otel.Handle
// is called without its lock, since handlers may emit records themselves.
type errorSummary struct {
	what, path string

	troubled atomic.Bool // so that a record costs one load while all is well

	mu      sync.Mutex
	told    map[string]struct{} // reasons
	began   time.Time           // the first error
	ended   time.Time           // the last error
	last    error
	all     tally       // since began
	more    tally       // since the last report
	since   time.Time   // of the last report
	works   bool        // something was written after the last error
	timer   *time.Timer // runs while something was said less than a period ago
	stopped bool
}

// tally counts what went wrong.
type tally struct {
	lost  int64 // not in the file
	doubt int64 // in the file, not known to be on disk
}

func (t *tally) add(err error) {
	if writtenOf(1, err) == 0 {
		t.lost++
	} else {
		t.doubt++
	}
}

func (t tally) String() string {
	if t.doubt == 0 {
		return strconv.FormatInt(t.lost, 10)
	}
	return fmt.Sprintf("%d, and in the file but not known to be on disk: %d", t.lost, t.doubt)
}

func newErrorSummary(what, path string) *errorSummary {
	return &errorSummary{what: what, path: path}
}

// failed counts an error of one record and returns what is to be told now: full,
// which is err and more, if the reason is new, else nil or a summary.
func (s *errorSummary) failed(err, full error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return full
	}
	now := time.Now()
	if !s.troubled.Load() {
		s.troubled.Store(true)
		s.told, s.began, s.since, s.all, s.more = map[string]struct{}{}, now, now, tally{}, tally{}
	}
	s.all.add(err)
	s.ended, s.last, s.works = now, err, false
	reason := err.Error()
	if _, ok := s.told[reason]; !ok && len(s.told) < maxReasons {
		s.told[reason] = struct{}{}
		s.arm()
		return full
	}
	s.more.add(err)
	if s.timer == nil {
		return s.summarize(now)
	}
	return nil
}

// worked says that a record was written.
func (s *errorSummary) worked() {
	if s.troubled.Load() {
		s.handle(s.recovering)
	}
}

// recovering notes that it works again, which is said when the last error is
// old enough: a disk that is almost full takes every second record.
func (s *errorSummary) recovering() error {
	s.works = true
	if s.timer == nil {
		return s.end()
	}
	return nil
}

// stop tells of what was not told yet. Errors that come after it are told each.
func (s *errorSummary) stop() {
	s.handle(func() error {
		if s.stopped {
			return nil
		}
		s.stopped = true
		if s.timer != nil {
			s.timer.Stop()
			s.timer = nil
		}
		return s.report()
	})
}

// tick ends a period. If nothing was lost in it no other one begins, and whatever
// comes next is told at once. Else another one does, also if all that was lost was
// told of: for a reason that was new.
func (s *errorSummary) tick() error {
	if s.stopped {
		return nil
	}
	s.timer = nil
	if (s.more == tally{}) && time.Since(s.ended) < summaryPeriod {
		s.arm()
		return nil
	}
	return s.report()
}

// report returns what was not told yet.
func (s *errorSummary) report() error {
	switch {
	case s.more != tally{}:
		return s.summarize(time.Now())
	case s.works:
		return s.end()
	}
	return nil
}

func (s *errorSummary) arm() {
	if s.timer == nil && !s.stopped {
		s.timer = time.AfterFunc(summaryPeriod, func() { s.handle(s.tick) })
	}
}

// summarize returns what tells of those that were not told of.
func (s *errorSummary) summarize(now time.Time) error {
	err := fmt.Errorf("exporter: more %s that could not be written since %s: %v; the last one: %w",
		s.what, s.since.Format(time.RFC3339), s.more, withoutPrefix(s.last))
	s.more, s.since = tally{}, now
	s.arm()
	return err
}

// end returns what tells that the trouble is over.
func (s *errorSummary) end() error {
	if !s.troubled.Swap(false) {
		return nil
	}
	s.works = false
	return fmt.Errorf("exporter: %s are written to %s again; those that could not be, from %s to %s: %v",
		s.what, s.path, s.began.Format(time.RFC3339), s.ended.Format(time.RFC3339), s.all)
}

// handle hands what f returns to otel.Handle.
func (s *errorSummary) handle(f func() error) {
	s.mu.Lock()
	err := f()
	s.mu.Unlock()
	if err != nil {
		otel.Handle(err)
	}
}

// withoutPrefix returns err without the name of this package, which
// [Exporter.append] put before it.
func withoutPrefix(err error) error {
	if inner := errors.Unwrap(err); inner != nil {
		return inner
	}
	return err
}

package exporter

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel"

	"github.com/otelaudit/otelaudit/auditlog"
)

// toldOf returns what gives all that otel.Handle was given since.
func toldOf(t *testing.T) func() []string {
	t.Helper()
	var told []string
	before := otel.GetErrorHandler()
	var mu sync.Mutex
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, err.Error())
	}))
	t.Cleanup(func() { otel.SetErrorHandler(before) })
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(told)
	}
}

// TestReasonsThatAreNewEachTimeAreSummarizedToo has a number in each reason.
func TestReasonsThatAreNewEachTimeAreSummarizedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := toldOf(t)
		s := newErrorSummary("records", "audit.jsonl")
		defer s.stop()
		returned := 0
		for n := range 1000 {
			if err := fmt.Errorf("exporter: %w", fmt.Errorf("reason %d", n)); s.failed(err, err) != nil {
				returned++
			}
		}
		if returned != maxReasons {
			t.Errorf("got %d of 1000 errors back, want %d", returned, maxReasons)
		}
		time.Sleep(summaryPeriod)
		synctest.Wait()
		if want := ": 992; the last one: reason 999"; len(told()) != 1 || !strings.HasSuffix(told()[0], want) {
			t.Errorf("otel.Handle was given %q, want one error that ends in %q", told(), want)
		}
	})
}

func TestASummaryTellsWhatIsInTheFileFromWhatIsNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := toldOf(t)
		s := newErrorSummary("records", "audit.jsonl")
		for range 3 {
			err := fmt.Errorf("exporter: %w", &auditlog.SyncError{Err: errors.New("broken disk")})
			_ = s.failed(err, err)
		}
		lost := errors.New("exporter: full")
		_, _ = s.failed(lost, lost), s.failed(lost, lost)
		s.stop()
		if want := ": 1, and in the file but not known to be on disk: 2; the last one: "; len(told()) != 1 || !strings.Contains(told()[0], want) {
			t.Errorf("otel.Handle was given %q, want one error with %q in it", told(), want)
		}
		if err := s.failed(lost, lost); !errors.Is(err, lost) {
			t.Errorf("after stop an error gives %v, want itself", err)
		}
	})
}

// TestAHandlerMayEmitRecords calls back from otel.Handle, as a handler does that
// logs through the same provider.
func TestAHandlerMayEmitRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := otel.GetErrorHandler()
		t.Cleanup(func() { otel.SetErrorHandler(before) })
		s := newErrorSummary("records", "audit.jsonl")
		full, calls := errors.New("exporter: full"), 0
		otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) {
			calls++
			_ = s.failed(full, full)
		}))
		_, _ = s.failed(full, full), s.failed(full, full)
		time.Sleep(summaryPeriod)
		synctest.Wait()
		if calls != 1 {
			t.Errorf("otel.Handle was called %d times, want once", calls)
		}
		s.stop()
	})
}

// TestAReasonThatIsNewDefersTheEnd: nothing must have been lost for a whole period.
func TestAReasonThatIsNewDefersTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := toldOf(t)
		s := newErrorSummary("records", "audit.jsonl")
		defer s.stop()
		for n := range 3 {
			err := fmt.Errorf("exporter: reason %d", n)
			if s.failed(err, err) == nil {
				t.Error("a reason that is new is not told")
			}
			time.Sleep(summaryPeriod - time.Second)
			if n > 0 {
				s.worked()
			}
		}
		synctest.Wait()
		if len(told()) != 0 {
			t.Errorf("otel.Handle was given %q, want nothing within %v of an error", told(), summaryPeriod)
		}
		time.Sleep(summaryPeriod)
		synctest.Wait()
		if want := ": 3"; len(told()) != 1 || !strings.HasSuffix(told()[0], want) || !strings.Contains(told()[0], "again") {
			t.Errorf("otel.Handle was given %q, want that records are written again, which ends in %q", told(), want)
		}
	})
}

// TestNothingIsToldAfterTheStop but errors: Shutdown may be called twice.
func TestNothingIsToldAfterTheStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := toldOf(t)
		s := newErrorSummary("records", "audit.jsonl")
		full := errors.New("exporter: full")
		_, _ = s.failed(full, full), s.failed(full, full)
		s.worked()
		s.stop()
		before := len(told())
		s.stop()
		time.Sleep(3 * summaryPeriod)
		synctest.Wait()
		if before != 1 || len(told()) != 1 {
			t.Errorf("otel.Handle was given %q, want the summary only", told())
		}
	})
}

// TestEachLostRecordIsToldOf, by itself or in a summary, whichever goroutines lose
// records while others write some and one shuts down.
func TestEachLostRecordIsToldOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := toldOf(t)
		s := newErrorSummary("records", "audit.jsonl")
		var mu sync.Mutex
		alone, summaries := 0, []string(nil)
		const goroutines, records = 8, 500
		var running sync.WaitGroup
		for g := range goroutines {
			running.Go(func() {
				for n := range records {
					err := fmt.Errorf("exporter: reason %d", g/3)
					if got := s.failed(err, err); got != nil {
						mu.Lock()
						if got.Error() == err.Error() {
							alone++
						} else {
							summaries = append(summaries, got.Error())
						}
						mu.Unlock()
					}
					s.worked()
					time.Sleep(time.Duration(g*n) * 100 * time.Microsecond)
				}
			})
		}
		time.Sleep(3 * summaryPeriod)
		s.stop()
		running.Wait()
		for _, text := range append(summaries, told()...) {
			count, _, summary := strings.Cut(text, "; the last one")
			if !summary {
				continue // that it works again
			}
			n, err := strconv.Atoi(count[strings.LastIndex(count, " ")+1:])
			if err != nil {
				t.Fatal(err)
			}
			alone += n
		}
		if want := goroutines * records; alone != want {
			t.Errorf("%d records were told of, want %d", alone, want)
		}
	})
}

// Package report makes a page of an audit log: one HTML file that shows what was
// spent, when, by which models and sessions, and what went wrong. The page needs
// no network, and says to the browser that it may not use any.
//
// What is in a log is not to be trusted: all of it is escaped, long names are
// cut, and no name of an event or a model can make the page use more memory, or
// become wider, than so many others.
package report

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/otelaudit/otelaudit/internal/history"
	"github.com/otelaudit/otelaudit/internal/scan"
	"github.com/otelaudit/otelaudit/internal/spend"
)

// Options say what a page is about and how it looks. The zero value is all
// events, in UTC.
type Options struct {
	Title string // at most 200 characters of it; default: Audit report
	// Since is the first instant, Until the first one that is too late; zero
	// means no bound.
	Since, Until time.Time
	Zone         *time.Location // of times and days; default: UTC
	// TraceURL is the address of a trace, with {trace_id} and perhaps {span_id}
	// in it: see CheckTraceURL. Empty: traces are no links.
	TraceURL string
}

// Write reads the log once and writes the page to w. The page depends on nothing
// but the log and the options. Totals are those of
// [spend.Sum]. Damaged lines are skipped, counted on the page, and logged by log's logger.
func Write(ctx context.Context, w io.Writer, log *history.Log, o Options) error {
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.Title == "" {
		o.Title = "Audit report"
	}
	if err := CheckTraceURL(o.TraceURL); err != nil {
		return err
	}
	c := newCollector(o.Zone)
	total, damaged, err := spend.TallyOf(ctx, log, scan.Filter{Since: o.Since, Until: o.Until}, false, c)
	if err != nil {
		return err
	}
	c.total, c.damaged = total, damaged
	if err := render(w, newPage(c, o)); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

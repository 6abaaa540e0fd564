package history

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/otelaudit/otelaudit/internal/archive"
	"github.com/otelaudit/otelaudit/internal/scan"
)

// sessionReach is how long before and after the times of a filter the lines are that
// complete the sessions of what matches: archives beyond it are not read.
const sessionReach = 24 * time.Hour

// completer completes the sessions of a snapshot's lines. It reads the snapshot when it
// meets the first line with a default session: most logs have none.
type completer struct {
	once     sync.Once
	sessions scan.Sessions
	err      error
}

// complete makes m complete the sessions of the lines of s, if it needs them. The
// returned function returns an error of reading them, once m has matched all lines.
func (s *Snapshot) complete(ctx context.Context, m *scan.Matcher) (completed func() error) {
	if !m.NeedsSessions() {
		return func() error { return nil }
	}
	if s.sessions == nil {
		s.sessions = new(completer)
	}
	c := s.sessions
	reach := scan.Filter{}
	if !m.Since.IsZero() {
		reach.Since = m.Since.Add(-sessionReach)
	}
	if !m.Until.IsZero() {
		reach.Until = m.Until.Add(sessionReach)
	}
	m.Complete = func(f *scan.Fields) {
		c.once.Do(func() { c.err = c.read(ctx, s, reach) })
		c.sessions.Complete(f)
	}
	return func() error {
		if errors.Is(c.err, context.Canceled) && ctx.Err() != nil {
			return nil // the caller has ended the scan
		}
		return c.err
	}
}

// read takes what the lines say of the sessions of traces, and then what those of traces
// with several sessions say of spans.
func (c *completer) read(ctx context.Context, s *Snapshot, reach scan.Filter) error {
	within := scan.NewMatcher(reach)
	sections := s.sections(s.log.SectionSize)
	for i := range sections {
		sections[i].Skip = func(a archive.Summary) bool { return within.Excludes(a) }
	}
	several := false
	newTraces := func() *tracePart { return new(tracePart) }
	_, err := scan.Parallel(ctx, sections, 0, newTraces, func(p *tracePart, _ int64) bool {
		for _, n := range p.named {
			several = c.sessions.TakeTrace(n) || several
		}
		return true
	})
	if err != nil || !several {
		return err
	}
	newSpans := func() *spanPart { return &spanPart{of: &c.sessions} }
	_, err = scan.Parallel(ctx, sections, 0, newSpans, func(p *spanPart, _ int64) bool {
		for _, n := range p.nodes {
			c.sessions.TakeSpan(n)
		}
		return true
	})
	return err
}

// tracePart is what lines say of the sessions of their traces.
type tracePart struct{ named []scan.Named }

func (p *tracePart) Event(s *scan.Scanner) {
	if n, ok := s.Fields.NamedBy(); ok {
		p.named = append(p.named, n)
	}
}

func (p *tracePart) Damaged(*scan.DamageError) {} // the scan that needs the sessions reports it

func (p *tracePart) Full() bool { return len(p.named) >= scan.MaxMatches }

// spanPart is what lines say of the spans of traces with several sessions.
type spanPart struct {
	of    *scan.Sessions
	nodes []scan.SpanNode
}

func (p *spanPart) Event(s *scan.Scanner) {
	if s.Fields[scan.FieldSpanMade] == nil || !p.of.IsAmbiguous(&s.Fields) {
		return
	}
	if n, ok := s.Fields.Node(); ok {
		p.nodes = append(p.nodes, n)
	}
}

func (p *spanPart) Damaged(*scan.DamageError) {} // the scan that needs the sessions reports it

func (p *spanPart) Full() bool { return len(p.nodes) >= scan.MaxMatches }

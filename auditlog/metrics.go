package auditlog

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/otelaudit/otelaudit/internal/history"
	"github.com/otelaudit/otelaudit/internal/jsonline"
	"github.com/otelaudit/otelaudit/internal/scan"
	"github.com/otelaudit/otelaudit/internal/spend"
)

// Accuracy says how many navigations were validated.
type Accuracy struct {
	Nav             int64 `json:"total_nav"`             // nav events
	ValidationFails int64 `json:"validation_fail_count"` // validation_fail events
	// Percent is 100 × (Nav − ValidationFails) ÷ Nav, to 2 decimals; 100
	// without nav events. It is negative if there are more failures than
	// navigations.
	Percent float64 `json:"accuracy_pct"`
}

// AccuracyMetrics counts nav and validation_fail events since an instant,
// inclusive; the zero time means all.
func (r *Reader) AccuracyMetrics(ctx context.Context, since time.Time) (Accuracy, error) {
	var count accuracyPart
	m := scan.NewMatcher(scan.Filter{Since: since})
	newPart := func() *accuracyPart { return &accuracyPart{Selection: scan.Selection{Matcher: m}} }
	err := history.Scan(ctx, r.log, m, newPart, func(p *accuracyPart, onDamage func(*scan.DamageError), linesBefore int64) bool {
		p.Report(onDamage, linesBefore)
		count.navs += p.navs
		count.fails += p.fails
		return true
	})
	if err != nil {
		return Accuracy{}, err
	}
	a := Accuracy{Nav: count.navs, ValidationFails: count.fails, Percent: 100}
	if a.Nav > 0 {
		a.Percent = roundTo(100*float64(a.Nav-a.ValidationFails)/float64(a.Nav), 2)
	}
	return a, nil
}

type accuracyPart struct {
	scan.DamageList
	scan.Selection
	navs, fails int64
}

func (p *accuracyPart) Event(s *scan.Scanner) {
	switch {
	case !p.Matches(&s.Fields):
	case scan.IsString(s.Fields[scan.FieldEvent], EventNav):
		p.navs++
	case scan.IsString(s.Fields[scan.FieldEvent], EventValidationFail):
		p.fails++
	}
}

// Gates is the health of the gate: how often it was content with a compressed
// context, and how often it escalated.
type Gates struct {
	// Passes are gate_compress events that have a confidence and whose reason
	// is none of parse_fail, api_error and stale_cascade.
	Passes int64 `json:"pass_count"`
	// Escalations are gate_escalate events, and gate_compress events whose
	// reason is stale_cascade.
	Escalations int64 `json:"escalate_count"`
	// Total is Passes and Escalations; other gate events count as neither.
	Total int64 `json:"total"`
	// PassPercent and EscalatePercent are of Total, to 1 decimal; 0 without.
	PassPercent float64 `json:"pass_rate_pct"`
	// MeanConfidence is the mean of the passes' confidence ÷ 100, to 2
	// decimals; 0 without passes.
	MeanConfidence  float64 `json:"avg_confidence"`
	EscalatePercent float64 `json:"escalate_rate_pct"`
	// Last are the last passes and escalations, in order of time; never nil.
	Last []GateQuery `json:"last_queries"`
}

// GateQuery is what a gate decided.
type GateQuery struct {
	Outcome string `json:"outcome"` // OutcomePass or OutcomeEscalate
	// Reason is null for a pass, stale_cache for a stale cascade, and
	// low_confidence for any other escalation.
	Reason *string `json:"reason"`
}

// The outcomes of a [GateQuery].
const (
	OutcomePass     = "pass"
	OutcomeEscalate = "escalate"
)

// GateMetrics counts gate_compress and gate_escalate events since an instant,
// inclusive (the zero time means all), and returns the lastN latest ones.
func (r *Reader) GateMetrics(ctx context.Context, since time.Time, lastN int) (Gates, error) {
	g := gateCounter{last: latest{room: max(lastN, 0)}}
	m := scan.NewMatcher(scan.Filter{Since: since})
	newPart := func() *gatePart {
		return &gatePart{Selection: scan.Selection{Matcher: m}, gateCounter: gateCounter{last: latest{room: g.last.room}}}
	}
	err := history.Scan(ctx, r.log, m, newPart, func(p *gatePart, onDamage func(*scan.DamageError), linesBefore int64) bool {
		p.Report(onDamage, linesBefore)
		g.merge(&p.gateCounter)
		return true
	})
	if err != nil {
		return Gates{}, err
	}
	return g.gates(), nil
}

type gatePart struct {
	scan.DamageList
	scan.Selection
	gateCounter
}

func (p *gatePart) Event(s *scan.Scanner) {
	if p.Matches(&s.Fields) {
		p.add(&s.Fields)
	}
}

type gateCounter struct {
	passes, escalations int64
	confidence          spend.ExactSum // over the passes
	last                latest
}

func (g *gateCounter) add(f *scan.Fields) {
	switch {
	case scan.IsString(f[scan.FieldEvent], EventGateEscalate):
		g.escalations++
		g.last.add(f, GateQuery{OutcomeEscalate, new("low_confidence")})
	case !scan.IsString(f[scan.FieldEvent], EventGateCompress), scan.IsString(f[scan.FieldReason], "parse_fail"), scan.IsString(f[scan.FieldReason], "api_error"):
	case scan.IsString(f[scan.FieldReason], "stale_cascade"):
		g.escalations++
		g.last.add(f, GateQuery{OutcomeEscalate, new("stale_cache")})
	default:
		confidence, ok := scan.FiniteValue(f[scan.FieldConfidence])
		if !ok || confidence < 0 || confidence > 100 {
			return
		}
		g.passes++
		g.confidence.Add(confidence)
		g.last.add(f, GateQuery{OutcomePass, nil})
	}
}

// merge adds what a later part of the log holds.
func (g *gateCounter) merge(later *gateCounter) {
	g.passes += later.passes
	g.escalations += later.escalations
	g.confidence.Merge(&later.confidence)
	for _, e := range later.last.entries {
		g.last.insert(e)
	}
}

func (g *gateCounter) gates() Gates {
	total := g.passes + g.escalations
	gates := Gates{Passes: g.passes, Escalations: g.escalations, Total: total, Last: g.last.queries()}
	if total > 0 {
		gates.PassPercent = roundTo(100*float64(g.passes)/float64(total), 1)
		gates.EscalatePercent = roundTo(100*float64(g.escalations)/float64(total), 1)
	}
	if g.passes > 0 {
		gates.MeanConfidence = roundTo(g.confidence.Float()/float64(g.passes)/100, 2)
	}
	return gates
}

// latest keeps the queries with the latest times, in their order; of equal
// times the later line is the later one. Without a valid ts a query is older
// than all others.
type latest struct {
	room    int
	entries []timedQuery
}

type timedQuery struct {
	time  time.Time
	query GateQuery
}

func (l *latest) add(f *scan.Fields, query GateQuery) {
	t, ok := jsonline.ParseTime(f[scan.FieldTime])
	if !ok {
		t = time.Time{}.AddDate(-2, 0, 0) // before the year 0000
	}
	l.insert(timedQuery{t, query})
}

// insert puts e behind those that are not later.
func (l *latest) insert(e timedQuery) {
	at := len(l.entries)
	for at > 0 && l.entries[at-1].time.After(e.time) {
		at--
	}
	if len(l.entries) == l.room {
		if at == 0 {
			return
		}
		at--
		l.entries = slices.Delete(l.entries, 0, 1)
	}
	l.entries = slices.Insert(l.entries, at, e)
}

func (l *latest) queries() []GateQuery {
	queries := make([]GateQuery, len(l.entries))
	for i, e := range l.entries {
		queries[i] = e.query
	}
	return queries
}

// roundTo rounds the exact value of f to a number of decimals, half to even: what
// Python's round gives, which made these numbers first.
func roundTo(f float64, decimals int) float64 {
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(f, 'f', decimals, 64), 64)
	if err != nil {
		return f
	}
	return rounded + 0 // -0 reads odd
}

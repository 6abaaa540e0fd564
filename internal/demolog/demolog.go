// Package demolog makes an audit log to try things with: a week of a small team
// whose agents call several models. It is the same log each time.
package demolog

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/otelaudit/otelaudit/auditlog"
)

// model is one that the agents call. Prices are USD per million tokens.
type model struct {
	name          string
	input, output float64
	unpriced      bool          // who serves it says no cost
	speed         float64       // output tokens per second
	delay         time.Duration // before the first one
	weight        int
}

var models = []model{
	{name: "claude-sonnet-4-5", input: 3, output: 15, speed: 68, delay: 1400 * time.Millisecond, weight: 34},
	{name: "claude-haiku-4-5", input: 1, output: 5, speed: 130, delay: 600 * time.Millisecond, weight: 8},
	{name: "gpt-5", input: 1.25, output: 10, speed: 55, delay: 3800 * time.Millisecond, weight: 15},
	{name: "gpt-5-mini", input: 0.25, output: 2, speed: 95, delay: 1200 * time.Millisecond, weight: 14},
	{name: "gemini-2.5-pro", input: 1.25, output: 10, speed: 80, delay: 2600 * time.Millisecond, weight: 8},
	{name: "gemini-2.5-flash", input: 0.3, output: 2.5, speed: 160, delay: 500 * time.Millisecond, weight: 9},
	{name: "text-embedding-3-large", input: 0.13, speed: 4000, delay: 180 * time.Millisecond, weight: 6},
	{name: "qwen3-coder:30b", unpriced: true, speed: 38, delay: 900 * time.Millisecond, weight: 7},
}

// start is a Monday.
var start = time.Date(2026, 2, 9, 0, 0, 0, 0, time.UTC)

// Events returns the week's events in the order of time.
func Events() []auditlog.Event {
	r := rand.New(rand.NewPCG(2026, 7)) //nolint:gosec // the same each time
	var events []auditlog.Event
	for day := range 7 {
		sessions := 9 + r.IntN(4)
		if day >= 5 {
			sessions = 2
		}
		for range sessions {
			// Most work begins in the morning or after lunch.
			hour := 8.5 + 2.5*r.Float64()
			if r.IntN(5) < 2 {
				hour = 13 + 4*r.Float64()
			}
			begin := start.AddDate(0, 0, day).Add(time.Duration(hour * float64(time.Hour)))
			events = append(events, session(r, begin)...)
		}
	}
	slices.SortStableFunc(events, func(a, b auditlog.Event) int { return a.Time.Compare(b.Time) })
	return events
}

// session returns the events of one: turns, each a trace with calls of models.
func session(r *rand.Rand, at time.Time) []auditlog.Event {
	id := randomHex(r, 4)
	main, helper := pick(r), &models[1]
	var events []auditlog.Event
	spent, budget := 0.0, 1.5+5*r.Float64()
	for range 3 + r.IntN(14) {
		trace := randomHex(r, 16)
		add := func(e auditlog.Event) {
			e.Time, e.SessionID, e.TraceID, e.SpanID = at, id, trace, randomHex(r, 8)
			events = append(events, e)
		}
		context := 6000 + 30000*r.Float64()
		for range 1 + r.IntN(9) {
			m, size := main, context
			if r.IntN(4) == 0 {
				m, size = helper, context/4 // it is told only what to look for
			}
			e := m.call(r, size)
			at = at.Add(*e.Duration)
			context += 2500 * r.Float64()
			switch r.IntN(55) {
			case 0:
				add(auditlog.Event{Name: "api_error", Model: m.name, Reason: "overloaded: try again later", Duration: e.Duration, Attributes: map[string]any{"error.type": "529"}})
			case 1:
				add(auditlog.Event{Name: "api_error", Model: m.name, Reason: "rate limit exceeded", Duration: e.Duration, Attributes: map[string]any{"error.type": "429"}})
			default:
				add(e)
				if e.Cost != nil {
					spent += *e.Cost
				}
			}
			at = at.Add(time.Duration((2 + 20*r.ExpFloat64()) * float64(time.Second)))
		}
		if r.IntN(3) == 0 {
			m := &models[6]
			e := m.call(r, 9000)
			e.Name, e.OutputTokens = "embeddings", nil
			add(e)
		}
		switch r.IntN(14) {
		case 0:
			add(auditlog.Event{Name: auditlog.EventValidationFail, Reason: "hallucinated_path", Files: []string{"internal/server/router.go"}})
		case 1:
			add(auditlog.Event{Name: auditlog.EventGateCompress, Confidence: new(int64(55 + r.IntN(45)))})
		}
		add(auditlog.Event{Name: auditlog.EventNav, Files: []string{"cmd/main.go"}})
		if spent > budget {
			add(auditlog.Event{Name: auditlog.EventBudget, Reason: "hourly_budget_exhausted"})
			break
		}
		at = at.Add(time.Duration((1 + 6*r.ExpFloat64()) * float64(time.Minute)))
	}
	return events
}

func (m *model) call(r *rand.Rand, context float64) auditlog.Event {
	input := int64(context * (0.5 + r.Float64()))
	output := int64(60 + 420*r.ExpFloat64())
	took := m.delay + time.Duration(float64(output)/m.speed*float64(time.Second))
	took = time.Duration(float64(took) * math.Exp(0.35*r.NormFloat64())).Round(time.Millisecond)
	e := auditlog.Event{Name: "llm.call", Model: m.name, InputTokens: &input, OutputTokens: &output, Duration: &took}
	if !m.unpriced {
		cost := (float64(input)*m.input + float64(output)*m.output) / 1e6
		e.Cost = new(math.Round(cost*1e6) / 1e6)
	}
	return e
}

func pick(r *rand.Rand) *model {
	all := 0
	for _, m := range models {
		all += m.weight
	}
	n := r.IntN(all)
	for i := range models {
		if n -= models[i].weight; n < 0 {
			if models[i].output == 0 && !models[i].unpriced {
				break // nobody talks to an embedding model
			}
			return &models[i]
		}
	}
	return &models[0]
}

func randomHex(r *rand.Rand, n int) string {
	b := make([]byte, 0, n+8)
	for len(b) < n {
		v := r.Uint64() | 1 // ids are not all zeros
		for range 8 {
			b = append(b, byte(v)) //nolint:gosec // the low byte
			v >>= 8
		}
	}
	return hex.EncodeToString(b[:n])
}

// Write appends the week to the log at path.
func Write(ctx context.Context, path string) error {
	log, err := auditlog.Open(path, auditlog.WithoutCadenceSync())
	if err != nil {
		return fmt.Errorf("open the demo log: %w", err)
	}
	return errors.Join(log.Append(ctx, Events()...), log.Close())
}

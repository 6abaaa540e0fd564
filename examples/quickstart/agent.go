package main

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	otellog "go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/exporter"
)

// agent is the app: a coding agent that finds its way in a repository, asks
// language models, checks what they answer, and stops at a budget. Its models
// are made up and its answers fixed; all else is what an instrumented app does.
//
// It tells of itself in four ways, and all of them end up in the audit log:
// exporter.Emit for audit events, the OpenTelemetry logger of an
// instrumentation library, log/slog, and what it sends to neither of them,
// its traces, by the trace_id and span_id of each event.
type agent struct {
	tracer trace.Tracer
	audit  otellog.Logger // of the agent itself
	genai  otellog.Logger // of a library that instruments the model client
	slog   *slog.Logger
	budget float64 // USD per session
}

// model is a language model and its price in USD per million tokens.
type model struct {
	name          string
	provider      string
	input, output float64
	latency       time.Duration
}

var (
	llama  = model{"llama-3.1-8b", "groq", 0.05, 0.08, 15 * time.Millisecond}
	gpt    = model{"gpt-4o", "openai", 2.50, 10, 40 * time.Millisecond}
	claude = model{"claude-sonnet-4-5", "anthropic", 3, 15, 60 * time.Millisecond}
)

// session is one conversation, and one trace.
type session struct {
	*agent

	id    string
	spent float64 // USD
}

// work runs the sessions one after the other.
func (a *agent) work(ctx context.Context) error {
	for _, s := range []struct {
		id, task string
		run      func(*session, context.Context) error
	}{
		{"fix-login-4711", "Why does the login fail after a password reset?", (*session).fixLogin},
		{"release-notes-42", "Write the release notes for 2.4", (*session).writeReleaseNotes},
		{"split-billing-7", "Split the billing package into three", (*session).splitBilling},
	} {
		// Everything that is emitted under this context belongs to the session.
		ctx := exporter.ContextWithSession(ctx, s.id)
		err := a.in(ctx, "invoke_agent repo-agent", func(ctx context.Context) error {
			trace.SpanFromContext(ctx).SetAttributes(
				attribute.String("gen_ai.agent.name", "repo-agent"),
				attribute.String("gen_ai.conversation.id", s.id),
				attribute.String("task", s.task))
			return s.run(&session{agent: a, id: s.id}, ctx)
		})
		if err != nil {
			return fmt.Errorf("session %s: %w", s.id, err)
		}
	}
	return nil
}

// fixLogin navigates twice, because the first answer names a file that there
// is not.
func (s *session) fixLogin(ctx context.Context) error {
	err := s.call(ctx, llama, 1420, 96, auditlog.Event{
		Name: auditlog.EventNav, Files: []string{"auth/reset.go", "auth/magic.go"}, Confidence: new(int64(62)),
	})
	if err != nil {
		return err
	}
	err = s.in(ctx, "execute_tool validate_paths", func(ctx context.Context) error {
		s.emit(ctx, auditlog.Event{
			Name: auditlog.EventValidationFail, Model: llama.name, Reason: "hallucinated_path", Files: []string{"auth/magic.go"},
		})
		return nil
	})
	if err != nil {
		return err
	}
	err = s.call(ctx, llama, 1610, 88, auditlog.Event{
		Name: auditlog.EventNav, Files: []string{"auth/reset.go", "auth/session.go"}, Confidence: new(int64(91)),
	})
	if err != nil {
		return err
	}
	return s.call(ctx, gpt, 5230, 410, auditlog.Event{Name: auditlog.EventBrief, Files: []string{"auth/session.go"}})
}

// writeReleaseNotes has a call that the agent does not audit itself. The
// library that instruments the model client logs it, as the semantic
// conventions for generative AI say, so it is in the audit log all the same:
// without a price, which the library does not know.
func (s *session) writeReleaseNotes(ctx context.Context) error {
	err := s.in(ctx, "chat "+claude.name, func(ctx context.Context) error {
		if err := claude.answer(ctx); err != nil {
			return err
		}
		var r otellog.Record
		r.SetEventName("gen_ai.client.inference.operation.details")
		r.SetTimestamp(time.Now())
		r.SetSeverity(otellog.SeverityInfo)
		r.AddAttributes(
			attribute.String("gen_ai.operation.name", "chat"),
			attribute.String("gen_ai.provider.name", claude.provider),
			attribute.String("gen_ai.request.model", claude.name),
			attribute.String("gen_ai.response.model", claude.name+"-20250929"),
			attribute.String("gen_ai.conversation.id", s.id),
			attribute.Int("gen_ai.usage.input_tokens", 8870),
			attribute.Int("gen_ai.usage.output_tokens", 1240),
			attribute.StringSlice("gen_ai.response.finish_reasons", []string{"end_turn"}),
		)
		s.genai.Emit(ctx, r)
		s.slog.WarnContext(ctx, "prompt close to the limit",
			slog.Int("input_tokens", 8870), slog.Int("limit", 10000), slog.Group("prompt", slog.String("template", "notes/v3")))
		return nil
	})
	if err != nil {
		return err
	}
	return s.call(ctx, gpt, 1980, 260, auditlog.Event{
		Name: auditlog.EventCommitDraft, Files: []string{"CHANGELOG.md"}, Attributes: map[string]any{"version": "2.4.0"},
	})
}

// splitBilling asks larger and larger models until its budget is used up.
func (s *session) splitBilling(ctx context.Context) error {
	for _, step := range []struct {
		model         model
		input, output int64
		event         auditlog.Event
	}{
		{llama, 2100, 120, auditlog.Event{
			Name: auditlog.EventNav, Confidence: new(int64(84)), Files: []string{"billing/invoice.go", "billing/tax.go"},
		}},
		{gpt, 14200, 1900, auditlog.Event{Name: auditlog.EventCascade, Reason: "low_confidence"}},
		{claude, 31000, 4200, auditlog.Event{Name: auditlog.EventDeep, Files: []string{"billing/invoice.go"}}},
		{claude, 38500, 3900, auditlog.Event{Name: auditlog.EventDeep, Files: []string{"billing/tax.go"}}},
	} {
		if s.spent >= s.budget {
			return s.stop(ctx, step.event)
		}
		if err := s.call(ctx, step.model, step.input, step.output, step.event); err != nil {
			return err
		}
	}
	return nil
}

// stop is where the money ends: the audit log says what limit was reached and
// what was not done.
func (s *session) stop(ctx context.Context, skipped auditlog.Event) error {
	return s.in(ctx, "execute_tool check_budget", func(ctx context.Context) error {
		trace.SpanFromContext(ctx).SetStatus(codes.Error, "budget exhausted")
		s.emit(ctx, auditlog.Event{
			Name: auditlog.EventBudget, Reason: "cost_exceeds_limit",
			Config:     map[string]any{"session_budget_usd": s.budget},
			Attributes: map[string]any{"spent_usd": s.spent},
		})
		s.emit(ctx, auditlog.Event{
			Name: auditlog.EventSkip, Reason: "cost_exceeds_limit", Files: skipped.Files, Attributes: map[string]any{"skipped": skipped.Name},
		})
		return nil
	})
}

// call asks a model within a span, and audits the call as the given event.
func (s *session) call(ctx context.Context, m model, input, output int64, event auditlog.Event) error {
	return s.in(ctx, "chat "+m.name, func(ctx context.Context) error {
		start := time.Now()
		if err := m.answer(ctx); err != nil {
			return err
		}
		cost := m.cost(input, output)
		s.spent += cost
		event.Model, event.Cost = m.name, &cost
		event.InputTokens, event.OutputTokens = &input, &output
		event.Duration = new(time.Since(start))
		s.emit(ctx, event)
		trace.SpanFromContext(ctx).SetAttributes(
			attribute.String("gen_ai.operation.name", "chat"),
			attribute.String("gen_ai.provider.name", m.provider),
			attribute.String("gen_ai.request.model", m.name),
			attribute.Int64("gen_ai.usage.input_tokens", input),
			attribute.Int64("gen_ai.usage.output_tokens", output))
		return nil
	})
}

func (s *session) emit(ctx context.Context, event auditlog.Event) { exporter.Emit(ctx, s.audit, event) }

// in runs f in a span.
func (a *agent) in(ctx context.Context, name string, f func(context.Context) error) error {
	ctx, span := a.tracer.Start(ctx, name)
	defer span.End()
	err := f(ctx)
	if err != nil {
		span.RecordError(err)
		span.SetStatus(codes.Error, err.Error())
	}
	return err
}

// cost returns the price of a call in USD, in whole billionths.
func (m model) cost(input, output int64) float64 {
	return math.Round((float64(input)*m.input+float64(output)*m.output)*1e3) / 1e9
}

// answer takes the time that a model takes, shortened.
func (m model) answer(ctx context.Context) error {
	select {
	case <-time.After(m.latency):
		return nil
	case <-ctx.Done():
		return fmt.Errorf("ask %s: %w", m.name, context.Cause(ctx))
	}
}

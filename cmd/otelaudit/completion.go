package main

import (
	"context"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/visible"
)

// completionEvents is how many of the last events completion looks at: they are
// read from the end of the log, in milliseconds.
const completionEvents = 1000

// completeFromLog makes the shell complete a flag with what the last events
// have.
func (a *app) completeFromLog(cmd *cobra.Command, flag string, of func(auditlog.Event) string) {
	completeWith(cmd, flag, func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		values, err := lastValues(contextOf(cmd), a.logPath(cmd), of)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp // without a log there is nothing to offer
		}
		return values, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	})
}

// lastValues returns what the last events have, the newest first.
func lastValues(ctx context.Context, path string, of func(auditlog.Event) string) ([]string, error) {
	events, err := lastEvents(ctx, path)
	if err != nil {
		return nil, err
	}
	var values []string
	for _, event := range events {
		if v := of(event); v != "" && !slices.Contains(values, v) && visible.Text(v) == v {
			values = append(values, v)
		}
	}
	return values, nil
}

// maxTraces is how many traces completion offers: more than anybody looks
// through.
const maxTraces = 50

// completeTraces makes the shell complete the argument of cmd with the traces of
// the last events, the newest first, each with its last event.
func (a *app) completeTraces(cmd *cobra.Command) {
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		events, err := lastEvents(contextOf(cmd), a.logPath(cmd))
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var traces []string
		known := map[string]bool{}
		for entry, event := range events {
			id := traceIDOf(entry)
			if !isTraceDigits(id, traceDigits) || !strings.HasPrefix(id, typed) || known[id] {
				continue
			}
			known[id] = true
			about := visible.Text(event.Name)
			if !event.Time.IsZero() {
				about += ", " + a.shown(event.Time).Format(time.DateTime)
			}
			traces = append(traces, cobra.CompletionWithDesc(id, about))
			if len(traces) == maxTraces {
				break
			}
		}
		return traces, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}

// lastEvents returns the last events that can be decoded, the newest first.
func lastEvents(ctx context.Context, path string) (iter.Seq2[auditlog.Entry, auditlog.Event], error) {
	r, err := auditlog.NewReader(path)
	if err != nil {
		return nil, err
	}
	entries, err := r.LastEvents(ctx, completionEvents, "")
	if err != nil {
		return nil, err
	}
	return func(yield func(auditlog.Entry, auditlog.Event) bool) {
		for _, entry := range slices.Backward(entries) {
			if event, err := entry.Event(); err == nil && !yield(entry, event) {
				return
			}
		}
	}, nil
}

// contextOf returns the context of a command, which need not have one while the
// shell completes it.
func contextOf(cmd *cobra.Command) context.Context {
	if ctx := cmd.Context(); ctx != nil {
		return ctx
	}
	return context.Background()
}

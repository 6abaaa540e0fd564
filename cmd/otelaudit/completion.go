package main

import (
	"context"
	"slices"

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
		ctx := cmd.Context()
		if ctx == nil {
			ctx = context.Background()
		}
		values, err := lastValues(ctx, a.logPath(cmd), of)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp // without a log there is nothing to offer
		}
		return values, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	})
}

// lastValues returns what the last events have, the newest first.
func lastValues(ctx context.Context, path string, of func(auditlog.Event) string) ([]string, error) {
	r, err := auditlog.NewReader(path)
	if err != nil {
		return nil, err
	}
	entries, err := r.LastEvents(ctx, completionEvents, "")
	if err != nil {
		return nil, err
	}
	var values []string
	for _, entry := range slices.Backward(entries) {
		event, err := entry.Event()
		if err != nil {
			continue
		}
		if v := of(event); v != "" && !slices.Contains(values, v) && visible.Text(v) == v {
			values = append(values, v)
		}
	}
	return values, nil
}

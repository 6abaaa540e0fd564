package main

import (
	"context"
	"errors"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/otelaudit/otelaudit/auditlog"
)

const sessionVariable = "OTELAUDIT_SESSION_ID"

func (a *app) append() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "append --event NAME [flags] | append -",
		Short: "Append an event, or JSON lines from standard input",
		Long: `append writes an event that its flags describe, or with - each line of standard
input, a JSON object. It ends when they are on disk, and may run beside the program
that writes the log.

In an object the keys of the format (ts, event, session_id, cost, model, input_t,
output_t, files, reason, confidence, duration_ms, config, trace_id, span_id,
trace_flags) are fields, and one of another type is an error. All other keys are
further attributes. A key whose value is null counts as absent.

An event without a session gets that of --session, else $` + sessionVariable + `, else a new
one for this run; one without a ts gets the present time.

The values of --set are JSON if they parse as it, else strings: retries=3 is a
number, id=007 a string, and 'zip="12345"' a string too.

With -, lines are appended as they come, in their order. A line that is no event, or is
longer than 64 MiB, is named on stderr by its number, with the reason and its first 200
bytes; the lines before and behind it are appended, and the exit code is 1. If the log cannot be written any
further, append ends with 2 and says which line was the last one that is in it.`,
		Example: `  otelaudit append --event nav --cost 0.0041 --model gpt-4o --input-t 1500 --output-t 250
  otelaudit append --event budget --reason hourly_budget_exhausted --set limit=5 --set team=search
  otelaudit append --json '{"event":"deep","cost":0.02,"files":["a.go"]}'
  jq -c '{event: .type, cost: .usd}' other.jsonl | otelaudit append -`,
	}
	events := newEventFlags(cmd, &a.clock)
	events.addJSON()
	session := cmd.Flags().String("session", "", "`ID` of the event's session; with -, of the events that name none (default $"+sessionVariable+", else new)")
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if len(args) > 1 || len(args) == 1 && args[0] != "-" {
			return usagef("append takes flags, or - for standard input, but not %q", args[0])
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 1 {
			if name, ok := events.given(); ok {
				return usagef("--%s and - do not go together: with - all of an event is on its line", name)
			}
		}
		event := events.event()
		if cmd.Flags().Changed("session") {
			event.SessionID = *session
		}
		if len(args) == 0 && event.Name == "" {
			return usagef("the event has no name: say --event NAME, or - to read events from standard input")
		}
		if *session == "" {
			*session = os.Getenv(sessionVariable)
		}
		log, err := auditlog.Open(a.logPath(cmd),
			auditlog.WithSessionID(*session), auditlog.WithLogger(slog.New(newWarnings(a.err))))
		if err != nil {
			return plain(err)
		}
		if len(args) == 1 {
			err = a.appendLines(cmd.Context(), log)
		} else {
			err = appendEvent(cmd.Context(), log, event)
		}
		// Close syncs: what it returns belongs to what was appended.
		if closeErr := log.Close(); closeErr != nil {
			err = errors.Join(err, plain(closeErr))
		}
		return err
	}
	return cmd
}

func appendEvent(ctx context.Context, log *auditlog.Log, event auditlog.Event) error {
	err := log.Append(ctx, event)
	if wrong, ok := errors.AsType[*auditlog.EventError](err); ok {
		return usagef("%s", explainEvent(wrong))
	}
	if err != nil {
		return plain(err)
	}
	return nil
}

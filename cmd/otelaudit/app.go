package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/otelaudit/otelaudit/internal/history"
)

// streams are what a process is connected to.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// app is one run of the command: what its verbs share.
type app struct {
	streams
	clock
	log     *history.Log // that a read verb reads
	out     *output      // buffered; run flushes it
	err     io.Writer    // for messages: shadows that of streams, which has no escapes
	path    string       // --path
	started bool         // flags and arguments are parsed and a verb has begun
	logger  *slog.Logger // of verbs that read
}

// run runs the command and returns its exit code.
func run(ctx context.Context, args []string, std streams) int {
	return runAt(ctx, time.Now(), args, std)
}

// runAt is run at a time.
func runAt(ctx context.Context, now time.Time, args []string, std streams) int {
	a := &app{streams: std, out: newOutput(std.out), err: newMessages(std.err, args), clock: clock{now, zone{time.Local, "local"}}}
	root := a.root()
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if flushErr := a.out.Flush(); err == nil {
		err = flushErr
	}
	return a.exitCode(cmd, err)
}

// exitCode tells of err, unless that was done, and returns what to exit with.
func (a *app) exitCode(cmd *cobra.Command, err error) int {
	if err == nil {
		return codeDone
	}
	if code, ok := errors.AsType[codeError](err); ok {
		return int(code)
	}
	if a.out.closed() {
		return codeDone // who read the results has seen enough
	}
	a.sayf("%v", err)
	if _, ok := errors.AsType[*usageError](err); ok || !a.started {
		a.sayf("see %s --help", cmd.CommandPath())
	}
	return codeFailed
}

// sayf writes a line to stderr.
func (a *app) sayf(format string, args ...any) {
	// There is nobody left to tell if that fails.
	_, _ = fmt.Fprintf(a.err, "otelaudit: "+format+"\n", args...)
}

const rootLong = `otelaudit reads, appends to and replays an audit log: JSON lines of what happened,
in which session, with which model, and what it cost.

The log is --path, else $OTELAUDIT_PATH, else ~/.scout/audit.jsonl. Its archives,
audit_YYYYMMDD_HHMMSS.jsonl.gz, stand beside it and are read with it.

Results go to stdout, everything else to stderr. There are no colours, and progress bars
only on a terminal. The exit code is

    0   done
    1   it ran, and something is wrong: damage found, events refused or rejected
    2   wrong usage, or it could not run to its end
    3   the budget of guard is spent

and of guard, else, that of its command.

Environment: $OTELAUDIT_PATH, $OTELAUDIT_SESSION_ID (of appended events), $COLUMNS (width
of tables, else the terminal's), $TZ (the local time zone), $OTEL_EXPORTER_OTLP_* (replay).`

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "otelaudit",
		Short: "What did the agents do, and what did it cost?",
		Long:  rootLong,
		Example: `  otelaudit query --since 24h --event budget
  otelaudit spend --by model
  otelaudit replay --endpoint http://localhost:4318`,
		Version:       thisBuild().Version,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.PersistentFlags().StringVar(&a.path, "path", "", "active `FILE` of the log (default $"+pathVariable+", else ~/.scout/audit.jsonl)")
	root.PersistentFlags().Var(&a.zone, "timezone", "time zone of days, hours and times that are asked for and shown: a name such as Europe/Berlin, UTC or local")
	completeWords(root, "timezone", "local", "UTC")
	root.AddCommand(a.query(), a.tail(), a.spend(), a.burn(), a.accuracy(), a.gates(), a.verify(), a.append(), a.rotate(), a.replay(),
		a.guard(), a.guardWatcher(), a.trace(), a.report(), a.version())
	for _, verb := range root.Commands() {
		verb.DisableFlagsInUseLine = true
		runE := verb.RunE
		verb.RunE = func(cmd *cobra.Command, args []string) error {
			a.started = true
			if tz, unknown := unknownTZ(); unknown && a.zone.loc == time.Local {
				a.sayf("warning: $TZ is %q, which is no time zone: local times are those of UTC; set it to a name such as Europe/Berlin, or say --timezone", tz)
			}
			return runE(cmd, args)
		}
	}
	return root
}

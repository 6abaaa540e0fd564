package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/watch"
)

func (a *app) guard() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "guard --max-per-hour USD [flags] -- COMMAND [ARGUMENT ...]",
		Short: "Run a command until the budget is spent",
		Long: `guard runs a command, and stops it when what the log says was spent in this hour or
this day, of --timezone, reaches a limit. The log is looked at when it changes, and every
cost in it counts, whoever wrote it; with --session, that of one session only. A call that
the log holds twice counts once, and burn shows the same sums. An event without a usable
time, unreadable or more than 5 minutes ahead of the clock, counts when it arrives. Of
those from before, it counts at the last usable time before it. A negative cost counts as 0.

If the budget is spent before, the command is not started. Else it and all processes that
it started are sent a SIGTERM when the budget is spent, and, if some are left after
--grace, a SIGKILL. In both cases guard writes a budget event to the log, says so
on stderr, and exits with 3. It does so too if it may not signal a process, as one that
became root: the action of the event is not_stopped then, and the process goes on.

guard stays until all that the command started has ended, daemons too; outside Linux, all
of its process group. If only the command itself has ended, SIGINT, SIGTERM, SIGQUIT or
SIGHUP end the rest. Otherwise the exit code is that of the command, 128 and the
number of the signal if one ended it, and 2 if it could not be run. A log that cannot be
read any more stops the command too, with 2.

The command has guard's standard input and output, and the terminal; signals that guard
gets are passed on to it. Its environment has $` + pathVariable + ` and
$` + sessionVariable + `: the session of --session, else what it was, else a new one.
What it writes has to go to that log, and with --session to that session, or nothing is
guarded. guard names the log on stderr when it starts the command, and says so there when
nothing was written while the command ran.

A call counts when its event is written, so that calls which run at the same time may
spend more than is left. Of a call with tokens and without a cost nobody knows what was
spent: --on-unpriced warn says so on stderr, and breach takes it for a spent budget.
Outside Linux, processes that leave the group, as a daemon does, are not stopped. If guard
itself is killed, a second process of it ends the group, but not what left the group.`,
		Example: `  otelaudit guard --max-per-hour 5 --max-per-day 20 -- claude -p 'fix the build'
  otelaudit guard --max-per-day 1 --session nightly --on-unpriced breach -- ./agent.sh`,
	}
	g := &guard{app: a}
	flags := cmd.Flags()
	flags.SetInterspersed(false) // the command's own flags are not ours
	perHour, perDay := new(dollars), new(dollars)
	flags.Var(perHour, "max-per-hour", "what may be spent in an hour, in US dollars")
	flags.Var(perDay, "max-per-day", "what may be spent in a day, in US dollars")
	flags.StringVar(&g.session, "session", "", "count only what the session with this `ID` spends (default all sessions)")
	a.completeFromLog(cmd, "session", func(e auditlog.Event) string { return e.SessionID })
	interval := &wait{value: 250 * time.Millisecond}
	flags.Var(interval, "interval", "how often to look at the log where the system does not tell of changes")
	grace := &wait{value: 10 * time.Second}
	flags.Var(grace, "grace", "how long a command that is stopped may take to end")
	unpriced := choiceFlag(cmd, "on-unpriced", "warn", "what to do about calls with tokens and no cost", "ignore", "warn", "breach")
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef("guard wants a command to run: otelaudit guard --max-per-hour 5 -- COMMAND")
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var opts []auditlog.BudgetOption
		if *perHour > 0 {
			opts = append(opts, auditlog.WithMaxPerHour(float64(*perHour)))
		}
		if *perDay > 0 {
			opts = append(opts, auditlog.WithMaxPerDay(float64(*perDay)))
		}
		if len(opts) == 0 {
			return usagef("guard wants a limit: say --max-per-hour USD, --max-per-day USD or both")
		}
		if unpriced.value == "breach" {
			opts = append(opts, auditlog.WithUnpricedBreach())
		}
		opts = append(opts, auditlog.WithBudgetSession(g.session), auditlog.WithBudgetTimeZone(a.zone.loc))
		g.warn, g.interval, g.grace = unpriced.value == "warn", interval.value, grace.value
		g.logger = slog.New(newWarnings(a.err))
		r, err := auditlog.NewReader(a.logPath(cmd), auditlog.WithLogger(g.logger))
		if err == nil {
			g.reader = r
			g.budget, err = auditlog.NewBudget(r, opts...)
		}
		if err != nil {
			return plain(err)
		}
		// A signal is passed on, and ends guard by ending the command.
		return g.run(context.WithoutCancel(cmd.Context()), args)
	}
	return cmd
}

// dollars is the value of a flag in US dollars.
type dollars float64

func (m *dollars) String() string {
	if *m == 0 {
		return "" // pflag then says no default
	}
	return strconv.FormatFloat(float64(*m), 'f', -1, 64)
}

func (m *dollars) Type() string { return "USD" }

func (m *dollars) Set(text string) error {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !(f > 0) || math.IsInf(f, 0) {
		return errors.New("want US dollars above 0 as a number such as 2.50")
	}
	*m = dollars(f)
	return nil
}

// wait is the value of a flag that is a duration above 0.
type wait struct{ value time.Duration }

func (p *wait) String() string { return p.value.String() }
func (p *wait) Type() string   { return "DURATION" }

func (p *wait) Set(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return errors.New("want a duration above 0 such as 250ms or 10s")
	}
	p.value = d
	return nil
}

// guard is one run of a command under a budget.
type guard struct {
	*app
	reader          *auditlog.Reader
	budget          *auditlog.Budget
	logger          *slog.Logger
	session         string // --session
	warn            bool   // of unpriced calls
	interval, grace time.Duration

	child    *child
	ended    bool      // the child, if not what it started
	unpriced int64     // that were told of
	failing  time.Time // since when checks fail; zero if they do not
}

// What guard did, in the budget event.
const (
	actionRefused = "refused" // the command was not started
	actionStopped = "stopped" // it ended when it was told to
	actionKilled  = "killed"  // it did not, or something that it had started did not
	// It could not be stopped, as a process of another user.
	actionNotStopped = "not_stopped"
)

func (g *guard) run(ctx context.Context, args []string) error {
	program, err := exec.LookPath(args[0])
	if err != nil {
		return fmt.Errorf("run %s: %w", args[0], err)
	}
	childSession := g.session
	if childSession == "" {
		childSession = os.Getenv(sessionVariable)
	}
	if childSession == "" {
		childSession = auditlog.SessionID()
	}
	report := func(breach *auditlog.BudgetError, action string) error {
		event := breach.Event()
		event.SessionID = childSession
		// Not its arguments: there may be secrets in them.
		event.Attributes["command"] = filepath.Base(args[0])
		event.Attributes["action"] = action
		if g.child != nil {
			event.Attributes["pid"] = g.child.pid()
		}
		if err := g.write(ctx, event); err != nil {
			g.sayf("the budget event is not in the log: %v", plain(err))
		}
		return codeError(codeSpent)
	}

	err = g.check(ctx)
	if breach, ok := errors.AsType[*auditlog.BudgetError](err); ok {
		g.sayf("%v", plain(breach))
		g.sayf("%s was not started", args[0])
		return report(breach, actionRefused)
	}
	if err != nil {
		return plain(err) // it may get better, but nothing has begun
	}

	cmd := exec.CommandContext(ctx, program) //nolint:gosec // running what the user says is the purpose
	cmd.Args = args
	cmd.Env = append(os.Environ(), pathVariable+"="+g.reader.Path(), sessionVariable+"="+childSession)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = g.in, g.streams.out, g.streams.err
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, guardedSignals()...)
	defer signal.Stop(signals)
	g.sayf("watching %s", g.reader.Path())
	if g.child, err = startChild(cmd, g.grace); err != nil {
		return fmt.Errorf("run %s: %w", args[0], err)
	}
	defer func() {
		g.child.release()
		if err := g.child.end(); err != nil {
			g.sayf("end the watcher of guard: %v", err)
		}
	}()

	code, err := g.watch(ctx, signals)
	if err == nil {
		g.sayLast(ctx, args[0])
		if code == codeDone {
			return nil
		}
		return codeError(code)
	}
	g.sayf("%v", plain(err))
	g.sayf("stopping %s (process %d)", args[0], g.child.pid())
	action, stopErr := g.stop(signals)
	if stopErr != nil {
		g.sayf("stop %s: %v", args[0], stopErr)
	}
	if breach, ok := errors.AsType[*auditlog.BudgetError](err); ok {
		return report(breach, action)
	}
	if interrupted, ok := errors.AsType[*interruptedError](err); ok {
		const signaled = 128
		if sig, ok := interrupted.sig.(syscall.Signal); ok {
			return codeError(signaled + int(sig))
		}
	}
	return codeError(codeFailed)
}

// pollInterval is how often guard looks for processes that outlive the command.
const pollInterval = 250 * time.Millisecond

// watch waits until the command and all that it left behind have ended, and returns
// its exit code; or for a reason to stop it, which it returns as an error.
func (g *guard) watch(ctx context.Context, signals <-chan os.Signal) (code int, err error) {
	w := watch.New(g.reader.Path(), watch.Config{Logger: g.logger, Interval: g.interval})
	defer func() {
		if closeErr := w.Close(); closeErr != nil {
			g.sayf("%v", closeErr)
		}
	}()
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	var tick <-chan time.Time // once the command has ended
	told := false
	for {
		select {
		case end := <-g.child.ended:
			if end.err != nil || len(g.child.left()) == 0 {
				return end.code, end.err
			}
			code, g.ended, tick = end.code, true, poll.C
			// As a shell does when its job has ended. Ctrl-C then comes to guard.
			g.child.release()
		case <-g.child.reaped:
			if g.ended && len(g.child.left()) == 0 {
				return code, nil
			}
		case <-tick:
			left := g.child.left()
			if len(left) == 0 {
				return code, nil
			}
			if !told {
				g.sayf("the command has ended, but not all that it started; guard goes on until that ends: %s", list(left))
				told = true
			}
		case sig := <-g.child.stopped:
			if err := g.child.suspend(sig); err != nil {
				g.sayf("stop with the command: %v", err)
			}
		case sig := <-signals:
			if g.ended && isEnd(sig) {
				return 0, &interruptedError{sig}
			}
			if err := g.child.pass(sig); err != nil {
				g.sayf("pass the signal %v on: %v", sig, err)
			}
		case <-w.Changed():
			if err := g.checkAgain(ctx); err != nil {
				return 0, err
			}
		}
	}
}

// interruptedError is a signal that ends what a command left behind.
type interruptedError struct{ sig os.Signal }

func (e *interruptedError) Error() string {
	return fmt.Sprintf("%v: ending what the command left behind", e.sig)
}

// isEnd reports whether sig asks a process to end.
func isEnd(sig os.Signal) bool {
	switch sig {
	case os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGHUP:
		return true
	}
	return false
}

// list names processes, the first few of many.
func list(processes []process) string {
	const most = 5
	var names []string
	for _, p := range processes[:min(len(processes), most)] {
		names = append(names, p.String())
	}
	text := strings.Join(names, ", ")
	if more := len(processes) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// killWait is how long guard waits for what it has killed.
const killWait = 5 * time.Second

// stop ends the command and all that it started, and returns how.
func (g *guard) stop(signals <-chan os.Signal) (action string, err error) {
	action = actionStopped
	g.child.terminate()
	grace := time.NewTimer(g.grace)
	defer grace.Stop()
	poll := time.NewTicker(pollInterval / 10)
	defer poll.Stop()
	var giveUp <-chan time.Time // when everything was killed
	for {
		left := g.child.left()
		if g.ended && len(left) == 0 {
			return action, err
		}
		select {
		case end := <-g.child.ended:
			g.ended, err = true, errors.Join(err, end.err)
			continue
		case <-g.child.reaped:
			continue
		case <-g.child.stopped:
			g.child.terminate() // which continues it
			continue
		case <-signals: // it is being stopped
			continue
		case <-grace.C:
			action, giveUp = actionKilled, time.After(killWait)
		case <-giveUp:
			return actionNotStopped, errors.Join(err, fmt.Errorf("it still runs %v after a SIGKILL: %s", killWait, list(left)))
		case <-poll.C:
			if giveUp == nil {
				continue
			}
		}
		// Again and again, for what was started meanwhile.
		if denied := g.child.kill(); len(denied) > 0 && len(denied) == len(g.child.left()) {
			return actionNotStopped, errors.Join(err, fmt.Errorf("it goes on, since this user may not signal it: %s; stop it as its user", list(denied)))
		}
	}
}

// check asks the budget, and tells of unpriced calls when there are some for
// the first time.
func (g *guard) check(ctx context.Context) error {
	if err := g.budget.Check(ctx); err != nil {
		return err
	}
	if !g.warn || g.unpriced > 0 {
		return nil
	}
	return g.sayUnpriced(ctx)
}

// checkAgain is check while the command runs, to which an error may be nothing
// but a moment.
func (g *guard) checkAgain(ctx context.Context) error {
	err := g.check(ctx)
	if _, ok := errors.AsType[*auditlog.BudgetError](err); ok {
		return err
	}
	if err == nil {
		g.failing = time.Time{}
		return nil
	}
	if g.failing.IsZero() {
		g.failing = time.Now()
	}
	if time.Since(g.failing) < 2*g.interval {
		return nil
	}
	return fmt.Errorf("the log cannot be read, so that nobody knows what is spent: %w", plain(err))
}

// sayUnpriced says how many unpriced calls there are, if there are more than
// when it did last.
func (g *guard) sayUnpriced(ctx context.Context) error {
	p, err := g.longest(ctx)
	if err != nil {
		return err
	}
	if p.Spent.Unpriced > g.unpriced {
		g.unpriced = p.Spent.Unpriced
		g.sayf("warning: %s of this %s with tokens and no cost: the budget does not know what that is in US dollars", plural(g.unpriced, "call"), p.Name)
	}
	return nil
}

// longest returns the longest of the budget's periods.
func (g *guard) longest(ctx context.Context) (auditlog.BudgetPeriod, error) {
	periods, err := g.budget.Periods(ctx)
	if err != nil {
		return auditlog.BudgetPeriod{}, err
	}
	return periods[len(periods)-1], nil
}

// sayLast says what is to be known when the command has ended by itself.
func (g *guard) sayLast(ctx context.Context, command string) {
	if g.warn {
		if err := g.sayUnpriced(ctx); err != nil {
			g.sayf("%v", plain(err))
		}
	}
	err := logExists(ctx, g.reader)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		g.sayf("warning: there is no log at %s: the command writes none, or another one, and was not guarded", g.reader.Path())
		return
	case err == nil:
		err = g.sayUncounted(ctx, command)
	}
	if err != nil {
		g.sayf("%v", plain(err))
	}
}

// sayUncounted says that nothing was written while the command ran: it may have
// called no model, but it may as well write elsewhere, and spend without end.
func (g *guard) sayUncounted(ctx context.Context, command string) error {
	if arrived, err := g.budget.Arrived(ctx); err != nil || arrived {
		return err
	}
	if g.session != "" {
		g.sayf("warning: no event of session %q was written to %s while %s ran: if it called a model, its events have another session or are elsewhere, and it was not guarded",
			g.session, g.reader.Path(), command)
		return nil
	}
	g.sayf("warning: nothing was written to %s while %s ran: if it called a model, its events are elsewhere, and it was not guarded", g.reader.Path(), command)
	return nil
}

// write appends event, durably.
func (g *guard) write(ctx context.Context, event auditlog.Event) error {
	log, err := auditlog.Open(g.reader.Path(), auditlog.WithLogger(g.logger))
	if err != nil {
		return err
	}
	return errors.Join(log.Append(ctx, event), log.Close()) // which syncs
}

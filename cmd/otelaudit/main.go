// Command otelaudit reads, appends to and replays audit logs: what the agents
// did, and what it cost. `otelaudit --help` lists its verbs.
//
// Results go to stdout, everything else to stderr. It exits with 0 when it is
// done, 1 when it ran and something is wrong (damage found, events refused),
// and 2 when it could not run to its end; guard with 3 when the budget is spent,
// else with the code of its command.
package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

//go:generate go test -run ^TestTheReferenceIsWhatTheCommandSays$ . -update

func main() { os.Exit(mainCode()) }

func mainCode() int {
	// Writing to a closed pipe is an error of the write and not the end of the
	// process, so that what is open is closed in order.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	// net/http gives the standard logger what a server sends behind an answer.
	slog.SetDefault(slog.New(newWarnings(newMessages(os.Stderr, os.Args[1:]))))
	return run(ctx, os.Args[1:], streams{in: os.Stdin, out: os.Stdout, err: os.Stderr})
}

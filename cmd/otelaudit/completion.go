package main

import (
	"context"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/otelaudit/otelaudit/auditlog"
)

// completionEvents is how many of the last events completion looks at: they are
// read from the end of the log, in milliseconds.
const completionEvents = 1000

// maxWord is the length, in bytes, of the longest text that completion offers.
const maxWord = 200

// isShellWord reports whether no shell gives text a meaning of its own. Shells put
// what completion offers on the command line, and scripts evaluate that line with
// the next key. Letters are those of ASCII: others can look like an operator, and
// the encoding of the terminal can make one of them.
func isShellWord(text string) bool {
	if text == "" || len(text) > maxWord || text[0] == '-' {
		return false
	}
	for _, b := range []byte(text) {
		switch {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', strings.IndexByte("._:@/+-", b) >= 0:
		default:
			return false
		}
	}
	return true
}

// offered leaves out each completion of the command that is no shell word. The
// description after the tab may have spaces and commas too.
func offered(complete cobra.CompletionFunc) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		words, directive := complete(cmd, args, typed)
		var safe []string
		for _, word := range words {
			word, about, _ := strings.Cut(word, "\t")
			if !isShellWord(word) {
				continue
			}
			if isShellWord(strings.NewReplacer(" ", "", ",", "").Replace(about)) {
				word = cobra.CompletionWithDesc(word, about)
			}
			safe = append(safe, word)
		}
		return safe, directive
	}
}

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
		if v := of(event); isShellWord(v) && !slices.Contains(values, v) {
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
	cmd.ValidArgsFunction = offered(func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
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
			var about []string
			if isShellWord(event.Name) {
				about = append(about, event.Name)
			}
			if !event.Time.IsZero() {
				about = append(about, a.shown(event.Time).Format(time.DateTime))
			}
			traces = append(traces, cobra.CompletionWithDesc(id, strings.Join(about, ", ")))
			if len(traces) == maxTraces {
				break
			}
		}
		return traces, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	})
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

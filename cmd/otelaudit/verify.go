package main

import (
	"context"
	"fmt"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/visible"
)

func (a *app) verify() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify [flags]",
		Short: "Read everything and report damaged lines",
		Long: `verify reads every byte of the log and reports each damaged line: the file, the
number of the line, the offset of its first byte in the uncompressed file, and what is
wrong with it. The other lines are not affected by it; nothing is repaired. The exit
code is 1 if there is damage.

verify also says how many lines have no time that readers can read. That is no damage.

It also says how many events the log holds more than once: with the log.record.uid, ts,
event, cost and tokens of an earlier line. That is no damage, and sums count most of
them once: see spend.

A torn last line of the active file may be one that is being written at this moment.`,
		Example: `  otelaudit verify
  otelaudit verify --format json | jq '.damaged[]'`,
	}
	format := formatFlag(cmd, "table", "json")
	return a.readVerb(cmd, func(ctx context.Context, r *auditlog.Reader) error {
		v, err := r.Verify(ctx, nil)
		if err != nil {
			return err
		}
		if err := a.printVerification(v, format.value); err != nil {
			return err
		}
		if len(v.Damaged) > 0 {
			return codeError(codeWrong)
		}
		return nil
	})
}

func (a *app) printVerification(v auditlog.Verification, format string) error {
	if format == "json" {
		return a.out.json(v)
	}
	if len(v.Damaged) > 0 {
		t := newTable(column{"file", false}, column{"line", true}, column{"offset", true}, column{"damage", false})
		for _, d := range v.Damaged {
			t.AppendRow(table.Row{visible.Excerpt(d.File), d.Line, d.Offset, visible.Excerpt(d.Reason)})
		}
		if err := a.print(t); err != nil {
			return err
		}
	}
	more := ""
	if v.Untimed > 0 {
		more = fmt.Sprintf(", %s without a readable time", plural(v.Untimed, "line"))
	}
	if v.Repeated > 0 {
		more += ", " + plural(v.Repeated, "repeated event")
	}
	_, err := fmt.Fprintf(a.out, "%s, %s, %s%s\n", plural(v.Files, "file"), plural(v.Events, "event"),
		plural(int64(len(v.Damaged)), "damaged line"), more)
	return err
}

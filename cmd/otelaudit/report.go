package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/history"
	"github.com/otelaudit/otelaudit/internal/report"
)

// traceURLFlag is the value of --trace-url.
type traceURLFlag struct{ template string }

func (f *traceURLFlag) String() string { return f.template }
func (f *traceURLFlag) Type() string   { return "URL" }

func (f *traceURLFlag) Set(template string) error {
	f.template = template
	return report.CheckTraceURL(template)
}

func (a *app) report() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "report -o FILE [flags]",
		Short: "Make a page with charts of spend, tokens, durations and failures",
		Long: `report writes one HTML file: spend over time by model, tokens, the sessions that spent
most, percentiles of durations, failures, budget stops, and the last events. The file
needs nothing else, neither a network nor this program, and allows the browser no request;
it is light or dark, and fits a phone and paper. Each chart has a table.

The sums are those of spend: a call that the log holds more than once counts once.
Failures are events of severity ERROR and above, with failed=true, with an error or
exception attribute, or whose name ends in error, failed or _fail, and gates that failed
to parse or to reach the model. A budget stop is an event budget, or one whose reason is
cost_exceeds_limit or hourly_budget_exhausted.

--trace-url makes links of traces: in it {trace_id} and {span_id} are replaced. FILE is
replaced as a whole when the page is complete, and only its owner can read a new one; - is
stdout. One log makes one page, byte for byte, whenever it is read.

` + timeHelp,
		Example: `  otelaudit report -o report.html
  otelaudit report -o report.html --since monday --title "Agents, this week"
  otelaudit report -o report.html --trace-url 'https://jaeger.example/trace/{trace_id}'
  otelaudit report -o - --since 24h > today.html`,
	}
	since, until := a.sinceFlag(cmd), a.untilFlag(cmd)
	var file, title string
	var link traceURLFlag
	flags := cmd.Flags()
	flags.StringVarP(&file, "output", "o", "", "write the page to this `FILE`, - for stdout")
	flags.StringVar(&title, "title", "", "title of the page (default Audit report)")
	flags.Var(&link, "trace-url", "address of a trace, such as https://jaeger.example/trace/{trace_id}")
	return a.readVerb(cmd, func(ctx context.Context, _ *auditlog.Reader) error {
		if file == "" {
			return usagef("say where to write the page: -o report.html, or -o - for stdout")
		}
		from, to, err := period(since, until)
		if err != nil {
			return err
		}
		o := report.Options{Title: title, Since: from, Until: to, Zone: a.zone.loc, TraceURL: link.template}
		if file == "-" {
			return report.Write(ctx, a.out, a.log, o)
		}
		return writeReport(ctx, file, a.logPath(cmd), a.log, o)
	})
}

// writeReport makes the page and puts it in the place of file, which stays what
// it is if that fails.
func writeReport(ctx context.Context, file, path string, log *history.Log, o report.Options) (err error) {
	if err := notOfTheLog(ctx, file, path, log); err != nil {
		return err
	}
	info, err := os.Stat(file)
	switch {
	case err == nil && info.IsDir():
		return fmt.Errorf("%s is a folder: name a file in it", file)
	case err == nil && !info.Mode().IsRegular():
		return writeToDevice(ctx, file, log, o) // such as a pipe, which must not be replaced
	case err == nil:
		// What a symbolic link leads to is replaced, and not the link.
		if file, err = filepath.EvalSymlinks(file); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*.tmp")
	if err != nil {
		// Not with the name of a file that nobody asked for.
		if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
			err = pathErr.Err
		}
		return fmt.Errorf("write %s: make a file in its folder: %w", file, err)
	}
	defer func() {
		if err == nil {
			return
		}
		if at, ok := errors.AsType[*fs.PathError](err); ok && at.Path == f.Name() {
			err = &fs.PathError{Op: at.Op, Path: file, Err: at.Err} // not of a file that is gone
		}
		err = errors.Join(err, os.Remove(f.Name()))
	}()
	w := bufio.NewWriter(f)
	if err = report.Write(ctx, w, log, o); err == nil { // an error of w is returned again by Flush
		err = w.Flush()
	}
	if err == nil && info != nil {
		err = f.Chmod(info.Mode().Perm())
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}

func writeToDevice(ctx context.Context, file string, log *history.Log, o report.Options) error {
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	w := newOutput(f) // it may be a terminal
	return errors.Join(report.Write(ctx, w, log, o), w.Flush(), f.Close())
}

// notOfTheLog returns an error if file belongs to the log at path, archives
// included, whose place a page would take.
func notOfTheLog(ctx context.Context, file, path string, log *history.Log) (err error) {
	snapshot, err := history.New(log.Source, false).Snapshot(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	mistake := usagef("%s is a file of the log itself: write the page to another one", file)
	if filepath.Clean(file) == filepath.Clean(path) {
		return mistake // also where there are only archives now
	}
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, f := range snapshot.Files() {
		// What is not there any more was compressed a moment ago.
		if other, err := os.Stat(f.Path); err == nil && os.SameFile(info, other) {
			return mistake
		}
	}
	return nil
}

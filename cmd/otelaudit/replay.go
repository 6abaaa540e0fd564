package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/otelaudit/otelaudit/bridge"
	"github.com/otelaudit/otelaudit/internal/visible"
)

// replayFlags are those of replay.
type replayFlags struct {
	endpoint, checkpoint, reject  string
	headers                       headers
	batch, inFlight               number
	fromStart, follow, dryRun     bool
	derivedFields, fileAttributes bool
}

func (a *app) replay() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "replay [flags]",
		Short: "Send what is new to an OpenTelemetry collector",
		Long: `replay sends the events of the log, archives first, to an OpenTelemetry collector
over OTLP/HTTP, and ends when all of them are accepted. What the collector accepted is
remembered in a checkpoint beside the log, one for each endpoint, so that a second run
sends only what is new.

With --follow it goes on and sends what is appended within a second, through rotations
and whatever else happens to the files, until it is interrupted or terminated; it then
lets the requests under way come to their end and exits with 0, or with 1 if anything was
rejected or damaged. There need not be a log yet.

The OTEL_EXPORTER_OTLP_* variables work as everywhere; flags win over them. The files of
certificates that they name are read again when they change. While the collector is away, replay waits and tries again until it is interrupted; the next run
goes on where this one ended. A run that was killed may send up to --in-flight batches
again: log.record.uid tells what came twice.

A record that the collector refuses goes to the reject file with the reason, and the
others arrive. A collector that takes a batch but for some records does not say which:
then the reject file has the range of lines and not the lines. The last line on stderr
says what was sent, rejected, retried and skipped as damaged; the exit code is 1 if
anything was rejected or damaged, and 2 if the collector cannot be sent to, or if it is
one that writes to this very log.`,
		Example: `  otelaudit replay
  otelaudit replay --endpoint http://collector.example:4318 --header "authorization=Bearer $TOKEN"
  otelaudit replay --follow
  otelaudit replay --dry-run
  otelaudit replay --from-start --checkpoint /var/lib/otelaudit/second.checkpoint`,
		Args: noArguments,
	}
	var f replayFlags
	flags := cmd.Flags()
	flags.StringVar(&f.endpoint, "endpoint", "", "`URL` of the collector (default $OTEL_EXPORTER_OTLP_LOGS_ENDPOINT, $OTEL_EXPORTER_OTLP_ENDPOINT, else http://localhost:4318)")
	flags.Var(&f.headers, "header", "HTTP header of each request; repeat it for more (default $OTEL_EXPORTER_OTLP_HEADERS)")
	flags.StringVar(&f.checkpoint, "checkpoint", "", "`FILE` that remembers what was accepted (default beside the log)")
	flags.StringVar(&f.reject, "reject", "", "`FILE` for records that the collector refuses (default beside the log)")
	flags.BoolVar(&f.fromStart, "from-start", false, "ignore the checkpoint and begin with the oldest event")
	f.batch = number{value: bridge.DefaultBatchSize, least: 1, most: math.MaxInt32}
	flags.Var(&f.batch, "batch", "most records in one request")
	f.inFlight = number{value: bridge.DefaultInFlight, least: 1, most: bridge.MaxInFlight}
	flags.Var(&f.inFlight, "in-flight", "most requests at a time; with 1 records arrive in the order of the log")
	flags.BoolVar(&f.follow, "follow", false, "go on at the end of the log and send what is appended, until interrupted")
	flags.BoolVar(&f.derivedFields, "derived", false, "add cost, model, input_t and the other fields of the lines to records that have them under other names")
	flags.BoolVar(&f.fileAttributes, "log-file-attributes", false, "add log.file.path and log.file.name to each record")
	flags.BoolVar(&f.dryRun, "dry-run", false, "send nothing; count what would be sent")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return a.runReplay(cmd.Context(), a.logPath(cmd), f, flags.Changed)
	}
	return cmd
}

func (f *replayFlags) options(changed func(string) bool) []bridge.Option {
	opts := []bridge.Option{bridge.WithBatchSize(int(f.batch.value)), bridge.WithInFlight(int(f.inFlight.value))}
	if changed("endpoint") {
		opts = append(opts, bridge.WithEndpoint(f.endpoint))
	}
	if changed("header") {
		opts = append(opts, bridge.WithHeaders(f.headers.values))
	}
	if changed("checkpoint") {
		opts = append(opts, bridge.WithCheckpoint(f.checkpoint))
	}
	if changed("reject") {
		opts = append(opts, bridge.WithRejectFile(f.reject))
	}
	if f.fromStart {
		opts = append(opts, bridge.WithFromStart())
	}
	if f.derivedFields {
		opts = append(opts, bridge.WithDerivedFields())
	}
	if f.fileAttributes {
		opts = append(opts, bridge.WithLogFileAttributes())
	}
	if f.follow {
		opts = append(opts, bridge.WithFollow())
	}
	if f.dryRun {
		opts = append(opts, bridge.WithDryRun())
	}
	return opts
}

// gcPercent lets the garbage collector run twice as often as by default while
// the requests in flight are most of what is in memory: a replay stays within
// 64 MiB, for a hundredth of its time. GOGC wins.
const gcPercent = 50

func (a *app) runReplay(ctx context.Context, path string, f replayFlags, changed func(string) bool) error {
	if os.Getenv("GOGC") == "" {
		defer debug.SetGCPercent(debug.SetGCPercent(gcPercent))
	}
	bar := newProgress(a.streams.err, a.err)
	a.err = bar // whatever is said goes above the bar
	warned := newWarnings(bar)
	opts := append(f.options(changed), bridge.WithLogger(slog.New(inFlags{warned})))
	if !f.follow { // which has no end to show the way to
		opts = append(opts, bridge.WithProgress(bar.update))
	}
	b, err := bridge.New(path, opts...)
	if err != nil {
		return errors.New(asFlags.Replace(plain(err).Error()))
	}
	stats, err := b.Run(ctx)
	bar.end()
	_ = warned.end() // nobody is left to tell if stderr is gone
	switch {
	case errors.Is(err, fs.ErrNotExist) && stats.Read == 0:
		return explainMissing(ctx, path, err)
	case err != nil:
		text := asFlags.Replace(plain(err).Error())
		if ctx.Err() != nil {
			// Which signal it was is what the user has to do with it.
			text = strings.Replace(text, ctx.Err().Error(), context.Cause(ctx).Error(), 1)
		}
		a.sayf("%s", text)
	}
	if stats.Unfinished {
		a.sayf("the last line of %s is not finished yet; it is left for the next run", path)
	}
	switch {
	case stats.Rejected > stats.Unnamed:
		a.sayf("what was rejected is in %s", b.RejectFile())
	case stats.Unnamed > 0:
		a.sayf("among which lines the rejected ones are is in %s", b.RejectFile())
	}
	a.sayf("%s", summary(b.Endpoint(), stats, f.dryRun))
	switch {
	case err != nil:
		return codeError(codeFailed)
	case stats.Rejected > 0 || stats.Damaged > 0 || stats.Gone > 0:
		return codeError(codeWrong)
	}
	return nil
}

// asFlags replaces what the bridge calls an option by the flag.
var asFlags = strings.NewReplacer("WithFromStart", "--from-start", "WithFollow", "--follow", "WithDryRun", "--dry-run")

// inFlags is a handler that says what the bridge logs with asFlags.
type inFlags struct{ slog.Handler }

var _ slog.Handler = inFlags{}

func (h inFlags) Handle(ctx context.Context, r slog.Record) error {
	r.Message = asFlags.Replace(r.Message)
	return h.Handler.Handle(ctx, r)
}

func (h inFlags) WithAttrs(attrs []slog.Attr) slog.Handler {
	return inFlags{h.Handler.WithAttrs(attrs)}
}

func (h inFlags) WithGroup(name string) slog.Handler {
	return inFlags{h.Handler.WithGroup(name)}
}

// summary is the last line of a replay.
func summary(endpoint string, stats bridge.Stats, dryRun bool) string {
	if dryRun {
		return fmt.Sprintf("would send %s to %s, skipped %s",
			plural(stats.Read, "event"), endpoint, plural(stats.Damaged, "damaged line"))
	}
	rejected := strconv.FormatInt(stats.Rejected, 10)
	if stats.Unnamed > 0 {
		rejected += fmt.Sprintf(" (of %d the collector does not say which: only the range is recorded)", stats.Unnamed)
	}
	return fmt.Sprintf("sent %s to %s, rejected %s, retried %s, skipped %s", plural(stats.Sent, "event"), endpoint,
		rejected, plural(stats.Retried, "request"), plural(stats.Damaged, "damaged line"))
}

// headers is the value of --header.
type headers struct {
	values map[string]string
}

// String does not show the values: they are credentials more often than not.
func (h *headers) String() string { return "" }
func (h *headers) Type() string   { return "NAME=VALUE" }

func (h *headers) Set(text string) error {
	name, value, ok := strings.Cut(text, "=")
	if !ok || name == "" {
		return errors.New(`want NAME=VALUE such as "authorization=Bearer TOKEN"`)
	}
	if _, ok := h.values[name]; ok {
		return fmt.Errorf("%s is there twice; say it once", visible.Excerpt(name))
	}
	if h.values == nil {
		h.values = make(map[string]string)
	}
	h.values[name] = value
	return nil
}

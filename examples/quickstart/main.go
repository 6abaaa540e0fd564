// Command quickstart shows the whole path of an audit event in one process and
// a few seconds: an agent app that is instrumented with OpenTelemetry writes an
// audit log on disk, the log is replayed to a real OpenTelemetry Collector, and
// in the collector the events join the traces of the same app.
//
//	go run -C examples ./quickstart
//
// It needs no Docker and no particular port, and writes into a temporary folder
// that it leaves for you to look at.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"go.opentelemetry.io/otel"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/bridge"
	"github.com/otelaudit/otelaudit/examples/internal/collector"
)

func main() {
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: go run -C examples ./quickstart\n\nRuns an agent app, its audit log, a replay and a collector.")
	}
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := runInTemp(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

func runInTemp(out io.Writer) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("it took more than a minute"))
	defer cancel()

	dir, err := os.MkdirTemp("", "otelaudit-quickstart-")
	if err != nil {
		return err
	}
	if err := run(ctx, out, dir); err != nil {
		return fmt.Errorf("%w\nWhat was written so far, also the collector's log, is in %s", err, dir)
	}
	return nil
}

// files are the paths in the folder of a run.
type files struct {
	audit        string // the audit log
	received     string // what the collector received
	collectorLog string
}

func filesIn(dir string) files {
	return files{
		audit:        filepath.Join(dir, "audit.jsonl"),
		received:     filepath.Join(dir, "collector-output.jsonl"),
		collectorLog: filepath.Join(dir, "collector.log"),
	}
}

// run does everything, with its files in dir, and tells of it.
func run(ctx context.Context, out io.Writer, dir string) (err error) {
	paths := filesIn(dir)
	sdk := watchSDK()
	defer func() { err = errors.Join(err, sdk.err()) }()

	col, err := collector.Start(ctx, collector.Config{Output: paths.received, Log: paths.collectorLog})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, col.Stop()) }() // does nothing after the Stop below

	if err := runApp(ctx, paths.audit, col.URL()); err != nil {
		return fmt.Errorf("run the agent: %w", err)
	}
	first, err := replay(ctx, paths.audit, col.URL())
	if err != nil {
		return err
	}
	second, err := replay(ctx, paths.audit, col.URL())
	if err != nil {
		return err
	}
	if err := col.Stop(); err != nil { // what it received is in its file now
		return err
	}

	log, err := auditlog.NewReader(paths.audit)
	if err != nil {
		return err
	}
	received, err := collector.ReadOutput(paths.received)
	if err != nil {
		return err
	}
	report := report{
		dir: dir, files: paths, collectorURL: col.URL(), first: first, second: second,
		log: log, received: received,
	}
	return report.write(ctx, out)
}

// replay sends what is new in the audit log to the collector, as the command
// otelaudit replay does.
func replay(ctx context.Context, auditPath, collectorURL string) (bridge.Stats, error) {
	b, err := bridge.New(auditPath, bridge.WithEndpoint(collectorURL))
	if err != nil {
		return bridge.Stats{}, err
	}
	stats, err := b.Run(ctx)
	if err == nil && stats.Rejected+stats.Damaged > 0 {
		err = fmt.Errorf("replay %s: %d records were rejected, see %s, and %d lines damaged, want none",
			auditPath, stats.Rejected, b.RejectFile(), stats.Damaged)
	}
	return stats, err
}

// sdkErrors are what the OpenTelemetry SDK has nobody to return to, such as
// spans that the collector did not take in the background.
type sdkErrors struct {
	mu   sync.Mutex
	errs []error
}

// watchSDK collects the errors of the SDK from now on.
func watchSDK() *sdkErrors {
	s := new(sdkErrors)
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.errs = append(s.errs, err)
	}))
	return s
}

func (s *sdkErrors) err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := errors.Join(s.errs...); err != nil {
		return fmt.Errorf("OpenTelemetry SDK: %w", err)
	}
	return nil
}

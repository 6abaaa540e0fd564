package auditlogexporter

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer/consumererror"
	collectorexporter "go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/exporter"
	"github.com/otelaudit/otelaudit/internal/otelline"
)

// auditExporter is the exporter of one configuration, for the pipelines of all
// signals that it is in. It is safe for concurrent use.
type auditExporter struct {
	cfg     *Config
	set     collectorexporter.Settings
	wants   func(event string) bool
	resends resends
	lines   atomic.Int64 // bytes of the lines of all requests, from the first MiB of each on

	mu      sync.Mutex
	started int // pipelines
	log     *auditlog.Log
	spans   *exporter.SpanProcessor // writes records too
}

// exporters has the exporter of each configuration: the collector asks for one
// per signal, and they are to report on their log once.
var exporters = registry{byConfig: make(map[*Config]*auditExporter)}

type registry struct {
	mu       sync.Mutex
	byConfig map[*Config]*auditExporter
}

func (r *registry) get(cfg *Config, set collectorexporter.Settings) *auditExporter {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.byConfig[cfg]
	if e == nil {
		e = &auditExporter{cfg: cfg, set: set, wants: cfg.Events.wants()}
		r.byConfig[cfg] = e
	}
	return e
}

func (r *registry) forget(cfg *Config) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.byConfig, cfg)
}

// start opens the log, with the first pipeline that starts.
func (e *auditExporter) start(context.Context, component.Host) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.started == 0 {
		if err := e.open(); err != nil {
			return fmt.Errorf("auditlog exporter: %w", err)
		}
	}
	e.started++
	return nil
}

func (e *auditExporter) open() error {
	path, err := cleanPath(e.cfg.Path)
	if err != nil {
		return err
	}
	log, err := logs.open(path, e.cfg.log(), e.set.Logger)
	if err != nil {
		return err
	}
	opts := []exporter.SpanProcessorOption{exporter.WithSpanNames(e.cfg.SpanNames...), exporter.WithRecentTraces(e.cfg.RecentTraces), exporter.WithMeterProvider(e.set.MeterProvider)}
	for _, opt := range e.cfg.exporter() {
		opts = append(opts, opt)
	}
	spans, err := exporter.NewSpanProcessor(log, opts...)
	if err != nil {
		return errors.Join(err, logs.close(log))
	}
	e.log, e.spans = log, spans
	e.set.Logger.Info("writing the audit log", zap.String("path", path))
	return nil
}

// shutdown syncs and closes the log, with the last pipeline that stops. The
// collector also stops what it could not start.
func (e *auditExporter) shutdown(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.started > 1 {
		e.started--
		return nil
	}
	exporters.forget(e.cfg)
	if e.started == 0 {
		return nil
	}
	e.started = 0
	if err := errors.Join(e.spans.Shutdown(ctx), logs.close(e.log)); err != nil {
		return fmt.Errorf("auditlog exporter: %w", err)
	}
	return nil
}

func (e *auditExporter) pushLogs(ctx context.Context, ld plog.Logs) error {
	content := func() ([]byte, error) { return new(plog.ProtoMarshaler).MarshalLogs(ld) }
	return e.push(ctx, glanceAtLogs(ld), content, func(b *exporter.Batch, r *room) error { return fillLogs(b, r, ld) })
}

func glanceAtLogs(ld plog.Logs) glance {
	g := glance{count: ld.LogRecordCount()}
	for _, rl := range ld.ResourceLogs().All() {
		for _, sl := range rl.ScopeLogs().All() {
			for _, r := range sl.LogRecords().All() {
				g.time, g.other, g.trace, g.span = r.Timestamp(), r.ObservedTimestamp(), r.TraceID(), r.SpanID()
				return g
			}
		}
	}
	return g
}

func fillLogs(b *exporter.Batch, room *room, ld plog.Logs) error {
	var c conversion
	b.Expect(ld.LogRecordCount())
	for _, rl := range ld.ResourceLogs().All() {
		for _, sl := range rl.ScopeLogs().All() {
			origin := c.originOf(sl.Scope(), sl.SchemaUrl(), rl.Resource(), rl.SchemaUrl())
			b.SetOrigin(&origin)
			for _, r := range sl.LogRecords().All() {
				c.readRecord(b.Record(), r)
				c.addAttributes(b.Attributes(), r.Attributes())
				b.AddRecord()
				if err := room.fits(b.Size()); err != nil {
					return err
				}
			}
		}
	}
	if err := b.AddRecords(func() error { return room.fits(b.Size()) }); err != nil {
		return err
	}
	return c.err()
}

func (e *auditExporter) pushTraces(ctx context.Context, td ptrace.Traces) error {
	content := func() ([]byte, error) { return new(ptrace.ProtoMarshaler).MarshalTraces(td) }
	return e.push(ctx, glanceAtTraces(td), content, func(b *exporter.Batch, r *room) error { return fillTraces(b, r, td) })
}

func glanceAtTraces(td ptrace.Traces) glance {
	g := glance{count: td.SpanCount()}
	for _, rs := range td.ResourceSpans().All() {
		for _, ss := range rs.ScopeSpans().All() {
			for _, s := range ss.Spans().All() {
				g.time, g.other, g.trace, g.span = s.StartTimestamp(), s.EndTimestamp(), s.TraceID(), s.SpanID()
				return g
			}
		}
	}
	return g
}

func fillTraces(b *exporter.Batch, room *room, td ptrace.Traces) error {
	var c conversion
	var attrs []attribute.KeyValue // of a span; the next one uses its memory
	events := new(spanEvents)
	each := func(do func(ptrace.Span) error) error {
		for _, rs := range td.ResourceSpans().All() {
			for _, ss := range rs.ScopeSpans().All() {
				origin := c.originOf(ss.Scope(), ss.SchemaUrl(), rs.Resource(), rs.SchemaUrl())
				b.SetOrigin(&origin)
				for _, s := range ss.Spans().All() {
					if err := do(s); err != nil {
						return err
					}
				}
			}
		}
		return nil
	}
	fits := func() error { return room.fits(b.Size()) }
	err := each(func(s ptrace.Span) error {
		attrs = attrs[:0]
		if mayNameSession(b, s) {
			attrs = c.appendAttributes(attrs, s.Attributes())
		}
		b.Announce(&otelline.Span{
			Name: s.Name(), Attributes: attrs,
			TraceID: trace.TraceID(s.TraceID()), SpanID: trace.SpanID(s.SpanID()), ParentID: trace.SpanID(s.ParentSpanID()),
		})
		return nil
	})
	if err != nil {
		return err
	}
	err = each(func(s ptrace.Span) error {
		attrs = c.appendAttributes(attrs[:0], s.Attributes())
		events.list = s.Events()
		span := spanOf(s, attrs, events)
		b.AddSpan(&span)
		return fits()
	})
	if err != nil {
		return err
	}
	if err := b.AddRecords(fits); err != nil {
		return err
	}
	return c.err()
}

// mayNameSession reports whether a span can name a session.
func mayNameSession(b *exporter.Batch, s ptrace.Span) bool {
	for key, v := range s.Attributes().All() {
		if b.MayNameSession(key) || v.Type() == pcommon.ValueTypeMap {
			return true
		}
	}
	return false
}

// push writes what fill adds. Two errors are permanent, because to send the request
// again would not help: one that fill says is, and that all is written but records
// whose line is too long. What the disk refuses today it may take tomorrow. So the
// sender is asked to send again (HTTP 503, gRPC Unavailable), and resends keeps the
// lines that are in the file from being written again. Two requests are equal if g and
// content are.
func (e *auditExporter) push(ctx context.Context, g glance, content func() ([]byte, error), fill func(*exporter.Batch, *room) error) (err error) {
	a, err := e.resends.begin(ctx, g, content)
	if err != nil {
		return fmt.Errorf("auditlog exporter: %w", err)
	}
	inFile := a.before
	defer func() { err = errors.Join(err, e.resends.end(a, inFile)) }()

	b := e.spans.NewBatch()
	defer b.Release()
	b.SetFilter(e.wants)
	if e.cfg.SessionID == "" {
		b.NameSenders()
	}
	b.Skip(inFile.lines)
	taken := room{all: &e.lines}
	defer taken.release()
	if err := fill(b, &taken); err != nil {
		e.set.Logger.Warn("refused a request", zap.Error(err))
		return err
	}
	n, err := b.Len(), e.write(ctx, b, inFile)
	long, ok := errors.AsType[*exporter.TooLongError](err)
	switch {
	case ok && long.Err == nil && ctx.Err() == nil:
		inFile = written{} // answered
		return consumererror.NewPermanent(invalid{fmt.Errorf("auditlog exporter: %w", err)})
	case err != nil:
		inFile = written{lines: inFile.lines + writtenOf(n, err)}
	case ctx.Err() != nil && inFile.lines+n > 0:
		// The sender may be gone, and then it does not learn of the success. If it
		// is not gone, the next equal request must be another one. So an error
		// goes with what is remembered.
		inFile = written{lines: inFile.lines + n, complete: true}
		err = fmt.Errorf("auditlog exporter: written, but its sender gave up: %w", context.Cause(ctx))
	default:
		inFile = written{} // answered: the next equal request is another one
	}
	return err
}

// invalid is an error of the request, which receivers of OTLP answer with HTTP 400 or
// gRPC InvalidArgument. Of a permanent error without a status they make a 500.
type invalid struct{ error }

func (e invalid) GRPCStatus() *status.Status { return status.New(codes.InvalidArgument, e.Error()) }
func (e invalid) Unwrap() error              { return e.error }

// write appends the lines of b. before is what the file holds already.
func (e *auditExporter) write(ctx context.Context, b *exporter.Batch, before written) error {
	if e.cfg.Sync.Mode != SyncAlways {
		return b.Write(ctx)
	}
	if b.Len() == 0 && before.lines > 0 && !before.complete {
		if err := e.spans.ForceFlush(ctx); err != nil {
			return err
		}
	}
	if b.Len()+b.Refused() > 0 {
		return b.WriteToDisk(ctx)
	}
	return nil // most requests of spans hold no event, and wait for nothing
}

// writtenOf returns how many of n lines are in the file after an error.
func writtenOf(n int, err error) int {
	if partly, ok := errors.AsType[*auditlog.BatchError](err); ok {
		return partly.Written
	}
	if _, ok := errors.AsType[*auditlog.SyncError](err); ok {
		return n
	}
	if long, ok := errors.AsType[*exporter.TooLongError](err); ok && long.Err == nil {
		return n
	}
	return 0
}

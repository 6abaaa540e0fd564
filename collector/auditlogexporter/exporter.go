package auditlogexporter

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"go.opentelemetry.io/collector/component"
	collectorexporter "go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/otel/attribute"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/exporter"
)

// auditExporter is the exporter of one configuration, for the pipelines of all
// signals that it is in. It is safe for concurrent use.
type auditExporter struct {
	cfg     *Config
	set     collectorexporter.Settings
	wants   func(event string) bool
	resends resends

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
	log, err := logs.open(e.cfg.Path, e.cfg.log(), e.set.Logger)
	if err != nil {
		return err
	}
	opts := []exporter.SpanProcessorOption{exporter.WithSpanNames(e.cfg.SpanNames...), exporter.WithMeterProvider(e.set.MeterProvider)}
	for _, opt := range e.cfg.exporter() {
		opts = append(opts, opt)
	}
	spans, err := exporter.NewSpanProcessor(log, opts...)
	if err != nil {
		return errors.Join(err, logs.close(log))
	}
	e.log, e.spans = log, spans
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
	return e.push(ctx, func() ([]byte, error) { return new(plog.ProtoMarshaler).MarshalLogs(ld) }, func(b *exporter.Batch) { fillLogs(b, ld) })
}

func fillLogs(b *exporter.Batch, ld plog.Logs) {
	b.Expect(ld.LogRecordCount())
	for _, rl := range ld.ResourceLogs().All() {
		for _, sl := range rl.ScopeLogs().All() {
			origin := originOf(sl.Scope(), sl.SchemaUrl(), rl.Resource(), rl.SchemaUrl())
			b.SetOrigin(&origin)
			for _, r := range sl.LogRecords().All() {
				readRecord(b.Record(), r)
				addAttributes(b.Attributes(), r.Attributes())
				b.AddRecord()
			}
		}
	}
}

func (e *auditExporter) pushTraces(ctx context.Context, td ptrace.Traces) error {
	return e.push(ctx, func() ([]byte, error) { return new(ptrace.ProtoMarshaler).MarshalTraces(td) }, func(b *exporter.Batch) { fillTraces(b, td) })
}

func fillTraces(b *exporter.Batch, td ptrace.Traces) {
	var attrs []attribute.KeyValue // of a span; the next one uses its memory
	for _, rs := range td.ResourceSpans().All() {
		for _, ss := range rs.ScopeSpans().All() {
			origin := originOf(ss.Scope(), ss.SchemaUrl(), rs.Resource(), rs.SchemaUrl())
			b.SetOrigin(&origin)
			for _, s := range ss.Spans().All() {
				attrs = appendMembers(attrs[:0], s.Attributes(), 1)
				span := spanOf(s, attrs)
				b.AddSpan(&span)
			}
		}
	}
}

// push writes what fill adds. No error of it is permanent: nothing in a request
// makes it unwritable, and what the disk refuses today it may take tomorrow. So
// the sender is asked to send again (HTTP 503, gRPC Unavailable), and what is in
// the file already is left out then: content, the whole request, is what it is
// recognised by.
func (e *auditExporter) push(ctx context.Context, content func() ([]byte, error), fill func(*exporter.Batch)) error {
	before, err := e.resends.take(content)
	if err != nil {
		return fmt.Errorf("auditlog exporter: %w", err)
	}
	b := e.spans.NewBatch()
	defer b.Release()
	b.SetFilter(e.wants)
	b.Skip(before)
	fill(b)
	in, err := b.Len(), e.write(ctx, b, before)
	if err != nil {
		in = writtenOf(b.Len(), err)
	} else if ctx.Err() != nil && before+in > 0 {
		// The sender is no longer there to learn that there is no error, and may
		// send this again. Who is told that there is none must not find the next
		// request that is the same taken for this one.
		err = fmt.Errorf("auditlog exporter: written, but its sender gave up: %w", context.Cause(ctx))
	}
	if err == nil {
		return nil
	}
	return errors.Join(err, e.resends.remember(content, before+in))
}

// write appends the lines of b. before are in the file already, though perhaps
// not on disk.
func (e *auditExporter) write(ctx context.Context, b *exporter.Batch, before int) error {
	switch {
	case e.cfg.Sync.Mode != SyncAlways:
		return b.Write(ctx)
	case b.Len() > 0:
		return b.WriteToDisk(ctx)
	case before > 0:
		return e.spans.ForceFlush(ctx)
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
	return 0
}

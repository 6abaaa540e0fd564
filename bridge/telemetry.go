package bridge

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/otelaudit/otelaudit/internal/history"
	"github.com/otelaudit/otelaudit/internal/scan"
)

const (
	meterName = "github.com/otelaudit/otelaudit/bridge"
	// componentType is otel.component.type: for components that are not of the
	// SDK the semantic conventions ask for the name of the type.
	componentType = "github.com/otelaudit/otelaudit/bridge.Bridge"
)

// WithMeterProvider has Run report metrics of itself to provider:
//
//   - otelaudit.replay.sent, otelaudit.replay.rejected (records) and
//     otelaudit.replay.damaged (lines), which count what [Stats] does, when it is
//     behind the checkpoint;
//   - otelaudit.replay.retried (requests);
//   - otelaudit.replay.lag.size, how many bytes of uncompressed lines are not
//     settled yet, and otelaudit.replay.lag.time, how many seconds ago the oldest
//     event of them was appended, 0 if there is none. Both are looked up in the files
//     when metrics are collected, also while the collector is away.
//
// Default: none.
func WithMeterProvider(provider metric.MeterProvider) Option {
	return optionFunc(func(c config) config {
		c.meters = provider
		return c
	})
}

var components atomic.Int64

// telemetry reports what a run does. A nil one reports nothing.
type telemetry struct {
	sent, rejected, damaged, retried metric.Int64Counter

	set    metric.MeasurementOption
	place  atomic.Pointer[place] // what is settled
	before Stats                 // what was reported
	stop   func() error
}

func (b *Bridge) newTelemetry() (*telemetry, error) {
	if b.cfg.meters == nil || b.cfg.dryRun {
		return nil, nil
	}
	t := &telemetry{set: metric.WithAttributeSet(attribute.NewSet(
		semconv.OTelComponentName(fmt.Sprintf("%s/%d", componentType, components.Add(1)-1)),
		semconv.OTelComponentTypeKey.String(componentType),
	))}
	meter := b.cfg.meters.Meter(meterName, metric.WithSchemaURL(semconv.SchemaURL))
	var errs []error
	counter := func(name, unit, description string) metric.Int64Counter {
		c, err := meter.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(description))
		errs = append(errs, err)
		return c
	}
	t.sent = counter("otelaudit.replay.sent", "{record}", "Records that the collector accepted.")
	t.rejected = counter("otelaudit.replay.rejected", "{record}", "Records that the collector refused for good.")
	t.damaged = counter("otelaudit.replay.damaged", "{line}", "Lines that were skipped because they are no event.")
	t.retried = counter("otelaudit.replay.retried", "{request}", "Requests that were sent again.")
	size, err := meter.Int64ObservableGauge("otelaudit.replay.lag.size", metric.WithUnit("By"),
		metric.WithDescription("Uncompressed lines that are not settled yet."))
	errs = append(errs, err)
	age, err := meter.Float64ObservableGauge("otelaudit.replay.lag.time", metric.WithUnit("s"),
		metric.WithDescription("Age of the oldest event that is not settled yet."))
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, fmt.Errorf("make metrics: %w", err)
	}
	registration, err := meter.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
		p := t.place.Load()
		if p == nil {
			return nil // it has not begun
		}
		l, err := b.lag(ctx, *p)
		if err != nil {
			return fmt.Errorf("bridge: measure the lag: %w", err)
		}
		o.ObserveInt64(size, l.bytes, t.set)
		o.ObserveFloat64(age, l.age.Seconds(), t.set)
		return nil
	}, size, age)
	if err != nil {
		return nil, fmt.Errorf("make metrics: %w", err)
	}
	t.stop = registration.Unregister
	return t, nil
}

// settled reports what is settled up to p.
func (t *telemetry) settled(p place, now Stats) {
	if t == nil {
		return
	}
	t.place.Store(&p)
	ctx := context.Background() // metrics are not traced here
	for _, c := range []struct {
		counter     metric.Int64Counter
		now, before int64
	}{
		{t.sent, now.Sent, t.before.Sent},
		{t.rejected, now.Rejected, t.before.Rejected},
		{t.damaged, now.Damaged, t.before.Damaged},
	} {
		if c.now > c.before {
			c.counter.Add(ctx, c.now-c.before, t.set)
		}
	}
	t.before = now
}

// again reports a request that is sent again. Workers call it.
func (t *telemetry) again() {
	if t != nil {
		t.retried.Add(context.Background(), 1, t.set)
	}
}

func (t *telemetry) close() error {
	if t == nil {
		return nil
	}
	if err := t.stop(); err != nil {
		return fmt.Errorf("stop metrics: %w", err)
	}
	return nil
}

// lag is what is not settled yet.
type lag struct {
	bytes int64
	age   time.Duration // of the oldest event
}

// lag looks up what is behind p. The file of p is known by its beginning, the
// newest one first; its name may have changed since.
func (b *Bridge) lag(ctx context.Context, p place) (l lag, err error) {
	snapshot, err := b.log.Snapshot(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return lag{}, nil
	}
	if err != nil {
		return lag{}, err
	}
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	files := snapshot.Files()
	first, from := 0, scan.Cursor{}
	if id := (&fileID{Head: history.SpanOf(0, p.origin.head)}); len(p.origin.head) > 0 {
		for i, f := range slices.Backward(files) {
			is, err := id.mark().IsIn(ctx, f)
			// A damaged archive is not the one.
			if _, unreadable := errors.AsType[*fs.PathError](err); unreadable && !errors.Is(err, fs.ErrNotExist) {
				return lag{}, err
			}
			if is {
				first, from = i, p.at
				break
			}
		}
	}
	for _, f := range files[first:] {
		if size, ok := b.contentSize(f.Path); ok {
			l.bytes += size
		}
	}
	l.bytes = max(0, l.bytes-from.Offset)
	l.age, err = ageOf(ctx, files[first:], from)
	return l, err
}

// ageOf returns how long ago the first event behind from, in the first of
// files, was appended; 0 if there is none.
func ageOf(ctx context.Context, files []*scan.File, from scan.Cursor) (time.Duration, error) {
	for _, f := range files {
		for entry, err := range f.Lines(ctx, from, func(*scan.DamageError) {}) {
			if errors.Is(err, fs.ErrNotExist) {
				break // it was removed just now
			}
			if err != nil {
				return 0, err
			}
			if at, ok := entry.Time(); ok && entry.Terminated {
				return max(0, time.Since(at)), nil
			}
		}
		from = scan.Cursor{}
	}
	return 0, nil
}

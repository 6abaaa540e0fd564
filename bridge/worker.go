package bridge

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otelaudit/otelaudit/internal/otelline"
)

// worker turns batches into requests, one batch at a time, and sends them until
// there is a verdict on each line. A run has as many as requests may be in
// flight.
type worker struct {
	*Bridge
	gate    *gate
	sending context.Context // of requests: it outlives that of the run by a moment

	decoder *otelline.Decoder
	records []sdklog.Record // of the items of the batch
}

func (w *worker) work(ctx context.Context, batches <-chan *batch) {
	for b := range batches {
		w.decode(b)
		if !w.cfg.dryRun {
			b.err = w.deliver(ctx, b)
		}
		b.done <- struct{}{}
	}
}

func (w *worker) decode(b *batch) {
	w.records = w.records[:0]
	for i := 0; i < len(b.items); {
		it := b.items[i]
		record, err := w.decoder.Decode(b.raw(it), it.offset)
		if err != nil {
			b.damaged(i, err.Error())
			continue
		}
		w.records = append(w.records, record)
		i++
	}
}

// deliver sends b. An error is that of ctx; b.parts says how far it got.
func (w *worker) deliver(ctx context.Context, b *batch) error {
	for from := 0; from < len(b.items); {
		to := w.sameSchemas(from)
		if goOn, err := w.deliverRange(ctx, b, from, to); err != nil || !goOn {
			return err
		}
		from = to
	}
	return nil
}

// deliverRange reports whether there is any use in going on.
func (w *worker) deliverRange(ctx context.Context, b *batch, from, to int) (goOn bool, err error) {
	v, err := w.send(ctx, b, from, to)
	if err != nil {
		return false, err
	}
	if v.action == actBisect && to-from > 1 {
		half := from + (to-from)/2
		if goOn, err := w.deliverRange(ctx, b, from, half); err != nil || !goOn {
			return goOn, err
		}
		return w.deliverRange(ctx, b, half, to)
	}
	b.parts = append(b.parts, part{from, to, v})
	return v.action != actStop, nil
}

// send sends the items of a range, again and again while the verdict is to
// retry. It returns an error only when ctx ends; a request that is under way
// then is let come to its end, as long as w.sending allows.
func (w *worker) send(ctx context.Context, b *batch, from, to int) (v verdict, err error) {
	wait := backoff.ExponentialBackOff{
		InitialInterval:     w.cfg.initial,
		RandomizationFactor: backoff.DefaultRandomizationFactor,
		Multiplier:          backoff.DefaultMultiplier,
		MaxInterval:         w.cfg.maximum,
	}
	wait.Reset()
	var (
		alone bool
		due   time.Time // of the next try
	)
	defer func() {
		if alone {
			w.gate.leave()
		}
	}()
	for tries := 0; ; tries++ {
		if !alone {
			alone, err = w.gate.enter(ctx)
		}
		if err == nil {
			err = sleepUntil(ctx, w.gate.earliest(due))
		}
		if err != nil {
			err = fmt.Errorf("send %d records to %s: %w", to-from, w.sender.url, err)
			if v.reason != "" {
				err = fmt.Errorf("%w; the last try failed: %s", err, v.reason)
			}
			return v, err
		}
		if tries > 0 {
			b.retried++
		}
		v = w.sender.send(w.sending, w.records[from:to], w.gate.hasAnswered())
		if v.status == 0 && w.sending.Err() != nil {
			return v, fmt.Errorf("send %d records to %s: %w", to-from, w.sender.url, ctx.Err())
		}
		shut := w.gate.note(v)
		if v.action != actRetry {
			if alone && tries > 0 {
				w.cfg.logger.Info("collector answers again", slog.String("endpoint", w.sender.url))
			}
			return v, nil
		}
		delay := max(wait.NextBackOff(), v.retryAfter)
		due = time.Now().Add(delay)
		if alone || shut {
			w.cfg.logger.Warn("collector did not take a batch; it is sent again",
				slog.String("endpoint", w.sender.url), slog.Int("status", v.status),
				slog.String("reason", v.reason), slog.Duration("wait", delay))
		}
	}
}

// sleepUntil waits for t. It returns the error of ctx if that ends before, or
// has ended.
func sleepUntil(ctx context.Context, t time.Time) error {
	d := time.Until(t)
	if t.IsZero() || d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sameSchemas returns the end of the items from that one on whose resources, if
// they are equal, have the same schema URL: otlploghttp merges resources that
// are equal in attributes, and the first one's would become that of all.
func (w *worker) sameSchemas(from int) (to int) {
	schemas := map[any]string{}
	for to = from; to < len(w.records); to++ {
		resource := w.records[to].Resource()
		url, ok := schemas[resource.Equivalent()]
		if ok && url != resource.SchemaURL() {
			break
		}
		schemas[resource.Equivalent()] = resource.SchemaURL()
	}
	return to
}

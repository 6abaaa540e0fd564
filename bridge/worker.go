package bridge

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/otelaudit/otelaudit/internal/otlpwire"
)

// worker turns batches into requests, one batch at a time, and sends them until
// there is a verdict on each line. A run has as many as requests may be in
// flight.
type worker struct {
	*Bridge
	gate      *gate
	echo      *echo
	telemetry *telemetry
	sending   context.Context // of requests: it outlives that of the run by a moment

	encoder *otlpwire.Encoder
	body    []byte // of the request
	zip     packer
}

func (w *worker) work(ctx context.Context, batches <-chan *batch) {
	for b := range batches {
		w.encode(b)
		if !w.cfg.dryRun {
			b.err = w.deliver(ctx, b)
		}
		w.letGo()
		b.done <- struct{}{}
	}
}

// maxKeptBody bounds the memory for requests that a worker keeps, in bytes.
const maxKeptBody = 4 * maxBatchBytes

// letGo frees what a batch of one huge line needed: the next one may be long in
// coming.
func (w *worker) letGo() {
	w.encoder.Reset()
	if cap(w.body) > maxKeptBody {
		w.body = nil
	}
	w.zip.letGo()
}

func (w *worker) encode(b *batch) {
	if w.cfg.fileAttributes {
		w.encoder.SetExtra(semconv.LogFilePath(b.origin.path), semconv.LogFileName(b.origin.name()))
	}
	for i := 0; i < len(b.items); {
		if err := w.encoder.Add(b.raw(b.items[i]), b.items[i].offset); err != nil {
			b.damaged(i, err.Error())
			continue
		}
		i++
	}
}

// deliver sends b, each event alone until one was accepted that did not come back
// to the log. An error is that of ctx or of the echo; b.parts says how far it got.
func (w *worker) deliver(ctx context.Context, b *batch) error {
	from := 0
	for ; from < len(b.items) && !w.echo.excluded(); from++ {
		if goOn, err := w.deliverRange(ctx, b, from, from+1); err != nil || !goOn {
			return err
		}
		if v := b.parts[len(b.parts)-1].verdict; v.action != actAccept && (v.action != actPartial || v.rejected > 0) {
			continue
		}
		if err := w.echo.check(b, b.items[from]); err != nil {
			return err
		}
	}
	if from == len(b.items) {
		return nil
	}
	_, err := w.deliverRange(ctx, b, from, len(b.items))
	return err
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
// retry. It returns an error only when ctx ends. Then there is no other try, but
// the first one is made, as long as w.sending allows: what is behind this batch
// in the window may have been accepted, and would come again.
func (w *worker) send(ctx context.Context, b *batch, from, to int) (v verdict, err error) {
	wait := backoff.ExponentialBackOff{
		InitialInterval:     w.cfg.initial,
		RandomizationFactor: backoff.DefaultRandomizationFactor,
		Multiplier:          backoff.DefaultMultiplier,
		MaxInterval:         w.cfg.maximum,
	}
	wait.Reset()
	id, err := w.echo.logID()
	if err != nil {
		return v, err
	}
	body, refused := w.request(from, to)
	if refused != nil {
		return judge(&exchange{refused: refused}, false), nil
	}
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
		if err == nil && tries > 0 {
			err = ctx.Err()
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
			w.telemetry.again()
		}
		v = judge(w.sender.send(w.sending, body, id), w.gate.hasAnswered())
		if v.status == 0 && w.sending.Err() != nil {
			return v, fmt.Errorf("send %d records to %s: %w", to-from, w.sender.url, cmp.Or(ctx.Err(), w.sending.Err()))
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
			attrs := []any{slog.String("endpoint", w.sender.url)}
			if v.status != 0 { // 0: there was no answer
				attrs = append(attrs, slog.Int("status", v.status))
			}
			w.cfg.logger.Warn("collector did not take a batch; it is sent again",
				append(attrs, slog.String("reason", v.reason), slog.Duration("wait", delay))...)
		}
	}
}

// request returns the body of the request with a range of items, or why the
// exporter would not send it. It is valid until the next call.
func (w *worker) request(from, to int) (body []byte, refused error) {
	w.body = w.encoder.AppendRequest(w.body[:0], from, to)
	if err := w.sender.fits(len(w.body)); err != nil {
		return nil, err
	}
	if !w.sender.gzip {
		return w.body, nil
	}
	return w.zip.pack(w.body)
}

// sleepUntil waits for t. It returns the error of ctx if that ends before.
func sleepUntil(ctx context.Context, t time.Time) error {
	d := time.Until(t)
	if t.IsZero() || d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

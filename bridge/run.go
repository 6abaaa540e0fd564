package bridge

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/otelaudit/otelaudit/internal/history"
	"github.com/otelaudit/otelaudit/internal/otelline"
	"github.com/otelaudit/otelaudit/internal/otlpwire"
	"github.com/otelaudit/otelaudit/internal/scan"
)

// run is the state of one Run. Its goroutine owns it: it takes batches from the
// reader, gives them to workers, and settles them in the order in which they
// were read.
type run struct {
	*Bridge
	stats    Stats
	progress Progress
	rejects  rejectFile
	refusal  verdict
	refusals int  // records in a row that met refusal, until one is accepted
	unusual  bool // a 2xx but 200 was reported

	telemetry *telemetry

	place place // what is settled
	saved place // what the checkpoint on disk says
}

const (
	// maxWindowBytes bounds the line bytes of all batches in flight. It is
	// exceeded by one batch, or one line.
	maxWindowBytes = 4 << 20
	// saveDelay is how long what is settled may wait for the checkpoint.
	saveDelay = 50 * time.Millisecond
	// drainTime is how long requests that are under way may take once the
	// context of Run has ended.
	drainTime = 5 * time.Second
)

func (r *run) run(ctx context.Context) (err error) {
	if r.cfg.follow {
		if err := r.awaitFolder(ctx); err != nil {
			return r.unlessEnded(ctx, err)
		}
	}
	if !r.cfg.dryRun {
		if err := r.checkApart(ctx); err != nil {
			return r.unlessEnded(ctx, err)
		}
		lock, lockErr := r.lock()
		if lockErr != nil {
			return lockErr
		}
		defer func() { err = errors.Join(err, lock.Close()) }()
		defer func() { err = errors.Join(err, r.rejects.close()) }()
		defer r.sender.close()
	}
	var cp *checkpoint
	if !r.cfg.fromStart {
		if cp, err = loadCheckpoint(r.beside, r.checkpoint, r.sender.url); err != nil {
			return err
		}
		if cp == nil {
			if err := r.tellNewEndpoint(); err != nil {
				return err
			}
		}
	}
	if !r.cfg.dryRun {
		if err := errors.Join(trySave(r.beside, r.checkpoint), r.rejects.check(r.path)); err != nil {
			return err
		}
	}
	echo, err := r.newEcho()
	if err != nil {
		return err
	}
	batches, free := make(chan *batch), make(chan *batch, r.cfg.inFlight+1)
	source := &reader{Bridge: r.Bridge, out: batches, free: free}
	defer func() { err = errors.Join(err, source.close()) }()
	if err := source.begin(ctx, cp); err != nil {
		return r.unlessEnded(ctx, err)
	}
	r.stats.Restarted, source.restarted = source.restarted, false
	r.place, r.saved = source.place, source.place
	r.startProgress(source.files[source.file:])
	if r.telemetry, err = r.newTelemetry(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.telemetry.close()) }()
	r.telemetry.settled(r.place, r.stats)

	// Whatever ends the run ends the reader and the workers before run returns.
	reading, stop := context.WithCancelCause(ctx)
	sending, cut := context.WithCancel(context.WithoutCancel(ctx))
	stopDraining := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(drainTime)
		defer timer.Stop()
		select {
		case <-timer.C:
			cut()
		case <-sending.Done():
		}
	})
	var (
		wait    sync.WaitGroup
		readErr error
		work    = make(chan *batch, r.cfg.inFlight)
		gate    = newGate()
	)
	wait.Go(func() { readErr = source.read(reading) })
	for range r.cfg.inFlight {
		w := &worker{
			Bridge: r.Bridge, gate: gate, echo: echo, telemetry: r.telemetry, sending: sending,
			encoder: otlpwire.NewEncoder(otelline.DecoderConfig{ServiceName: r.cfg.serviceName, Derived: r.cfg.derivedFields}),
		}
		wait.Go(func() { w.work(reading, work) })
	}
	err = r.settleAll(ctx, echo, batches, work, free)
	stopDraining()
	stop(err)
	cut()
	close(work)
	wait.Wait()
	if err == nil { // else the reader ended because the run did
		err = r.unlessEnded(ctx, readErr)
	}
	return err
}

// unlessEnded drops an error that says no more than that ctx has ended, if that
// is how the run ends: to follow a log has no other end.
func (r *run) unlessEnded(ctx context.Context, err error) error {
	if r.cfg.follow && ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx))) {
		return nil
	}
	return err
}

// settleAll settles batches in order until there are no more. Up to inFlight
// of them are at the workers, or were accepted while the checkpoint on disk is
// not behind them yet: so many a kill makes the next run send again, and no more.
//
// To save is two fsyncs, so half a window shares one, unless there is nothing to
// wait for.
func (r *run) settleAll(ctx context.Context, echo *echo, batches <-chan *batch, work chan<- *batch, free chan<- *batch) error {
	var (
		window  []*batch
		settled int // of window: those at its beginning
		bytes   int
		limit   = 1 // until an event shows that somebody else takes them
		due     = time.NewTimer(saveDelay)
	)
	defer due.Stop()
	for batches != nil || len(window) > 0 {
		next := batches
		if len(window) == limit || bytes >= maxWindowBytes {
			next = nil
		}
		var oldest chan struct{}
		if settled < len(window) {
			oldest = window[settled].done
		}
		var overdue <-chan time.Time
		if settled > 0 {
			overdue = due.C
		}
		select {
		case b, ok := <-next:
			if !ok {
				batches = nil
				continue
			}
			window = append(window, b)
			bytes += len(b.text)
			work <- b
			continue
		case <-oldest:
			if settled == 0 {
				due.Reset(saveDelay)
			}
			if err := r.settle(window[settled]); err != nil {
				return errors.Join(r.unlessEnded(ctx, err), r.save())
			}
			settled++
			if settled < len(window) && 2*settled < limit && bytes < maxWindowBytes {
				continue
			}
		case <-overdue:
		}
		if err := r.save(); err != nil {
			return err
		}
		for _, b := range window[:settled] {
			bytes -= len(b.text)
			b.reset()
			select {
			case free <- b:
			default:
			}
		}
		window, settled = append(window[:0], window[settled:]...), 0
		if r.cfg.dryRun || echo.excluded() {
			limit = r.cfg.inFlight
		}
	}
	return nil
}

// settle does what the verdicts on b ask for, and moves the place behind what
// is dealt with.
func (r *run) settle(b *batch) error {
	r.stats.Read += int64(len(b.items))
	r.stats.Retried += b.retried
	r.stats.Gone += b.gone
	r.stats.Restarted = r.stats.Restarted || b.restarted
	damage, passed := b.damage, b.start
	for _, p := range b.parts {
		if err := r.settlePart(b, p); err != nil {
			return err
		}
		last := b.items[p.to-1]
		for len(damage) > 0 && damage[0].Line < last.number {
			if err := r.damaged(damage[0]); err != nil {
				return err
			}
			damage = damage[1:]
		}
		r.place = place{b.origin, last.behind, history.SpanOf(last.offset, b.raw(last))}
		r.pass(int64(p.to-p.from), last.behind.Offset-passed.Offset)
		passed = last.behind
	}
	if b.err != nil {
		return b.err
	}
	for _, d := range damage {
		if err := r.damaged(d); err != nil {
			return err
		}
	}
	// What follows the last event is damaged. It needs no second report.
	r.place = place{b.origin, b.behind, b.tail}
	n := 0
	if r.cfg.dryRun {
		n = len(b.items)
	}
	r.pass(int64(n), b.behind.Offset-passed.Offset)
	r.stats.Unfinished = b.unfinished
	return nil
}

// damaged counts a line that is not sent. One that is too long may be an event: it
// is rejected, and its place is in the reject file.
func (r *run) damaged(d *scan.DamageError) error {
	attrs := []any{
		slog.String("file", d.File), slog.Int64("line", d.Line),
		slog.Int64("offset", d.Offset), slog.String("reason", d.Reason),
	}
	if !d.TooLong() || r.cfg.dryRun {
		r.stats.Damaged++
		r.cfg.logger.Warn("damaged line skipped", attrs...)
		return nil
	}
	if err := r.rejects.tooLong(d); err != nil {
		return err
	}
	r.stats.Rejected++
	r.cfg.logger.Warn("line is too long to be sent; its place is in the reject file",
		append(attrs, slog.Int64("length", d.Length), slog.String("reject_file", r.rejectFile))...)
	return nil
}

func (r *run) settlePart(b *batch, p part) error {
	first, v := b.items[p.from], p.verdict
	attrs := []any{
		slog.String("file", b.origin.name()), slog.Int64("line", first.number), slog.Int64("offset", first.offset),
		slog.Int("records", p.to-p.from), slog.Int("status", v.status), slog.String("reason", v.reason),
	}
	n := int64(p.to - p.from)
	switch v.action {
	case actAccept:
		if v.status != http.StatusOK && !r.unusual {
			r.unusual = true
			r.cfg.logger.Warn("collector accepts with a status that is not the 200 of OTLP; that is taken for acceptance", attrs...)
		}
		if v.reason != "" {
			r.cfg.logger.Warn("collector accepted a batch with a remark", attrs...)
		}
		r.stats.Sent += n
	case actPartial:
		// Which ones is not said, and most were accepted: to send them again
		// would double those.
		v.rejected = min(v.rejected, n)
		if err := r.rejects.partial(b, p, v); err != nil {
			return err
		}
		r.stats.Rejected += v.rejected
		r.stats.Unnamed += v.rejected
		r.stats.Sent += n - v.rejected
		r.cfg.logger.Warn("collector rejected a part of a batch and does not say which; the range is in the reject file", append(attrs, slog.Int64("rejected", v.rejected))...)
	case actBisect: // down to one record
		if err := r.rejects.record(b, first, v); err != nil {
			return err
		}
		r.stats.Rejected++
		r.cfg.logger.Warn("collector refused a record; it is in the reject file", append(attrs, slog.String("reject_file", r.rejectFile))...)
		r.countRefusal(v)
	default:
		return &StopError{URL: r.sender.url, Status: v.status, Reason: v.reason, Hint: v.hint, Err: v.err}
	}
	return nil
}

// manyRefusals is how many records must be refused in the same words, and none
// accepted, for the endpoint to be suspected rather than the records.
const manyRefusals = 50

// countRefusal says once when the endpoint seems to refuse whatever it gets. The
// run goes on: each record is in the reject file.
func (r *run) countRefusal(v verdict) {
	if r.stats.Sent > 0 {
		return
	}
	if v.status != r.refusal.status || v.reason != r.refusal.reason {
		r.refusal, r.refusals = v, 0
	}
	r.refusals++
	if r.refusals == manyRefusals {
		r.cfg.logger.Warn("the endpoint refuses everything; WithFromStart sends it again once that is mended",
			slog.String("endpoint", r.sender.url), slog.Int("refused", r.refusals),
			slog.Int("status", v.status), slog.String("reason", v.reason))
	}
}

// pass counts records and bytes as dealt with.
func (r *run) pass(records, bytes int64) {
	if records == 0 && bytes == 0 {
		return
	}
	r.progress.Records += records
	r.progress.Bytes += bytes
	r.report()
}

// save moves the checkpoint on disk to the present place, once the reject file
// is there too.
func (r *run) save() error {
	if r.cfg.dryRun || r.place.at.Offset == 0 || r.place.at == r.saved.at && r.place.origin == r.saved.origin {
		return nil
	}
	if err := r.rejects.sync(); err != nil {
		return err
	}
	if err := saveCheckpoint(r.beside, r.checkpoint, r.place.checkpoint(r.sender.url)); err != nil {
		return err
	}
	r.saved = r.place
	r.telemetry.settled(r.place, r.stats)
	return nil
}

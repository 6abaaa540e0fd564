package bridge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/internal/otelline"
)

// run is the state of one Run. One goroutine owns it.
type run struct {
	*Bridge
	stats    Stats
	progress Progress
	decoder  *otelline.Decoder
	rejects  rejectFile
	answered bool // the endpoint answered in this run
	refusal  verdict
	refusals int // records in a row that met refusal, until one is accepted

	files []*auditlog.File
	place place // what is passed, in files
}

// place is where the next line to send begins, and what the checkpoint says
// about the content before it.
type place struct {
	file     int // index in run.files
	at       auditlog.Cursor
	saved    auditlog.Cursor // of the checkpoint, if it is in this file
	tail     span            // the last line passed
	head     []byte          // the file's first bytes, headSize if it has that many
	previous *fileID         // the file before it, once it was looked at
}

func (r *run) run(ctx context.Context) (err error) {
	if !r.cfg.dryRun {
		lock, lockErr := r.lock()
		if lockErr != nil {
			return lockErr
		}
		defer func() { err = errors.Join(err, lock.Unlock()) }()
		defer func() { err = errors.Join(err, r.rejects.close()) }()
		defer r.sender.close()
	}
	var cp *checkpoint
	if !r.cfg.fromStart {
		if cp, err = loadCheckpoint(r.checkpoint, r.sender.url); err != nil {
			return err
		}
		if cp == nil {
			if err := r.tellNewEndpoint(); err != nil {
				return err
			}
		}
	}
	snapshot, err := r.reader.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	r.files = snapshot.Files()
	r.decoder = otelline.NewDecoder(otelline.DecoderConfig{ServiceName: r.cfg.serviceName})
	if err := r.resume(ctx, cp); err != nil {
		return err
	}
	r.startProgress()
	for r.place.file < len(r.files) {
		if err := r.replayFile(ctx, r.files[r.place.file]); err != nil {
			return err
		}
		r.place = place{file: r.place.file + 1}
	}
	return nil
}

// reasonTorn begins the reason that auditlog gives for a last line without a
// line feed that is not whole JSON.
const reasonTorn = "torn line"

// replayFile sends what is left of one file. A batch never spans two files, so
// that a position in one file says all.
func (r *run) replayFile(ctx context.Context, file *auditlog.File) error {
	var (
		b      = batch{maxRecords: r.cfg.batchSize, maxBytes: maxBatchBytes}
		behind = r.place.at // what is passed once b is accepted
		ends   lineEnds
	)
	flush := func() error {
		if err := r.deliver(ctx, b.items); err != nil {
			return err
		}
		b.reset()
		return nil
	}
	onDamage := func(d *auditlog.DamageError) {
		if file.Active() && strings.HasPrefix(d.Reason, reasonTorn) {
			r.stats.Unfinished = true // perhaps still being written
			return
		}
		r.damaged(d)
		// Before the line ending, if it has one: from there on the line reads
		// as a blank one with the same number.
		behind = auditlog.Cursor{Offset: d.Offset + d.Length, Line: d.Line - 1}
	}
	for entry, err := range file.Lines(ctx, r.place.at, onDamage) {
		if err != nil {
			return err
		}
		if file.Active() && !entry.Terminated {
			r.stats.Unfinished = true
			break
		}
		behind = ends.behind(entry)
		record, err := r.decoder.Decode(slices.Clip(entry.Raw), entry.Offset)
		if err != nil {
			r.damaged(&auditlog.DamageError{
				File: entry.File, Line: entry.Line, Offset: entry.Offset,
				Length: int64(len(entry.Raw)), Reason: err.Error(),
			})
			continue
		}
		r.stats.Read++
		if r.cfg.dryRun {
			r.pass(1, behind)
			continue
		}
		if !b.takes(record, len(entry.Raw)) {
			if err := flush(); err != nil {
				return err
			}
		}
		b.add(item{
			record: record, raw: bytes.Clone(entry.Raw),
			offset: entry.Offset, line: entry.Line, behind: behind,
		})
	}
	if err := flush(); err != nil {
		return err
	}
	// What follows the last event is damaged. It needs no second report.
	r.pass(0, behind)
	return r.save()
}

// lineEnds finds out where lines end: an entry does not tell whether its line
// ends in LF or in CRLF, but the distance to the next line does.
type lineEnds struct {
	line   int64 // of the entry before
	end    int64 // of its text
	ending int64 // bytes of a line ending, 0: not known yet
}

// behind returns the place behind the line of e. A line feed is assumed until
// two adjacent lines were seen; if that is wrong, the place is between CR and
// LF and the next line is the same.
func (l *lineEnds) behind(e auditlog.Entry) auditlog.Cursor {
	if l.line > 0 && e.Line == l.line+1 {
		l.ending = e.Offset - l.end
	}
	l.line, l.end = e.Line, e.Offset+int64(len(e.Raw))
	if !e.Terminated {
		return auditlog.Cursor{Offset: l.end, Line: e.Line}
	}
	return auditlog.Cursor{Offset: l.end + max(l.ending, 1), Line: e.Line}
}

func (r *run) damaged(d *auditlog.DamageError) {
	r.stats.Damaged++
	r.cfg.logger.Warn("damaged line skipped",
		slog.String("file", d.File), slog.Int64("line", d.Line),
		slog.Int64("offset", d.Offset), slog.String("reason", d.Reason))
}

// deliver sends items until each of them is accepted or set aside, and moves
// the checkpoint behind them. With an error it has moved behind those
// that were.
func (r *run) deliver(ctx context.Context, items []item) error {
	if len(items) == 0 {
		return nil
	}
	v, err := r.send(ctx, items)
	if err != nil {
		return err
	}
	file := filepath.Base(r.files[r.place.file].Path())
	attrs := []any{
		slog.String("file", file), slog.Int64("line", items[0].line), slog.Int64("offset", items[0].offset),
		slog.Int("records", len(items)), slog.Int("status", v.status), slog.String("reason", v.reason),
	}
	n := int64(len(items))
	switch v.action {
	case actAccept:
		if v.reason != "" {
			r.cfg.logger.Warn("collector accepted a batch with a remark", attrs...)
		}
		r.stats.Sent += n
	case actPartial:
		// Which ones is not said, and most were accepted: to send them again
		// would double those.
		v.rejected = min(v.rejected, n)
		if err := r.rejects.partial(file, items, v); err != nil {
			return err
		}
		r.stats.Rejected += v.rejected
		r.stats.Unnamed += v.rejected
		r.stats.Sent += n - v.rejected
		r.cfg.logger.Warn("collector rejected a part of a batch and does not say which; the range is in the reject file", append(attrs, slog.Int64("rejected", v.rejected))...)
	case actBisect:
		if len(items) > 1 {
			half := len(items) / 2
			if err := r.deliver(ctx, items[:half]); err != nil {
				return err
			}
			return r.deliver(ctx, items[half:])
		}
		if err := r.rejects.record(file, items[0], v); err != nil {
			return err
		}
		r.stats.Rejected++
		r.cfg.logger.Warn("collector refused a record; it is in the reject file", append(attrs, slog.String("reject_file", r.rejectFile))...)
		r.countRefusal(v)
	default:
		return &StopError{URL: r.sender.url, Status: v.status, Reason: v.reason, Hint: v.hint, Err: v.err}
	}
	last := items[len(items)-1]
	r.place.tail = spanOf(last.offset, last.raw)
	r.pass(n, last.behind)
	return r.save()
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

// send sends items, again and again while the verdict is to retry. It returns an
// error only when ctx ends.
func (r *run) send(ctx context.Context, items []item) (verdict, error) {
	records := make([]sdklog.Record, len(items))
	for i := range items {
		records[i] = items[i].record
	}
	wait := backoff.ExponentialBackOff{
		InitialInterval:     r.cfg.initial,
		RandomizationFactor: backoff.DefaultRandomizationFactor,
		Multiplier:          backoff.DefaultMultiplier,
		MaxInterval:         r.cfg.maximum,
	}
	wait.Reset()
	away := false
	for {
		if err := ctx.Err(); err != nil {
			return verdict{}, fmt.Errorf("send %d records: %w", len(items), err)
		}
		v := r.sender.send(ctx, records, r.answered)
		r.answered = r.answered || v.status != 0
		if v.status == 0 && ctx.Err() != nil {
			return v, fmt.Errorf("send %d records to %s: %w", len(items), r.sender.url, ctx.Err())
		}
		if v.action != actRetry {
			if away {
				r.cfg.logger.Info("collector answers again", slog.String("endpoint", r.sender.url))
			}
			return v, nil
		}
		away = true
		delay := max(wait.NextBackOff(), v.retryAfter)
		r.cfg.logger.Warn("collector did not take a batch; it is sent again",
			slog.String("endpoint", r.sender.url), slog.Int("status", v.status),
			slog.String("reason", v.reason), slog.Duration("wait", delay))
		timer := time.NewTimer(delay)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return v, fmt.Errorf("send %d records to %s: %w; the last try failed: %s", len(items), r.sender.url, ctx.Err(), v.reason)
		}
		r.stats.Retried++
	}
}

// pass counts n records up to the place behind as dealt with.
func (r *run) pass(n int64, behind auditlog.Cursor) {
	r.progress.Records += n
	r.progress.Bytes += behind.Offset - r.place.at.Offset
	r.place.at = behind
	r.report()
}

// save moves the checkpoint to the present place.
func (r *run) save() error {
	at := r.place.at
	if r.cfg.dryRun || at == r.place.saved {
		return nil
	}
	file := r.files[r.place.file]
	if want := min(headSize, at.Offset); int64(len(r.place.head)) < want {
		head, err := readHead(file, headSize)
		if err != nil {
			return fmt.Errorf("read the beginning of %s: %w", file.Path(), err)
		}
		r.place.head = head
	}
	cp := &checkpoint{
		Version:  checkpointVersion,
		Endpoint: r.sender.url,
		File:     filepath.Base(file.Path()),
		Offset:   at.Offset,
		Line:     at.Line,
		Head:     spanOf(0, r.place.head[:min(int64(len(r.place.head)), at.Offset)]),
		Tail:     r.place.tail,
	}
	if cp.Tail.SHA256 == "" {
		cp.Tail = spanOf(0, nil) // no event yet, damaged lines only
	}
	var err error
	if cp.Previous, err = r.previous(); err != nil {
		return err
	}
	if err := saveCheckpoint(r.checkpoint, cp); err != nil {
		return err
	}
	r.place.saved = at
	return nil
}

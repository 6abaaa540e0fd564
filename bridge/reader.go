package bridge

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"time"

	"github.com/otelaudit/otelaudit/internal/history"
	"github.com/otelaudit/otelaudit/internal/scan"
	"github.com/otelaudit/otelaudit/internal/watch"
)

// reader goes through the files of the log and cuts what is new into batches.
// Until read is called the goroutine of Run owns it, then one of its own.
type reader struct {
	*Bridge
	out  chan<- *batch
	free <-chan *batch // settled ones, empty, for use again

	sought    *checkpoint       // where to begin, until there is a log to look into
	snapshot  *history.Snapshot // nil until there is a log
	files     []*scan.File      // of snapshot
	file      int               // index of the present one
	first     *fileID           // the nearest file before files[0] that can be named
	place     place             // behind the last batch that was handed on
	restarted bool              // the place looked for was not there, and no batch says so yet

	batch *batch // is being filled
	ends  lineEnds

	tail    tail           // of the active file, where it was read to its end
	watcher *watch.Watcher // nil if the log is not followed
	flushed time.Time      // when the last batch was handed on
}

// begin finds the place to start at. A log that is followed need not be there
// yet.
func (r *reader) begin(ctx context.Context, cp *checkpoint) error {
	r.batch, r.place.origin, r.sought = newBatch(), new(origin), cp
	if r.cfg.follow {
		r.watcher = watch.New(r.path, watch.Config{Logger: r.cfg.logger, Poll: r.cfg.poll})
	}
	err := r.open(ctx)
	if r.cfg.follow && errors.Is(err, fs.ErrNotExist) {
		r.cfg.logger.Info("there is no log yet; waiting for it", slog.String("path", r.path))
		return nil
	}
	return err
}

func (r *reader) open(ctx context.Context) error {
	snapshot, err := r.log.Snapshot(ctx)
	if err != nil {
		return err
	}
	r.snapshot, r.files = snapshot, snapshot.Files()
	return r.resume(ctx, r.sought)
}

func (r *reader) close() error {
	var errs []error
	if r.watcher != nil {
		errs = append(errs, r.watcher.Close())
	}
	if r.snapshot != nil {
		errs = append(errs, r.snapshot.Close())
	}
	return errors.Join(errs...)
}

// read sends all that there is, and if the log is followed all that comes, to
// out, which it closes at its end.
func (r *reader) read(ctx context.Context) error {
	defer close(r.out)
	for {
		if err := r.readFiles(ctx); err != nil || !r.cfg.follow {
			return err
		}
		if err := r.await(ctx); err != nil {
			return err
		}
		if err := r.advance(ctx); err != nil {
			return err
		}
	}
}

// readFiles reads to the end of the last file, and stays there if it is the
// active one of a log that is followed.
func (r *reader) readFiles(ctx context.Context) error {
	for r.file < len(r.files) {
		file := r.files[r.file]
		if err := r.readFile(ctx, file); err != nil {
			if file.Active() || !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			r.cfg.logger.Warn("an archive was removed before it was read; what was in it is not sent", slog.String("file", file.Path))
			r.batch.gone++
		}
		if r.cfg.follow && file.Active() {
			return nil
		}
		if err := r.flush(ctx); err != nil {
			return err
		}
		if err := r.startFile(ctx, r.file+1); err != nil {
			return err
		}
	}
	return nil
}

// startFile goes to the beginning of a file, or, if there is none of that
// index, to the end of the log.
func (r *reader) startFile(ctx context.Context, i int) error {
	previous, err := r.previous(ctx, i)
	if err != nil {
		return err
	}
	r.file, r.ends = i, lineEnds{}
	r.place = place{origin: &origin{previous: previous}}
	if i < len(r.files) {
		r.place.origin.path = r.files[i].Path
	}
	r.use(r.batch)
	return nil
}

// maxBatchDamage bounds the memory that damaged lines cost.
const maxBatchDamage = 1000

// readFile reads what is left of one file. A batch never spans two files, so
// that a position in one file says all.
func (r *reader) readFile(ctx context.Context, file *scan.File) error {
	if r.cfg.follow && file.Active() {
		now := tailOf(file, r.batch.behind.Offset)
		if r.batch.unfinished && now.isKnownAs(r.tail) {
			return nil
		}
		r.tail = now
	}
	whole, unfinished, err := file.Whole(ctx) // what is behind it is perhaps still being written
	if err != nil {
		return err
	}
	r.batch.unfinished = unfinished > 0
	var damageErr error
	onDamage := func(d *scan.DamageError) {
		if file.Active() && d.Torn() {
			r.batch.unfinished = true // it was truncated meanwhile
			return
		}
		r.batch.damage = append(r.batch.damage, d)
		// Before the line ending, if it has one: from there on the line reads
		// as a blank one with the same number.
		r.batch.behind = scan.Cursor{Offset: d.Offset + d.Length, Line: d.Line - 1}
		if len(r.batch.damage) >= maxBatchDamage && damageErr == nil {
			damageErr = r.flush(ctx)
		}
	}
	for entry, err := range whole.Lines(ctx, r.batch.behind, onDamage) {
		if err = errors.Join(err, damageErr); err != nil {
			return err
		}
		if file.Active() && !entry.Terminated {
			r.batch.unfinished = true
			break
		}
		if !r.batch.takes(len(entry.Raw), r.cfg.batchSize) {
			if err := r.flush(ctx); err != nil {
				return err
			}
		}
		r.batch.add(entry, r.ends.behind(entry))
		if len(r.batch.items) == r.cfg.batchSize {
			if err := r.flush(ctx); err != nil {
				return err
			}
		}
	}
	return damageErr
}

// use makes b the batch that is filled.
func (r *reader) use(b *batch) {
	r.batch = b
	b.start, b.behind = r.place.at, r.place.at
}

// flush hands the batch on, if there is anything in it, and begins another one.
func (r *reader) flush(ctx context.Context) error {
	b := r.batch
	if b.isEmpty() && (!b.unfinished || r.cfg.follow) {
		return nil
	}
	if err := r.witness(ctx); err != nil {
		return err
	}
	b.origin, b.tail = r.place.origin, r.place.tail
	if n := len(b.items); n > 0 {
		b.tail = history.SpanOf(b.items[n-1].offset, b.raw(b.items[n-1]))
	}
	b.restarted, r.restarted = r.restarted, false
	r.place.at, r.place.tail = b.behind, b.tail
	r.flushed = time.Now()
	select {
	case r.out <- b:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case b = <-r.free:
	default:
		b = newBatch()
	}
	r.use(b)
	return nil
}

// witness takes down what a checkpoint behind the batch says of the file.
func (r *reader) witness(ctx context.Context) (err error) {
	r.place.origin, err = r.place.origin.reaching(ctx, r.batch.behind.Offset, r.files[r.file])
	return err
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
func (l *lineEnds) behind(e scan.Entry) scan.Cursor {
	if l.line > 0 && e.Line == l.line+1 {
		l.ending = e.Offset - l.end
	}
	l.line, l.end = e.Line, e.Offset+int64(len(e.Raw))
	if !e.Terminated {
		return scan.Cursor{Offset: l.end, Line: e.Line}
	}
	return scan.Cursor{Offset: l.end + max(l.ending, 1), Line: e.Line}
}

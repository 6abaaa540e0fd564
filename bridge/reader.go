package bridge

import (
	"context"
	"errors"
	"strings"

	"github.com/otelaudit/otelaudit/auditlog"
)

// reader goes through the files of the log and cuts what is new into batches.
// Until read is called the goroutine of Run owns it, then one of its own.
type reader struct {
	*Bridge
	out  chan<- *batch
	free <-chan *batch // settled ones, for use again

	snapshot  *auditlog.Snapshot
	files     []*auditlog.File
	file      int // index of the present one
	place     place
	restarted bool // the place looked for was not there, and no batch says so yet

	batch *batch
	ends  lineEnds
}

// begin finds the place to start at.
func (r *reader) begin(ctx context.Context, cp *checkpoint) error {
	snapshot, err := r.log.Snapshot(ctx)
	if err != nil {
		return err
	}
	r.snapshot, r.files = snapshot, snapshot.Files()
	return r.resume(ctx, cp)
}

func (r *reader) close() error {
	if r.snapshot == nil {
		return nil
	}
	return r.snapshot.Close()
}

// read sends all that there is to out, which it closes at its end.
func (r *reader) read(ctx context.Context) error {
	defer close(r.out)
	for r.file < len(r.files) {
		if err := r.readFile(ctx, r.files[r.file]); err != nil {
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
		r.place.origin.path = r.files[i].Path()
	}
	return nil
}

const (
	// reasonTorn begins the reason that auditlog gives for a last line without a
	// line feed that is not whole JSON.
	reasonTorn = "torn line"
	// maxBatchDamage bounds the memory that damaged lines cost.
	maxBatchDamage = 1000
)

// readFile reads what is left of one file. A batch never spans two files, so
// that a position in one file says all.
func (r *reader) readFile(ctx context.Context, file *auditlog.File) error {
	r.use(newBatch())
	var damageErr error
	onDamage := func(d *auditlog.DamageError) {
		if file.Active() && strings.HasPrefix(d.Reason, reasonTorn) {
			r.batch.unfinished = true // perhaps still being written
			return
		}
		r.batch.damage = append(r.batch.damage, d)
		// Before the line ending, if it has one: from there on the line reads
		// as a blank one with the same number.
		r.batch.behind = auditlog.Cursor{Offset: d.Offset + d.Length, Line: d.Line - 1}
		if len(r.batch.damage) >= maxBatchDamage && damageErr == nil {
			damageErr = r.flush(ctx, file)
		}
	}
	for entry, err := range file.Lines(ctx, r.place.at, onDamage) {
		if err = errors.Join(err, damageErr); err != nil {
			return err
		}
		if file.Active() && !entry.Terminated {
			r.batch.unfinished = true
			break
		}
		if !r.batch.takes(len(entry.Raw), r.cfg.batchSize) {
			if err := r.flush(ctx, file); err != nil {
				return err
			}
		}
		r.batch.add(entry, r.ends.behind(entry))
		if len(r.batch.items) == r.cfg.batchSize {
			if err := r.flush(ctx, file); err != nil {
				return err
			}
		}
	}
	if damageErr != nil {
		return damageErr
	}
	return r.flush(ctx, file)
}

// use makes b the batch that is filled.
func (r *reader) use(b *batch) {
	r.batch = b
	b.start, b.behind = r.place.at, r.place.at
}

// flush hands the batch on, if there is anything in it, and begins another one.
func (r *reader) flush(ctx context.Context, file *auditlog.File) (err error) {
	b := r.batch
	if b.behind == b.start && len(b.damage) == 0 && !b.unfinished {
		return nil
	}
	if r.place.origin, err = r.place.origin.reaching(b.behind.Offset, file); err != nil {
		return err
	}
	b.origin, b.tail = r.place.origin, r.place.tail
	if n := len(b.items); n > 0 {
		b.tail = spanOf(b.items[n-1].offset, b.raw(b.items[n-1]))
	}
	b.restarted, r.restarted = r.restarted, false
	r.place.at, r.place.tail = b.behind, b.tail
	select {
	case r.out <- b:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case b = <-r.free:
		b.reset()
	default:
		b = newBatch()
	}
	r.use(b)
	return nil
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

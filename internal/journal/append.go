package journal

import (
	"context"
	"fmt"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// Append appends lines. It returns nil when they are in the kernel, whole, and fewer
// than Config.SyncLines lines are unsynced. The lines of one call stand together in one
// file, or in two if a rotation falls between them.
//
// A [*SyncError] means that all lines are in the file, a [*BatchError] that the first
// ones are; after any other error none is. ctx bounds the waits; it does not tear a
// write that has begun. The caller may use lines again when Append returns.
func (l *Log) Append(ctx context.Context, lines *jsonline.Lines) error {
	if l.syncer.limit == 1 {
		return l.AppendToDisk(ctx, lines)
	}
	r := l.queue.newRequest(lines)
	defer l.queue.free(r)
	if err := l.outcome(r, l.queue.write(ctx, r)); err != nil || r.written == 0 {
		return err
	}
	return syncError(l.syncer.waitBelowLimit(ctx, r.last))
}

// AppendToDisk is [Log.Append] that returns nil when the lines are on stable storage. It
// waits for its own lines only: Append and then [Log.Sync] wait for lines that others
// wrote later, too.
func (l *Log) AppendToDisk(ctx context.Context, lines *jsonline.Lines) error {
	r := l.queue.newRequest(lines)
	defer l.queue.free(r)
	if err := l.outcome(r, l.queue.commit(ctx, r)); err != nil || r.written == 0 {
		return err
	}
	return syncError(l.syncer.wait(ctx, r.last))
}

// outcome counts and returns the outcome of the write of r. err is the error of the wait
// for it.
func (l *Log) outcome(r *request, err error) error {
	switch n := r.lines.Len(); {
	case err != nil:
		l.counts.failed.Add(int64(n))
		return fmt.Errorf("auditlog: append to %s: waiting for other writers: %w", l.path, err)
	case r.err == nil:
		return nil
	case r.written > 0:
		l.counts.failed.Add(int64(n - r.written))
		return &BatchError{Written: r.written, Err: r.err}
	default:
		l.counts.failed.Add(int64(n))
		return fmt.Errorf("auditlog: append to %s: %w", l.path, r.err)
	}
}

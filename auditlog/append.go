package auditlog

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// maxPooledBytes keeps one huge batch from holding its memory for good.
const maxPooledBytes = 1 << 20

var eventEncoders = sync.Pool{New: func() any { return new(eventEncoder) }}

// Append appends events, in their order. When it returns nil, all of them are
// in the kernel, whole, and survive the death of the process; fewer lines than
// [WithSyncLines] says are then not yet on disk. The events of one call stand
// together in one file (in two, if a rotation falls between them); they share
// one write with those of concurrent calls.
//
// An event that FORMAT.md does not allow, or whose line is longer than
// [WithMaxLine] says, is an [*EventError], and none of the events is written. A [*SyncError] means that all are in the file but perhaps
// not on disk, a [*BatchError] that only the first ones are in the file; after
// any other error none is. Among these are [ErrClosed], [ErrLocked] and
// [ErrSuspended], and those of the file system, such as syscall.ENOSPC; after
// each but ErrClosed a later Append may succeed. ctx bounds the waiting for
// other writes (none is written then) and for the disk ([*SyncError]); a write
// that has begun is not torn by it.
func (l *Log) Append(ctx context.Context, events ...Event) error {
	enc := eventEncoders.Get().(*eventEncoder)
	lines := &enc.lines
	defer func() {
		if lines.Cap() <= maxPooledBytes {
			lines.Reset()
			eventEncoders.Put(enc)
		}
	}()
	t := time.Now()
	enc.most = l.cfg.reader.maxLine
	for i := range events {
		buf, err := enc.append(lines.Buffer(), &events[i], i, t, l.cfg.sessionID)
		if err != nil {
			l.counts.failed.Add(int64(len(events)))
			return err
		}
		lines.Commit(buf)
	}
	return l.AppendLines(ctx, lines)
}

// AppendLines appends encoded lines under the promises of [Log.Append]. Only
// packages of this module can make its argument: it is how the exporter hands
// over lines that it has encoded. lines may be used again when it returns; after an
// error that says nothing is in the file, they are what they were.
func (l *Log) AppendLines(ctx context.Context, lines *jsonline.Lines) error {
	if l.syncer.lines == 1 {
		return l.appendToDisk(ctx, lines)
	}
	r := l.queue.request(lines)
	defer l.queue.free(r)
	if err := l.outcome(r, l.writeShared(ctx, r)); err != nil || r.written == 0 {
		return err
	}
	return l.syncer.waitBelowLimit(ctx, r.last)
}

// AppendLinesToDisk is AppendLines that returns nil when the lines are on stable
// storage. It waits for these lines once; an append and a Sync behind it would
// wait for the cadence, and then for what others wrote meanwhile too.
func (l *Log) AppendLinesToDisk(ctx context.Context, lines *jsonline.Lines) error {
	return l.appendToDisk(ctx, lines)
}

// outcome returns what became of r; err is why it was not even tried. Without an
// error and anything written there was nothing to append.
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

// writeShared writes the lines of r with those of others. The error is that of
// ctx, and r was not written then.
func (l *Log) writeShared(ctx context.Context, r *request) error {
	w, err := l.queue.enqueue(ctx, r)
	if err == nil && w == leader {
		err = l.lead(ctx, r)
	}
	return err
}

// lead writes the lines of r, which has the turn, and of those that wait. The
// error is that of ctx, and r was not written then.
func (l *Log) lead(ctx context.Context, r *request) error {
	free, err := l.lockActive(false)
	if err == nil && !free {
		// Another process has the lock. Who waits for it must be able to give
		// up, and flock(2) cannot: a goroutine of its own waits in it.
		l.queue.requeueFront(r)
		go l.leadLater()
		w, err := l.queue.await(ctx, r)
		if err == nil && w == leader { // leadLater failed, or it served too many others
			return l.lead(ctx, r)
		}
		return err
	}
	if err != nil {
		r.err = err
		l.queue.release()
		return nil
	}
	var room [8]*request
	l.serve(l.queue.drain(append(room[:0], r)), r)
	return nil
}

// serve writes the lines of batch, and of those that wait for the same commit,
// leaves the file and passes on the turn. It wakes all of batch but leader.
func (l *Log) serve(batch []*request, leader *request) {
	commits := slices.ContainsFunc(batch, func(r *request) bool { return r.leadsCommit })
	if commits {
		l.write(l.commitGroup.takeFollowers(batch))
	} else {
		l.write(batch)
	}
	l.unlockActive()
	l.queue.release()
	if commits {
		l.commitGroup.markWritten() // who went along is woken when it is on disk
	}
	for _, r := range batch {
		if r != leader {
			r.wake <- done
		}
	}
}

// lockLimit is how long an append waits for another process's lock, which is
// held for a write, a rotation or a repair, unless its context ends earlier.
const lockLimit = 10 * time.Second

// leadLater waits for the lock in place of those that have lines, and serves
// them. It has the turn.
func (l *Log) leadLater() {
	entered := make(chan struct{})
	go l.expire(entered)
	_, err := l.lockActive(true)
	close(entered)

	batch := l.queue.drain(nil)
	if err == nil {
		l.serve(batch, nil)
		return
	}
	l.queue.release()
	for _, r := range batch {
		r.err = err
		r.wake <- done
	}
}

// expire sends those away that wait for too long, until entered is closed.
func (l *Log) expire(entered <-chan struct{}) {
	late := time.NewTimer(lockLimit)
	defer late.Stop()
	for {
		select {
		case <-entered:
			return
		case <-late.C:
		}
		for _, r := range l.queue.expired(time.Now().Add(-lockLimit)) {
			r.err = ErrLocked
			r.wake <- done
		}
		late.Reset(time.Second)
	}
}

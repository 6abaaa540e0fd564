package auditlog

import (
	"context"
	"sync"
	"time"

	"github.com/otelaudit/otelaudit/internal/appendlines"
	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// maxPooledBytes bounds the memory that an encoder keeps after a huge batch.
const maxPooledBytes = 1 << 20

var eventEncoders = sync.Pool{New: func() any { return new(eventEncoder) }}

// Append appends events, in their order. When it returns nil, all of them are
// in the kernel, whole, and survive the death of the process; fewer lines than
// [WithSyncLines] says are then not yet on disk. The events of one call stand
// together in one file (in two, if a rotation falls between them); they share
// one write with those of concurrent calls.
//
// An event that FORMAT.md does not allow, or whose line is longer than
// [WithMaxLine] says, is an [*EventError], and none of the events is written. A
// [*SyncError] means that all are in the file but perhaps not on disk, a
// [*BatchError] that only the first ones are in the file; after any other error
// none is. Among these are [ErrClosed], [ErrLocked] and [ErrSuspended], and those
// of the file system, such as syscall.ENOSPC; after each but ErrClosed a later
// Append may succeed. ctx bounds the waiting for other writes (none is written
// then) and for the disk ([*SyncError]); a write that has begun is not torn by it.
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
	enc.most = l.MaxLine()
	for i := range events {
		buf, err := enc.append(lines.Buffer(), &events[i], i, t, l.sessionID)
		if err != nil {
			l.refused.Add(int64(len(events)))
			return err
		}
		lines.Commit(buf)
	}
	return appendLines(ctx, l, lines)
}

func init() {
	appendlines.Append = appendLines
	appendlines.AppendToDisk = appendLinesToDisk
}

// appendLines appends encoded lines under the promises of [Log.Append].
func appendLines(ctx context.Context, l *Log, lines *jsonline.Lines) error {
	return publicError(l.journal.Append(ctx, lines))
}

// appendLinesToDisk is appendLines that returns nil when the lines are on disk.
func appendLinesToDisk(ctx context.Context, l *Log, lines *jsonline.Lines) error {
	return publicError(l.journal.AppendToDisk(ctx, lines))
}

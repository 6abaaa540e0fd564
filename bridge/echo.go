package bridge

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"

	"github.com/otelaudit/otelaudit/internal/jsonline"
	"github.com/otelaudit/otelaudit/internal/logid"
	"github.com/otelaudit/otelaudit/internal/otelline"
)

// A collector that writes what it is sent to the log that is replayed doubles
// the log, and without end where the log is followed. The defaults of both ends
// meet in that: a collector with the exporter auditlog listens where a replay
// sends to.
//
// Each request carries the id of the log, by which a collector of ours on the same
// machine refuses the replay of a log that it writes: nothing is in it twice. Any
// other collector that answers when the lines are in the file is found out by the
// first event that it accepts, which is sent alone: behind where the active file
// ended before there is an event with its log.record.uid.
//
// BUG: such a collector is not found out when the file becomes an archive in that
// moment, or when the collector has a queue in front of the file.

// echo finds out whether the collector writes to the log that is replayed. Workers
// share it; while it is not excluded only one of them has a batch.
type echo struct {
	*Bridge
	logID func() (string, error)
	end   int64 // of the active file, when the run began
	done  atomic.Bool
}

func (b *Bridge) newEcho() (*echo, error) {
	e := &echo{Bridge: b}
	e.done.Store(b.cfg.noProbe)
	// With the first request there is a log, and so a folder.
	e.logID = sync.OnceValues(func() (string, error) {
		id, err := logid.Of(b.path)
		if errors.Is(err, errors.ErrUnsupported) {
			return "", nil
		}
		return id, err
	})
	info, err := os.Stat(b.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	default:
		e.end = info.Size()
	}
	return e, nil
}

// excluded reports whether an event was accepted that did not come back.
func (e *echo) excluded() bool { return e.done.Load() }

// ownLogHint is the hint of a [StopError].
const ownLogHint = "name another collector as endpoint, or let this one pass on what it gets: it needs no replay"

// check returns a [*StopError] if an event of b, which the collector has accepted,
// came back to the log.
func (e *echo) check(b *batch, accepted item) error {
	from := e.end
	if b.origin.path == e.path {
		from = max(from, b.behind.Offset)
	}
	added, err := e.readBehind(from)
	if err != nil {
		return fmt.Errorf("look for what was sent at the end of %s: %w", e.path, err)
	}
	if len(added) > 0 {
		record, err := otelline.NewDecoder(otelline.DecoderConfig{}).Decode(b.raw(accepted), accepted.offset)
		if err != nil {
			return err // of a line that was sent
		}
		member := jsonline.AppendString([]byte(`"`+otelline.KeyUID+`":`), uidOf(record))
		if bytes.Contains(added, member) {
			return &StopError{
				URL:    e.sender.url,
				Reason: fmt.Sprintf("the collector writes to the log that is replayed, %s; one event is in it twice now", e.path),
				Hint:   ownLogHint,
			}
		}
	}
	e.done.Store(true)
	return nil
}

// readBehind returns what the active file has from an offset on, up to
// maxWindowBytes, and nothing if there is no such file or it ends before.
func (b *Bridge) readBehind(offset int64) ([]byte, error) {
	f, err := b.beside.Open(b.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // nothing was written
	return io.ReadAll(io.NewSectionReader(f, offset, maxWindowBytes))
}

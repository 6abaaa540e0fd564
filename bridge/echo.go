package bridge

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/otelaudit/otelaudit/internal/jsonline"
	"github.com/otelaudit/otelaudit/internal/otelline"
)

// A collector that writes what it is sent to the log that is replayed doubles
// the log, and without end where the log is followed. The defaults of both ends
// meet in that: a collector with the exporter auditlog listens where a replay
// sends to. Such a collector answers when the lines are in the file, so the first
// batch that it accepts, which is alone in flight, shows it: behind where the
// active file ended before there is an event with the log.record.uid of one that
// was sent.
//
// BUG: it does not show when the file becomes an archive in that moment, or when
// the collector has a queue in front of the file.

// activeEnd returns the size of the active file, 0 if there is none.
func (b *Bridge) activeEnd() (int64, error) {
	info, err := os.Stat(b.path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// checkEcho returns a [*StopError] if the records of p, which the collector has
// accepted, came back to the log.
func (r *run) checkEcho(b *batch, p part) error {
	from := r.end
	if b.origin.path == r.path {
		from = max(from, b.behind.Offset)
	}
	added, err := r.readBehind(from)
	if err != nil {
		return fmt.Errorf("look for what was sent at the end of %s: %w", r.path, err)
	}
	if len(added) == 0 {
		return nil
	}
	first := b.items[p.from]
	record, err := otelline.NewDecoder(otelline.DecoderConfig{}).Decode(b.raw(first), first.offset)
	if err != nil {
		return err // of a line that was sent
	}
	member := jsonline.AppendString([]byte(`"`+otelline.KeyUID+`":`), uidOf(record))
	if !bytes.Contains(added, member) {
		return nil
	}
	return &StopError{
		URL:    r.sender.url,
		Reason: fmt.Sprintf("the collector writes to the log that is replayed, %s; %d records are in it twice now", r.path, p.to-p.from),
		Hint:   "name another collector as endpoint, or let this one pass on what it gets: it needs no replay",
	}
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

package auditlog

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// mend returns the bytes that must precede the next line so that it is not
// glued to a torn one: nothing, when the file ends in a line feed. A torn tail
// is evidence of a crash: it is ended, not removed, and an event says where it
// lies.
func (l *Log) terminateTornTail() ([]byte, error) {
	if l.size == l.end || l.size == 0 {
		return nil, nil
	}
	if _, err := l.file.ReadAt(l.scratch[:1], l.size-1); err != nil {
		return nil, fmt.Errorf("read the end of %s: %w", l.path, err)
	} else if l.scratch[0] == '\n' {
		return nil, nil // another process's whole line, as usual
	}
	start, err := jsonline.LineStart(l.file, l.size)
	if err != nil {
		return nil, fmt.Errorf("read the end of %s: %w", l.path, err)
	}
	length := l.size - start
	if length == 0 {
		return nil, nil
	}
	if length <= int64(l.cfg.reader.maxLine) {
		tail := make([]byte, length)
		if _, err := l.file.ReadAt(tail, start); err != nil {
			return nil, fmt.Errorf("read the end of %s: %w", l.path, err)
		}
		if isWholeEvent(tail) {
			return []byte{'\n'}, nil // only its line feed is missing
		}
	}
	l.log.Warn("auditlog: ending a torn line", slog.String("path", l.path), slog.Int64("offset", start), slog.Int64("length", length))
	l.counts.recovered.Add(1)
	return l.recoveredEvent([]byte{'\n'}, reasonTornTail, map[string]any{"torn_offset": start, "torn_length": length})
}

// eventRecovered is the event that tells of what was found or done to the
// active file besides appending to it, FORMAT.md section 7.
const eventRecovered = "auditlog_recovered"

// The reasons of such events; that of a repair is the error of fsync.
const (
	reasonTornTail  = "a torn line at the end of the file was ended"
	reasonRemoved   = "the file was removed while it was written to; it was brought back"
	reasonReplaced  = "another file took the place of the file while it was written to; what was appended meanwhile was brought back"
	reasonTruncated = "the file was truncated while it was written to"
)

// recoveredEvent appends such an event to dst, as a line.
func (l *Log) recoveredEvent(dst []byte, reason string, what map[string]any) ([]byte, error) {
	return new(eventEncoder).append(dst, &Event{Name: eventRecovered, Reason: reason, Attributes: what}, 0, time.Now(), l.cfg.sessionID)
}

// note puts such an event ahead of the next lines.
func (l *Log) addRecoveryEvent(reason string, what map[string]any) error {
	l.counts.recovered.Add(1)
	notes, err := l.recoveredEvent(l.recoveryEvents, reason, what)
	l.recoveryEvents = notes
	return err
}

func isWholeEvent(line []byte) bool {
	return jsonline.EachMember(line, func(_, _ []byte) bool { return true }) == nil
}

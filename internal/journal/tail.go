package journal

import (
	"fmt"
	"log/slog"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// terminateTornTail returns the bytes that must precede the next line, so that it does
// not continue a torn one: none if the file ends in a line feed. A torn tail is evidence
// of a crash: it is ended, not removed, and a recovery event gives its offset. The
// caller must hold the lock of the file. The error is io.EOF if the file is shorter than
// l.size.
func (l *Log) terminateTornTail() ([]byte, error) {
	if l.size == l.end || l.size == 0 {
		return nil, nil
	}
	if _, err := l.file.ReadAt(l.scratch[:1], l.size-1); err != nil {
		return nil, fmt.Errorf("read the end of %s: %w", l.path, err)
	} else if l.scratch[0] == '\n' {
		return nil, nil // the whole line of another process, as usual
	}
	start, err := jsonline.LineStart(l.file, l.size)
	if err != nil {
		return nil, fmt.Errorf("read the end of %s: %w", l.path, err)
	}
	length := l.size - start
	if length == 0 {
		return nil, nil
	}
	if length <= int64(l.cfg.MaxLine) {
		tail := make([]byte, length)
		if _, err := l.file.ReadAt(tail, start); err != nil {
			return nil, fmt.Errorf("read the end of %s: %w", l.path, err)
		}
		if isWholeEvent(tail) {
			return []byte{'\n'}, nil // it lacks only its line feed
		}
	}
	l.log.Warn("auditlog: ending a torn line", slog.String("path", l.path), slog.Int64("offset", start), slog.Int64("length", length))
	l.counts.recovered.Add(1)
	return l.cfg.RecoveredEvent([]byte{'\n'}, reasonTornTail, map[string]any{"torn_offset": start, "torn_length": length})
}

// The reasons in recovery events, the events auditlog_recovered of FORMAT.md section 7.
// The reason of a repair is the error of fsync.
const (
	reasonTornTail  = "a torn line at the end of the file was ended"
	reasonRemoved   = "the file was removed while it was written to; it was brought back"
	reasonReplaced  = "another file took the place of the file while it was written to; what was appended meanwhile was brought back"
	reasonTruncated = "the file was truncated while it was written to"
)

// addRecoveryEvent puts a recovery event before the next lines. The caller must hold the
// write lock.
func (l *Log) addRecoveryEvent(reason string, attributes map[string]any) error {
	l.counts.recovered.Add(1)
	events, err := l.cfg.RecoveredEvent(l.recoveryEvents, reason, attributes)
	l.recoveryEvents = events
	return err
}

// noticeTruncation reports bytes that someone cut off the active file, whose size is
// l.size now. The caller must hold the lock of the file.
func (l *Log) noticeTruncation() error {
	if l.size >= l.end {
		return nil
	}
	lost := l.end - l.size
	l.end = -1
	l.unsynced.truncated(l.size)
	l.log.Warn("auditlog: the active file was truncated", slog.String("path", l.path),
		slog.Int64("size", l.size), slog.Int64("lost", lost))
	return l.addRecoveryEvent(reasonTruncated, map[string]any{"truncated_offset": l.size, "truncated_length": lost})
}

func isWholeEvent(line []byte) bool {
	return jsonline.EachMember(line, func(_, _ []byte) bool { return true }) == nil
}

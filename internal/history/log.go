package history

import "github.com/otelaudit/otelaudit/internal/scan"

// Log is the files of a log: its archives, oldest first, then the active file. It takes
// no locks and may be read while others append and rotate. All methods are safe for
// concurrent use.
type Log struct {
	scan.Source
	activeOnly  bool
	SectionSize int64 // bytes that a goroutine reads at a time
}

// New returns the log of a source; with activeOnly without its archives.
func New(source scan.Source, activeOnly bool) *Log {
	return &Log{Source: source, activeOnly: activeOnly, SectionSize: scan.SectionSize}
}

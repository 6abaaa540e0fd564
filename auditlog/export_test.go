package auditlog

import "github.com/otelaudit/otelaudit/internal/vfs"

// Unsynced returns how many lines of l are in the kernel and not yet on disk.
func Unsynced(l *Log) int64 {
	s := l.Stats()
	return s.Appended - s.Synced
}

// WithFS makes a Log write to another file system. It reads from the real one
// still.
func WithFS(fs vfs.FS) Option {
	return logOption(func(cfg config) config {
		cfg.fs = fs
		return cfg
	})
}

// WaitForCompression returns when nothing is left to compress.
func WaitForCompression(l *Log) { l.journal.WaitForCompression() }

// AppendLines and AppendLinesToDisk are what exporter appends encoded lines with.
var (
	AppendLines       = appendLines
	AppendLinesToDisk = appendLinesToDisk
)

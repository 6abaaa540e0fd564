package auditlog

import "github.com/otelaudit/otelaudit/internal/vfs"

// Unsynced returns how many lines of l are in the kernel and not yet on disk.
func Unsynced(l *Log) int64 {
	l.syncer.mu.Lock()
	defer l.syncer.mu.Unlock()
	return l.syncer.written - l.syncer.synced
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
func WaitForCompression(l *Log) { l.compressor.wait() }

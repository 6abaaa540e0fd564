package auditlog

// Unsynced returns how many lines of l are in the kernel and not yet on disk.
func Unsynced(l *Log) int64 {
	l.cadence.mu.Lock()
	defer l.cadence.mu.Unlock()
	return l.cadence.written - l.cadence.synced
}

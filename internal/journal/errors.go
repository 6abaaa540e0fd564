package journal

import (
	"errors"
	"fmt"
)

// The errors have the prefix of package auditlog, which returns them to its callers.
var (
	// ErrClosed is returned by the methods of a [Log] after [Log.Close].
	ErrClosed = errors.New("auditlog: log is closed")
	// ErrLocked is returned when another writer holds the lock of the active file.
	ErrLocked = errors.New("auditlog: another writer has the lock of the file")
	// ErrSuspended is returned by appends between a failed fsync and the repair of the
	// file.
	ErrSuspended = errors.New("auditlog: suspended after a failed fsync")
)

// SyncError means that the lines are in the file, but not known to be on disk.
type SyncError struct {
	Err error // of fsync, or of the context that ended the wait
}

func (e *SyncError) Error() string {
	return fmt.Sprintf("auditlog: events are in the file, but not known to be on disk: %v", e.Err)
}

// Unwrap returns e.Err.
func (e *SyncError) Unwrap() error { return e.Err }

// syncError wraps an error about lines that are in the file.
func syncError(err error) error {
	if err == nil {
		return nil
	}
	return &SyncError{Err: err}
}

// BatchError means that only the first Written lines of an append are in the file.
type BatchError struct {
	Written int
	Err     error
}

func (e *BatchError) Error() string {
	return fmt.Sprintf("auditlog: only the first %d events of the batch are in the file: %v", e.Written, e.Err)
}

// Unwrap returns e.Err.
func (e *BatchError) Unwrap() error { return e.Err }

// errBusy returns ErrLocked for a lock that was not free.
func errBusy(free bool) error {
	if free {
		return nil
	}
	return ErrLocked
}

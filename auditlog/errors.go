package auditlog

import "github.com/otelaudit/otelaudit/internal/journal"

// ErrClosed is returned by the methods of a [Log] after [Log.Close].
var ErrClosed = journal.ErrClosed

// ErrLocked is returned while another writer holds the lock of the active file: a
// Log that is its sole owner ([WithSoleOwner]), or one that does not release it.
// [Open] returns it after 3 seconds, [Log.Append] after 10. Nothing was written.
var ErrLocked = journal.ErrLocked

// ErrSuspended is returned by [Log.Append] between a failed fsync and the repair
// of the file: no line is written until the earlier ones are on disk. The Log
// tries the repair once a second, so that it recovers when the disk does.
var ErrSuspended = journal.ErrSuspended

// SyncError is returned by [Log.Append] when the events are in the file but
// not known to be on stable storage, and by [Log.Sync] for the same reason. Do not
// append the events again: they are in the file.
type SyncError struct {
	Err error // the error of fsync, or of the context that ended the wait
}

func (e *SyncError) Error() string { return (*journal.SyncError)(e).Error() }

// Unwrap returns e.Err.
func (e *SyncError) Unwrap() error { return e.Err }

// BatchError is returned by [Log.Append] when only the first Written of its
// events are in the file. Append the others again when the cause is removed.
type BatchError struct {
	Written int // number of events that are in the file, from the first on
	Err     error
}

func (e *BatchError) Error() string { return (*journal.BatchError)(e).Error() }

// Unwrap returns e.Err.
func (e *BatchError) Unwrap() error { return e.Err }

// publicError returns err as an error of this package: journal returns a SyncError or a
// BatchError as it is, not wrapped in another error.
func publicError(err error) error {
	switch err := err.(type) { //nolint:errorlint // see above
	case *journal.SyncError:
		return (*SyncError)(err)
	case *journal.BatchError:
		return (*BatchError)(err)
	}
	return err
}

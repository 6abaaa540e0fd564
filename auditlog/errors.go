package auditlog

import "github.com/otelaudit/otelaudit/internal/journal"

// ErrClosed is returned by the methods of a [Log] after [Log.Close].
var ErrClosed = journal.ErrClosed

// ErrLocked is returned when somebody else has the lock of the active file: by
// [Open] and after 10 seconds by [Log.Append], when another Log is its sole
// owner ([WithSoleOwner]) or does not let go of it. Nothing was written.
var ErrLocked = journal.ErrLocked

// ErrSuspended is returned by [Log.Append] while, after a failed fsync, the
// file could not be repaired yet: nothing new is written until what was is
// safe. It is tried again once a second, so that the Log recovers by itself
// when the disk does.
var ErrSuspended = journal.ErrSuspended

// SyncError is returned by [Log.Append] when the events are in the file but
// it is unknown whether they are on stable storage, and by [Log.Sync] when
// they may not be. Do not append the events again: they are in the file.
type SyncError struct {
	Err error // the error of fsync, or of the context that ended the waiting
}

func (e *SyncError) Error() string { return (*journal.SyncError)(e).Error() }

// Unwrap returns e.Err.
func (e *SyncError) Unwrap() error { return e.Err }

// BatchError is returned by [Log.Append] when only the first Written of its
// events are in the file. Append the others again when the cause is mended.
type BatchError struct {
	Written int // how many events are in the file, from the first on
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

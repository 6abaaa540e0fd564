package bridge

import (
	"errors"
	"fmt"
	"net/http"
)

// ErrLocked says that another bridge, in this process or another one, is
// running with the same checkpoint. Wait for it to end, or give this one a
// checkpoint of its own with [WithCheckpoint].
var ErrLocked = errors.New("another bridge is running with this checkpoint")

// StopError says that the endpoint refuses the bridge as such, and not a record
// or the moment: wrong credentials, a wrong path, a server that is no collector;
// or that it is a collector that writes to the very log that is replayed.
// Trying again without a change is of no use. Nothing was skipped: the next run
// goes on where this one stopped.
type StopError struct {
	// URL is the address the request was sent to.
	URL string
	// Status is the HTTP status of the answer, 0 if there was none.
	Status int
	// Reason says what was wrong with the answer, in the collector's own words
	// where it had some.
	Reason string
	// Hint says what can be done about it.
	Hint string
	// Err is the failure beneath, nil if the endpoint answered.
	Err error
}

// Error says what happened, where, and what to do.
func (e *StopError) Error() string {
	msg := e.URL
	if e.Status != 0 {
		msg += fmt.Sprintf(" answered %d", e.Status)
		if text := http.StatusText(e.Status); text != "" {
			msg += " " + text
		}
	}
	if e.Reason != "" {
		msg += ": " + e.Reason
	}
	if e.Hint != "" {
		msg += " (" + e.Hint + ")"
	}
	return msg
}

// Unwrap returns the failure beneath.
func (e *StopError) Unwrap() error { return e.Err }

package auditlog

import (
	"sync"

	"github.com/google/uuid"
)

var processSession = sync.OnceValue(uuid.NewString)

// SessionID returns the session of this process: a UUIDv4 made at the first
// call, the same for all Logs. It is what events without a session of their
// own carry, unless [WithSessionID] says otherwise.
func SessionID() string { return processSession() }

// SessionID returns the session of events that name none: that of
// [WithSessionID], else [SessionID].
func (l *Log) SessionID() string { return l.sessionID }

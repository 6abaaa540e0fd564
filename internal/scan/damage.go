package scan

import (
	"fmt"
	"strconv"
	"strings"
)

// DamageError says where a file holds bytes that are not an event, and why. Reads skip
// them, report them, and go on after them.
type DamageError struct {
	File   string `json:"file"`   // path of the file
	Line   int64  `json:"line"`   // number of the line, from 1
	Offset int64  `json:"offset"` // of the line's first byte in the uncompressed file
	// Length is the number of damaged bytes, without the line feed; 0 where it is not
	// known, after a defect in a compressed archive.
	Length int64  `json:"-"`
	Reason string `json:"reason"`
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("auditlog: %s: line %d at byte %d: %s", e.File, e.Line, e.Offset, e.Reason)
}

// reasonTorn is the reason of a last line without line feed that is not whole JSON. In
// the active file a writer may be about to complete it.
const reasonTorn = "torn line (no line feed at the end of the file)"

// Torn reports whether the line is the last of its file and has no line feed. In the
// active file a writer may be about to complete it.
func (e *DamageError) Torn() bool { return strings.HasSuffix(e.Reason, reasonTorn) }

// reasonTooLong begins the reason of a line that is longer than the longest line.
const reasonTooLong = "line longer than "

// TooLong reports whether the line is longer than Source.MaxLine. It may be an event: its
// end was not read.
func (e *DamageError) TooLong() bool { return strings.HasPrefix(e.Reason, reasonTooLong) }

// tooLong returns the reason of a line longer than longest bytes.
func tooLong(longest int, terminated bool) string {
	reason := reasonTooLong + strconv.Itoa(longest) + " bytes, the longest that is read"
	if !terminated {
		reason += "; " + reasonTorn
	}
	return reason
}

// explain returns why line is not an event. cause is the error of the JSON scanner, nil
// if line was too long to be scanned.
func explain(line []byte, cause error) string {
	const bom = "\xef\xbb\xbf"
	switch {
	case len(line) > 0 && line[0] == 0:
		return "NUL bytes, as a power loss leaves them"
	case len(line) >= len(bom) && string(line[:len(bom)]) == bom:
		return "byte order mark before the JSON object"
	case cause == nil || isHopeless(line):
		return "not a JSON object"
	}
	return cause.Error()
}

package scan

import (
	"fmt"
	"strconv"
	"strings"
)

// DamageError says where a file holds bytes that are not an event, and why.
// Readers skip them, tell of them, and go on behind them.
type DamageError struct {
	File   string `json:"file"`   // path of the file
	Line   int64  `json:"line"`   // number of the line, from 1
	Offset int64  `json:"offset"` // of the line's first byte in the uncompressed file
	// Length is the number of damaged bytes, the line feed not counted; 0 when
	// it cannot be known, behind a defect in a compressed archive.
	Length int64  `json:"-"`
	Reason string `json:"reason"`
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("auditlog: %s: line %d at byte %d: %s", e.File, e.Line, e.Offset, e.Reason)
}

// reasonTorn is the reason of a last line without line feed that is not whole
// JSON. In the active file somebody may be about to write the rest of it.
const reasonTorn = "torn line (no line feed at the end of the file)"

// Torn reports whether the line is one that has no line feed yet, at the end of
// its file: in the active file somebody may be about to write the rest of it.
func (e *DamageError) Torn() bool { return strings.HasSuffix(e.Reason, reasonTorn) }

// reasonTooLong begins the reason of a line that is longer than the longest line.
const reasonTooLong = "line longer than "

// TooLong reports whether the line is longer than the longest line, which
// [WithMaxLine] sets. It may be an event; its end was not looked at.
func (e *DamageError) TooLong() bool { return strings.HasPrefix(e.Reason, reasonTooLong) }

// tooLong returns the reason of a line longer than longest bytes.
func tooLong(longest int, terminated bool) string {
	reason := reasonTooLong + strconv.Itoa(longest) + " bytes, the longest that is read"
	if !terminated {
		reason += "; " + reasonTorn
	}
	return reason
}

// explain says why line is not an event. cause is what the scanner says, nil
// if line was too long to be looked at as a whole.
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

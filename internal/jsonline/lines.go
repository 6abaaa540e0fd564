package jsonline

import "slices"

// Lines holds encoded lines, each ended by a line feed, in one buffer, so that
// a batch is one write. The zero value is empty and ready to use. It is not
// safe for concurrent use.
//
// Only packages of this module can name the type, so a function that takes it
// is closed to all others: what is appended through it was encoded here.
type Lines struct {
	buf     []byte
	ends    []int
	refused int
}

// Buffer returns the buffer to append the next line to; give the result to
// Commit.
func (l *Lines) Buffer() []byte { return l.buf }

// Commit takes a buffer that was got from Buffer and to which one whole line,
// its line feed included, was appended.
func (l *Lines) Commit(buf []byte) {
	l.buf = buf
	l.ends = append(l.ends, len(buf))
}

// Refuse counts a line that was too long to be committed.
func (l *Lines) Refuse() { l.refused++ }

// Refused returns how many lines were refused.
func (l *Lines) Refused() int { return l.refused }

// Grow makes room for n bytes in all.
func (l *Lines) Grow(n int) { l.buf = slices.Grow(l.buf, max(n-len(l.buf), 0)) }

// Len returns the number of lines.
func (l *Lines) Len() int { return len(l.ends) }

// Size returns the number of bytes, line feeds included.
func (l *Lines) Size() int { return l.Start(len(l.ends)) }

// Cap returns the number of bytes that there is room for.
func (l *Lines) Cap() int { return cap(l.buf) }

// Bytes returns all lines.
func (l *Lines) Bytes() []byte { return l.buf }

// End returns the offset behind line i.
func (l *Lines) End(i int) int { return l.ends[i] }

// Start returns the offset of line i; of i == Len, that behind the last line.
func (l *Lines) Start(i int) int {
	if i == 0 {
		return 0
	}
	return l.ends[i-1]
}

// Line returns line i with its line feed.
func (l *Lines) Line(i int) []byte { return l.buf[l.Start(i):l.ends[i]] }

// Reset empties l and keeps its memory.
func (l *Lines) Reset() {
	l.buf = l.buf[:0]
	l.ends = l.ends[:0]
	l.refused = 0
}

package scan

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/otelaudit/otelaudit/internal/jsonline"
	"github.com/otelaudit/otelaudit/internal/vfs"
)

// Entry is one event as it stands in a file.
type Entry struct {
	// File is the path of the file: the active file or an archive.
	File string
	// Line is the number of the line in the file, from 1, and Offset the number of
	// its first byte, from 0, in the uncompressed file. Line is 0 where the lines
	// before it were not counted.
	Line, Offset int64
	// Raw is the line, a JSON object, without its LF or CRLF. It is valid until
	// the next iteration: keep an Entry by its Clone.
	Raw []byte
	// Terminated reports whether the line ends in a line feed. Only the last one
	// of a file may lack it.
	Terminated bool
}

// Clone returns a copy of e that stays valid.
func (e Entry) Clone() Entry {
	e.Raw = bytes.Clone(e.Raw)
	return e
}

// Time returns the instant of the line's ts, in UTC, and whether the line has one.
func (e Entry) Time() (time.Time, bool) {
	var f Fields
	if f.Scan(e.Raw) != nil {
		return time.Time{}, false
	}
	return jsonline.ParseTime(f[FieldTime])
}

// Cursor is a place between two lines of a file. The zero value is the
// beginning.
type Cursor struct {
	Offset int64 // of the next line's first byte, in the uncompressed file
	Line   int64 // number of the lines before it
}

// ctxInterval is the number of lines after which a scan checks its context.
const ctxInterval = 256

// Scanner goes through the lines of one file. Each call of next makes the next event
// current.
type Scanner struct {
	Entry  // the current event
	Fields Fields

	content  *Content
	lines    *lineReader
	onDamage func(*DamageError)
	limit    int64 // lines that begin at limit or later are not read
	number   int64 // of the last line read
	seen     int   // lines read
}

// Open begins a scan of f at from, which ends with ctx. Close it.
func (f *File) Open(ctx context.Context, from Cursor, onDamage func(*DamageError)) (*Scanner, error) {
	c, err := f.openContent(ctx, from.Offset)
	if err != nil {
		return nil, fmt.Errorf("auditlog: read %s: %w", f.Path, err)
	}
	if onDamage == nil {
		onDamage = f.LogDamage
	}
	s := newScanner(c, from, f.MaxLine, onDamage)
	if f.IsOpen() {
		s.limit, s.lines.limit = f.Size, f.Size
	}
	return s, nil
}

// newScanner begins a scan of c, which stands at from, for lines of at most longest
// bytes. Closing the scanner closes c.
func newScanner(c *Content, from Cursor, longest int, onDamage func(*DamageError)) *Scanner {
	s := &Scanner{
		content:  c,
		lines:    newLineReader(c, from.Offset, longest),
		onDamage: onDamage,
		limit:    math.MaxInt64,
		number:   from.Line,
	}
	s.File = c.path
	return s
}

// Close ends the scan and closes the file.
func (s *Scanner) Close() error {
	s.lines.release()
	if err := s.content.Close(); err != nil {
		return fmt.Errorf("auditlog: %w", err)
	}
	return nil
}

// At returns the place after the last line that was read.
func (s *Scanner) At() Cursor { return Cursor{Offset: s.lines.offset, Line: s.number} }

// next reports false at the end of the file and with an error, which is one of
// I/O or of ctx.
func (s *Scanner) next(ctx context.Context) (bool, error) {
	for {
		if s.seen%ctxInterval == 0 {
			if err := context.Cause(ctx); err != nil {
				return false, fmt.Errorf("auditlog: read %s: %w", s.File, err)
			}
		}
		if s.lines.offset >= s.limit {
			return false, nil
		}
		l, ok := s.lines.next()
		if !ok {
			return false, s.finish(l)
		}
		s.number++
		s.seen++
		if s.take(l) {
			return true, nil
		}
		if !l.terminated {
			return false, s.finish(l)
		}
	}
}

// take makes l the current event if it is one, and reports it if it is damage.
func (s *Scanner) take(l line) bool {
	text := bytes.TrimSuffix(l.text, []byte{'\r'})
	var err error
	if int64(len(l.text)) == l.length {
		if err = s.Fields.Scan(text); err == nil {
			s.Line, s.Offset, s.Raw, s.Terminated = s.number, l.offset, text, l.terminated
			return true
		}
		if len(bytes.TrimLeft(text, jsonSpace)) == 0 {
			return false
		}
	}
	if !l.terminated && s.lines.fault() != nil {
		return false // finish reports it
	}
	var reason string
	switch {
	case l.tooLong && !isHopeless(text):
		reason = tooLong(s.lines.max, l.terminated)
	case l.terminated:
		reason = explain(text, err)
	default:
		reason = reasonTorn
	}
	s.onDamage(&DamageError{File: s.File, Line: s.number, Offset: l.offset, Length: l.length, Reason: reason})
	return false
}

// finish ends the scan after last, which a defect of the file may have cut off.
func (s *Scanner) finish(last line) error {
	err := s.lines.fault()
	if err == nil {
		return nil
	}
	if s.content.io.err != nil {
		err = s.content.io.err // the cause of the decompressor's error
	}
	if s.content.io.err != nil || !s.content.compressed() {
		return fmt.Errorf("auditlog: read %s: %w", s.File, err)
	}
	// The file is readable, and its compressed bytes are damaged.
	d := &DamageError{File: s.File, Line: s.number + 1, Offset: s.lines.offset, Reason: "damaged gzip archive: " + explainGzip(err)}
	if refused, ok := errors.AsType[*vfs.RefusedError](err); ok {
		d.Reason = "the file is not read: " + refused.Reason
	}
	if last.length > 0 {
		d.Line, d.Offset, d.Length = s.number, last.offset, 0
	}
	s.onDamage(d)
	return nil
}

func explainGzip(err error) string {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return "it ends too early"
	}
	if errors.Is(err, gzip.ErrChecksum) {
		// The place is not known: with a flipped bit the text may be other JSON.
		return "its checksum is wrong, so lines of this file may not be what was written"
	}
	return err.Error() + "; what follows in this file cannot be read"
}

// Lines yields every event of f from the place from on, in order, and also a last one
// without line feed. Damaged lines go to onDamage (nil: they are logged), and so does a
// defect of a compressed archive. An error is one of I/O or of ctx and ends the sequence.
//
// Of the active file it yields the lines that begin before Size. A torn line at its end,
// which a writer may be about to complete, goes to onDamage.
func (f *File) Lines(ctx context.Context, from Cursor, onDamage func(*DamageError)) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		more := true
		err := f.Scan(ctx, from, onDamage, func(s *Scanner) bool {
			more = yield(s.Entry, nil)
			return more
		})
		if err != nil && more {
			yield(Entry{}, err)
		}
	}
}

// Scan calls visit for every event of f from the place from on, until visit returns
// false.
func (f *File) Scan(ctx context.Context, from Cursor, onDamage func(*DamageError), visit func(*Scanner) bool) error {
	s, err := f.Open(ctx, from, onDamage)
	if err != nil {
		return err
	}
	return errors.Join(s.All(ctx, visit), s.Close())
}

// All calls visit for every remaining event until visit returns false.
func (s *Scanner) All(ctx context.Context, visit func(*Scanner) bool) error {
	for {
		ok, err := s.next(ctx)
		if !ok || !visit(s) {
			return err
		}
	}
}

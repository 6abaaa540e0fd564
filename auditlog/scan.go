package auditlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"

	"github.com/klauspost/compress/gzip"

	"github.com/otelaudit/otelaudit/internal/jsonline"
	"github.com/otelaudit/otelaudit/internal/vfs"
)

// Cursor is a place between two lines of a file. The zero value is the
// beginning.
type Cursor struct {
	Offset int64 // of the next line's first byte, in the uncompressed file
	Line   int64 // number of the lines before it
}

// fields are the raw values of the keys that readers look at, nil where the
// line does not have them.
type fields [fieldCount][]byte

const (
	fieldTime = iota
	fieldEvent
	fieldSession
	fieldModel
	fieldTraceID
	fieldCost
	fieldInput
	fieldOutput
	fieldReason
	fieldConfidence
	fieldSpanMade
	fieldUID
	fieldFailed
	fieldCount
)

// fieldKeys are in the order of the constants.
var fieldKeys = jsonline.NewKeys(keyTime, keyEvent, keySession, keyModel, keyTraceID,
	keyCost, keyInput, keyOutput, keyReason, keyConfidence, keySpanMade, keyUID, keyFailed)

// scan fills f from a line and checks that the line is a JSON object. Of a key
// that occurs more than once the last value counts.
func (f *fields) scan(text []byte) error { return fieldKeys.Scan(text, f[:]) }

// ctxInterval is the number of lines after which a scan looks at its context.
const ctxInterval = 256

// fileScan goes through the lines of one file. Each call of next makes the
// next event current.
type fileScan struct {
	Entry  // the current event
	fields fields

	content  *content
	lines    *lineReader
	onDamage func(*DamageError)
	limit    int64 // lines that begin at it or behind it are not read
	number   int64 // of the last line read
	seen     int   // lines read
}

// openScan begins a scan of f behind from, which ends with ctx. Close it.
func (f *File) openScan(ctx context.Context, from Cursor, onDamage func(*DamageError)) (*fileScan, error) {
	c, err := f.open(ctx, from.Offset)
	if err != nil {
		return nil, fmt.Errorf("auditlog: read %s: %w", f.path, err)
	}
	if onDamage == nil {
		onDamage = f.logger.report
	}
	s := newFileScan(c, from, f.maxLine, onDamage)
	if c.file == nil && !c.compressed() {
		s.limit = f.size
	}
	return s, nil
}

// newFileScan begins a scan of c, which stands at from, for lines of at most
// longest bytes. Closing the scan closes c.
func newFileScan(c *content, from Cursor, longest int, onDamage func(*DamageError)) *fileScan {
	s := &fileScan{
		content:  c,
		lines:    newLineReader(c, from.Offset, longest),
		onDamage: onDamage,
		limit:    math.MaxInt64,
		number:   from.Line,
	}
	s.File = c.path
	return s
}

func (s *fileScan) Close() error {
	s.lines.release()
	if err := s.content.Close(); err != nil {
		return fmt.Errorf("auditlog: %w", err)
	}
	return nil
}

// next reports false at the end of the file and with an error, which is one of
// I/O or of ctx.
func (s *fileScan) next(ctx context.Context) (bool, error) {
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

// take makes l the current event if it is one, and tells of it if it is
// damage.
func (s *fileScan) take(l line) bool {
	text := bytes.TrimSuffix(l.text, []byte{'\r'})
	var err error
	if int64(len(l.text)) == l.length {
		if err = s.fields.scan(text); err == nil {
			s.Line, s.Offset, s.Raw, s.Terminated = s.number, l.offset, text, l.terminated
			return true
		}
		if len(bytes.TrimLeft(text, jsonSpace)) == 0 {
			return false
		}
	}
	if !l.terminated && s.lines.fault() != nil {
		return false // part of what finish tells of
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

// finish ends the scan behind the last line, which may be the part of one that
// a defect of the file cut off.
func (s *fileScan) finish(last line) error {
	err := s.lines.fault()
	if err == nil {
		return nil
	}
	if s.content.io.err != nil {
		err = s.content.io.err // below what the decompressor says
	}
	if s.content.io.err != nil || !s.content.compressed() {
		return fmt.Errorf("auditlog: read %s: %w", s.File, err)
	}
	// The bytes are readable, but they are not what compression makes.
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
		// Where it went wrong cannot be told: a flipped bit may uncompress to
		// other text that is JSON too.
		return "its checksum is wrong, so lines of this file may not be what was written"
	}
	return err.Error() + "; what follows in this file cannot be read"
}

// Lines yields every event of f behind from, in order, the last one also when
// its line feed is missing. Lines that are not events go to onDamage (nil: they
// are logged as warnings), and so does what lies behind a defect of a
// compressed archive. Errors are those of I/O and of ctx; each ends the
// sequence.
//
// Of the active file it yields the lines that had begun when the snapshot was
// taken. A torn line at its end, which somebody may be about to complete, goes to
// onDamage like any other damage.
func (f *File) Lines(ctx context.Context, from Cursor, onDamage func(*DamageError)) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		more := true
		err := f.scan(ctx, from, onDamage, func(s *fileScan) bool {
			more = yield(s.Entry, nil)
			return more
		})
		if err != nil && more {
			yield(Entry{}, err)
		}
	}
}

// scan calls visit for every event of f until it returns false.
func (f *File) scan(ctx context.Context, from Cursor, onDamage func(*DamageError), visit func(*fileScan) bool) error {
	s, err := f.openScan(ctx, from, onDamage)
	if err != nil {
		return err
	}
	return errors.Join(s.all(ctx, visit), s.Close())
}

// all calls visit for every event that is left until it returns false.
func (s *fileScan) all(ctx context.Context, visit func(*fileScan) bool) error {
	for {
		ok, err := s.next(ctx)
		if !ok || !visit(s) {
			return err
		}
	}
}

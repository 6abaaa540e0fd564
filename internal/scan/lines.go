package scan

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

const (
	ReadSize = 256 << 10 // bytes asked from the file at a time
	// maxPooledBuffer keeps the buffer that one huge line needed from being
	// held for good.
	maxPooledBuffer = 1 << 20
	// hopelessSize is the length from which a line that cannot become an event
	// is passed over without being held in memory, a run of NULs for example.
	hopelessSize = 1 << 20
	// hopelessPrefix is what is kept of such a line.
	hopelessPrefix = 64
)

// lineReader splits a stream at its line feeds. It holds at most max bytes of a
// line, and of a longer one only the beginning.
type lineReader struct {
	src    io.Reader
	max    int // length of the longest line
	buf    *[]byte
	start  int   // of the next line in *buf
	end    int   // of what was read
	offset int64 // of the next line in the stream
	err    error // of src; nothing more is read then
	// limit is where lines stop to be asked for; behind it only the rest of
	// one is read. 0 means no limit.
	limit int64
	// grow, if not nil, is called before a line of more than hopelessSize bytes gets
	// more memory. Its error ends the stream.
	grow func() error
}

// line is what lineReader.next returns. text is valid until the next call.
type line struct {
	text       []byte // without line feed; only the beginning, if shorter than length
	tooLong    bool   // longer than the longest line, and text is only its beginning
	offset     int64  // in the stream
	length     int64  // in bytes, without line feed
	terminated bool   // by a line feed
}

var bufferPool = sync.Pool{New: func() any {
	b := make([]byte, ReadSize)
	return &b
}}

// newLineReader reads src, whose first byte is at offset, in lines of at most
// longest bytes. Call release after it.
func newLineReader(src io.Reader, offset int64, longest int) *lineReader {
	return &lineReader{src: src, max: longest, buf: bufferPool.Get().(*[]byte), offset: offset}
}

func (r *lineReader) release() {
	if len(*r.buf) <= maxPooledBuffer {
		bufferPool.Put(r.buf)
	}
	r.buf = nil
}

// next returns the next line. It reports false at the end of the stream, and
// at an error of it, which r.fault returns; the bytes behind the last line
// feed come as a line that is not terminated.
func (r *lineReader) next() (line, bool) {
	searched := 0 // bytes of the line that hold no line feed
	for {
		unread := (*r.buf)[r.start:r.end]
		if i := bytes.IndexByte(unread[searched:], '\n'); i >= 0 {
			n := searched + i
			l := r.line(unread[:n])
			l.terminated = true
			r.pass(n + 1)
			return l, true
		}
		searched = len(unread)
		if r.err != nil {
			l := r.line(unread)
			r.pass(len(unread))
			return l, l.length > 0
		}
		if len(unread) > r.max {
			l := r.skip()
			l.tooLong = true
			return l, true
		}
		if len(unread) >= hopelessSize && (isHopeless(unread) || len(unread) == len(*r.buf) && isBroken(unread)) {
			return r.skip(), true
		}
		r.fill()
	}
}

// line returns a line that is in the buffer.
func (r *lineReader) line(text []byte) line {
	l := line{text: text, offset: r.offset, length: int64(len(text))}
	if len(text) > r.max {
		l.tooLong, l.text = true, text[:hopelessPrefix]
	}
	return l
}

// skipPartial passes over what is left of a line that began before, its line
// feed included, but not beyond limit by more than it has already read.
func (r *lineReader) skipPartial(limit int64) {
	for {
		unread := (*r.buf)[r.start:r.end]
		if i := bytes.IndexByte(unread, '\n'); i >= 0 {
			r.pass(i + 1)
			return
		}
		r.pass(len(unread))
		if r.err != nil || r.offset >= limit {
			return
		}
		r.fill()
	}
}

// fault returns the error that ended the stream, nil at its end.
func (r *lineReader) fault() error {
	if errors.Is(r.err, io.EOF) {
		return nil
	}
	return r.err
}

func (r *lineReader) pass(n int) {
	r.start += n
	r.offset += int64(n)
}

// fill reads once, behind what is unread, making room for it.
func (r *lineReader) fill() {
	buf := *r.buf
	if r.start > 0 {
		r.end = copy(buf, buf[r.start:r.end])
		r.start = 0
	}
	if r.end == len(buf) {
		if r.grow != nil && len(buf) >= hopelessSize {
			if r.err = r.grow(); r.err != nil {
				return
			}
		}
		// One byte more than the longest line shows that a line is longer.
		buf = append(buf, make([]byte, min(len(buf), r.max+1-len(buf)))...)
		*r.buf = buf
	}
	r.read(buf[r.end:])
}

// limitReadSize is what is read at a time behind the limit.
const limitReadSize = 4096

// read reads into p, which lies behind what is unread.
func (r *lineReader) read(p []byte) {
	if left := r.limit - r.offset - int64(r.end-r.start); r.limit > 0 && left < int64(len(p)) {
		p = p[:min(int64(len(p)), max(left, 0)+limitReadSize)]
	}
	// A reader may return nothing without an error, but not for ever.
	for range 100 {
		n, err := r.src.Read(p)
		r.end += n
		if err != nil {
			r.err = err
			return
		}
		if n > 0 {
			return
		}
	}
	r.err = io.ErrNoProgress
}

// skip passes over a line whose beginning fills the buffer, and returns the
// beginning of that.
func (r *lineReader) skip() line {
	buf := *r.buf
	l := line{offset: r.offset, length: int64(r.end - r.start)}
	l.text = buf[:copy(buf[:hopelessPrefix], buf[r.start:r.end])]
	for r.err == nil {
		r.start, r.end = hopelessPrefix, hopelessPrefix
		r.read(buf[hopelessPrefix:])
		if i := bytes.IndexByte(buf[r.start:r.end], '\n'); i >= 0 {
			l.length += int64(i)
			l.terminated = true
			r.start += i + 1
			r.offset += l.length + 1
			return l
		}
		l.length += int64(r.end - r.start)
	}
	r.start = r.end
	r.offset += l.length
	return l
}

// isHopeless reports whether a line that begins with text cannot be a JSON
// object.
func isHopeless(text []byte) bool {
	rest := bytes.TrimLeft(text, jsonSpace)
	return len(rest) > 0 && rest[0] != '{'
}

// isBroken reports whether text breaks the rules of JSON, so that no line which
// begins with it can be an event. A writer that died in the middle of a line and the
// NULs of a power cut make such lines. It is asked when a line fills the buffer, each time
// twice as long, which costs as much as to read the line once more.
func isBroken(text []byte) bool {
	err := jsonline.EachMember(text, func(_, _ []byte) bool { return true })
	syntax, ok := errors.AsType[*jsonline.SyntaxError](err)
	// What is cut off is met at its end, or where its last literal begins.
	return ok && len(text)-syntax.Offset >= len("false")
}

// jsonSpace is the white space of RFC 8259 that occurs within a line.
const jsonSpace = " \t\r"

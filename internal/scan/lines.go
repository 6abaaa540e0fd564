package scan

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

const (
	// ReadSize is the number of bytes of one read.
	ReadSize = 256 << 10
	// maxPooledBuffer bounds the buffers that the pool keeps after a huge line.
	maxPooledBuffer = 1 << 20
	// hopelessSize is the length from which a line that cannot be an event, a run of
	// NULs for example, is skipped without being held in memory.
	hopelessSize = 1 << 20
	// hopelessPrefix is the number of bytes that are kept of such a line.
	hopelessPrefix = 64
)

// lineReader splits a stream at its line feeds. It holds at most max bytes of a line, and
// only the beginning of a longer one.
type lineReader struct {
	src    io.Reader
	max    int // length of the longest line
	buf    *[]byte
	start  int   // of the next line in *buf
	end    int   // of what was read
	offset int64 // of the next line in the stream
	err    error // of src; nothing more is read then
	// limit is the offset from which no line is asked for; after it only the rest of
	// a line is read. 0 means no limit.
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

// newLineReader reads lines of at most longest bytes from src, whose first byte is at
// offset. Call release after it.
func newLineReader(src io.Reader, offset int64, longest int) *lineReader {
	return &lineReader{src: src, max: longest, buf: bufferPool.Get().(*[]byte), offset: offset}
}

func (r *lineReader) release() {
	if len(*r.buf) <= maxPooledBuffer {
		bufferPool.Put(r.buf)
	}
	r.buf = nil
}

// next returns the next line. It reports false at the end of the stream and at an error,
// which fault returns. Bytes after the last line feed are a line that is not terminated.
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

// skipPartial skips the rest of a line that began before, with its line feed. It ends at
// limit, or after the read that reached limit.
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

// fill makes room after the unread bytes and reads once.
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

// limitReadSize is the number of bytes of one read after limit.
const limitReadSize = 4096

// read reads into p, which follows the unread bytes.
func (r *lineReader) read(p []byte) {
	if left := r.limit - r.offset - int64(r.end-r.start); r.limit > 0 && left < int64(len(p)) {
		p = p[:min(int64(len(p)), max(left, 0)+limitReadSize)]
	}
	// An io.Reader may return no bytes and no error, but not for ever.
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

// skip skips a line whose beginning fills the buffer, and returns its beginning.
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

// isHopeless reports whether a line that begins with text cannot be a JSON object.
func isHopeless(text []byte) bool {
	rest := bytes.TrimLeft(text, jsonSpace)
	return len(rest) > 0 && rest[0] != '{'
}

// isBroken reports whether text breaks the rules of JSON, so that no line that begins
// with it is an event. A writer that died within a line and the NULs of a power cut make
// such lines. next calls it when a line fills the buffer, which doubles each time: the
// calls scan the line about once.
func isBroken(text []byte) bool {
	err := jsonline.EachMember(text, func(_, _ []byte) bool { return true })
	syntax, ok := errors.AsType[*jsonline.SyntaxError](err)
	// An error at the end of text, or where its last literal begins, is the cut.
	return ok && len(text)-syntax.Offset >= len("false")
}

// jsonSpace is the white space of RFC 8259 that occurs within a line.
const jsonSpace = " \t\r"

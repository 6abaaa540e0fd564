package auditlog

import (
	"bytes"
	"errors"
	"io"
)

// position is an offset between two lines of a file that is read on later. It
// names what lies before it, so that a file which was truncated and written
// anew, or another one, is not taken for the same.
type position struct {
	offset, lines int64  // in the uncompressed file, and the number of lines before
	head, tail    []byte // the first and the last bytes before offset
}

// witnessSize is the length of head and tail; a line has a time and often an
// identification of its own.
const witnessSize = 512

// advance moves p behind what was read of src.
func (p *position) advance(src io.ReaderAt, offset, lines int64) error {
	head := p.head
	if len(head) < witnessSize {
		head = make([]byte, min(offset, witnessSize))
		if _, err := src.ReadAt(head, 0); err != nil {
			return err
		}
	}
	tail := make([]byte, len(head))
	if _, err := src.ReadAt(tail, offset-int64(len(tail))); err != nil {
		return err
	}
	*p = position{offset, lines, head, tail}
	return nil
}

// in reports whether src holds what lies before p.
func (p *position) in(src io.ReaderAt) (bool, error) {
	head, err := holds(src, 0, p.head)
	if err != nil || !head {
		return false, err
	}
	return holds(src, p.offset-int64(len(p.tail)), p.tail)
}

func holds(src io.ReaderAt, offset int64, want []byte) (bool, error) {
	got := make([]byte, len(want))
	if n, err := src.ReadAt(got, offset); n < len(got) {
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		return false, err
	}
	return bytes.Equal(got, want), nil
}

// find moves c from its beginning to p, and reports whether it holds what lies
// before that.
func (p *position) find(c *content) (bool, error) {
	if !c.compressed() {
		if is, err := p.in(c.file); err != nil || !is {
			return false, err
		}
		_, err := c.file.Seek(p.offset, io.SeekStart)
		return err == nil, err
	}
	// The tail may overlap the head.
	head := make([]byte, len(p.head))
	_, err := io.ReadFull(c, head)
	tail := bytes.Clone(head)
	if rest := p.offset - int64(len(head)); err == nil && rest > 0 {
		if keep := int64(len(p.tail)); rest >= keep {
			_, err = io.CopyN(io.Discard, c, rest-keep)
			tail = tail[:0]
		} else {
			tail = tail[rest:]
		}
		if err == nil {
			have := len(tail)
			tail = append(tail, make([]byte, len(p.tail)-have)...)
			_, err = io.ReadFull(c, tail[have:])
		}
	}
	if err != nil {
		return false, c.io.err // nil: it is shorter, or damaged before
	}
	return bytes.Equal(head, p.head) && bytes.Equal(tail, p.tail), nil
}

package jsonline

import (
	"bytes"
	"errors"
	"io"
)

// LineStart returns the offset in src of the line that the byte before offset
// belongs to or ends: it follows the last line feed before offset, and is 0 if there
// is none. Bytes that src lacks before offset count as no line feeds.
func LineStart(src io.ReaderAt, offset int64) (int64, error) {
	buf := make([]byte, 4<<10)
	for offset > 0 {
		p := buf[:min(offset, int64(len(buf)))]
		offset -= int64(len(p))
		n, err := src.ReadAt(p, offset)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		if i := bytes.LastIndexByte(p[:n], '\n'); i >= 0 {
			return offset + int64(i) + 1, nil
		}
		if len(buf) < 64<<10 { // a long line
			buf = make([]byte, 2*len(buf))
		}
	}
	return 0, nil
}

package history

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"

	"github.com/otelaudit/otelaudit/internal/scan"
)

// Mark names a place in a file by the bytes before it. A reader finds the place again
// after it closed the file, also in another process: under another name, compressed, or
// not at all, if the file was truncated or replaced.
type Mark struct {
	Offset int64 // of the place, in the uncompressed file
	Head   Span  // the first bytes of the file
	Tail   Span  // bytes shortly before the place
}

// Span names a part of a file by its content.
type Span struct {
	Offset int64  `json:"offset"`
	Length int64  `json:"length"`
	SHA256 string `json:"sha256"`
}

// SpanOf returns the span of content at offset.
func SpanOf(offset int64, content []byte) Span {
	sum := sha256.Sum256(content)
	return Span{Offset: offset, Length: int64(len(content)), SHA256: hex.EncodeToString(sum[:])}
}

// spanAt returns the span of the length bytes of src at offset.
func spanAt(src io.ReaderAt, offset, length int64) (Span, error) {
	content := make([]byte, length)
	if n, err := src.ReadAt(content, offset); n < len(content) {
		return Span{}, err
	}
	return SpanOf(offset, content), nil
}

// markSize is the length in bytes of the head and the tail of markAt: a line usually has
// a time and an id of its own.
const markSize = 512

// markAt returns the mark of the place at offset of src. head is that of an earlier place
// in src, if there is one.
func markAt(src io.ReaderAt, offset int64, head Span) (_ Mark, err error) {
	n := min(offset, markSize)
	if head.Length < markSize {
		if head, err = spanAt(src, 0, n); err != nil {
			return Mark{}, err
		}
	}
	tail, err := spanAt(src, offset-n, n)
	return Mark{Offset: offset, Head: head, Tail: tail}, err
}

// IsIn reports whether f holds what lay before m. An error is one of I/O or of ctx, or a
// defect of a compressed file.
func (m Mark) IsIn(ctx context.Context, f *scan.File) (_ bool, err error) {
	c, err := f.Content(ctx)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if src := c.ReaderAt(); src != nil {
		head, err := spanAt(src, 0, m.Head.Length)
		if err != nil || head != m.Head {
			return false, shortIsNil(err)
		}
		if m.Tail.Offset+m.Tail.Length < m.Offset {
			if _, err := src.ReadAt(make([]byte, 1), m.Offset-1); err != nil { // the file is shorter
				return false, shortIsNil(err)
			}
		}
		tail, err := spanAt(src, m.Tail.Offset, m.Tail.Length)
		return err == nil && tail == m.Tail, shortIsNil(err)
	}
	head := make([]byte, m.Head.Length)
	if _, err := io.ReadFull(c, head); err != nil {
		return false, shortIsNil(err)
	}
	if SpanOf(0, head) != m.Head {
		return false, nil
	}
	rest := io.MultiReader(bytes.NewReader(head), c) // the tail may begin within the head
	tail := sha256.New()
	for _, part := range []struct {
		w io.Writer
		n int64
	}{
		{io.Discard, m.Tail.Offset},
		{tail, m.Tail.Length},
		{io.Discard, m.Offset - m.Tail.Offset - m.Tail.Length},
	} {
		if _, err := io.CopyN(part.w, rest, part.n); err != nil {
			return false, shortIsNil(err)
		}
	}
	return hex.EncodeToString(tail.Sum(nil)) == m.Tail.SHA256, nil
}

// Head returns the first n bytes of f, fewer if f is shorter.
func Head(ctx context.Context, f *scan.File, n int64) (head []byte, err error) {
	c, err := f.Content(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	head, err = io.ReadAll(io.LimitReader(c, n))
	return head, shortIsNil(err)
}

// shortIsNil drops an error that only reports the end of the file.
func shortIsNil(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

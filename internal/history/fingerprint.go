package history

import (
	"errors"
	"hash/crc32"
	"io"
	"slices"
)

const (
	blockSize = 4096
	// maxBlocks is the number of blocks that are covered, those that were read last:
	// 16 MiB of a file, in 16 KiB.
	maxBlocks = 4096
)

// fingerprint has a checksum of each block of the read part of a growing file. It shows
// that a file was truncated, even if it has grown again since, and recognises a copy of
// the file. The zero value covers no block.
type fingerprint struct {
	to   int64    // end of the covered part
	head uint32   // checksum of the first block, up to the end of it
	from int64    // beginning of sums, where a block begins
	sums []uint32 // of the blocks from from on; the last one may be shorter
}

// extend covers src up to the offset to. If src is shorter it stops at its end, and t.to
// is less than to.
func (t *fingerprint) extend(src io.ReaderAt, to int64) error {
	if to < t.to {
		*t = fingerprint{}
	}
	if to == t.to {
		return nil
	}
	t.sums = slices.Clone(t.sums) // copies of t keep theirs
	buf := make([]byte, blockSize)
	if t.to < blockSize {
		n, err := readUpTo(src, buf, 0, to)
		if err != nil {
			return err
		}
		t.head = crc32.ChecksumIEEE(buf[:n])
	}
	if earliest := (to - maxBlocks*blockSize) &^ (blockSize - 1); earliest > t.to {
		t.from, t.to, t.sums = earliest, earliest, nil
	}
	if rest := t.to % blockSize; rest > 0 {
		t.to -= rest
		t.sums = t.sums[:len(t.sums)-1]
	}
	for t.to < to {
		n, err := readUpTo(src, buf, t.to, to)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		t.sums = append(t.sums, crc32.ChecksumIEEE(buf[:n]))
		t.to += int64(n)
		if n < blockSize {
			break
		}
	}
	if more := len(t.sums) - maxBlocks; more > maxBlocks/4 { // not one by one
		t.sums = append(t.sums[:0], t.sums[more:]...)
		t.from += int64(more) * blockSize
	}
	return nil
}

// agrees returns the offset up to which src has the covered content: t.to if all of it,
// else the beginning of the first block that differs. If the first and the last block are
// equal it reads no other.
func (t *fingerprint) agrees(src io.ReaderAt) (int64, error) {
	if t.to == 0 {
		return 0, nil
	}
	buf := make([]byte, blockSize)
	if same, err := t.same(src, buf, 0, t.head); err != nil || !same {
		return 0, err
	}
	last := len(t.sums) - 1
	if same, err := t.same(src, buf, t.block(last), t.sums[last]); err != nil || same {
		return t.to, err
	}
	for i, sum := range t.sums {
		if same, err := t.same(src, buf, t.block(i), sum); err != nil {
			return 0, err
		} else if !same {
			if i == 0 {
				return 0, nil // no block before it is covered
			}
			return t.block(i), nil
		}
	}
	return t.to, nil
}

// block returns where the block of t.sums[i] begins.
func (t *fingerprint) block(i int) int64 { return t.from + int64(i)*blockSize }

// same reports whether the block of src at offset has the checksum.
func (t *fingerprint) same(src io.ReaderAt, buf []byte, offset int64, sum uint32) (bool, error) {
	n, err := readUpTo(src, buf, offset, t.to)
	return err == nil && int64(n) == min(t.to-offset, blockSize) && crc32.ChecksumIEEE(buf[:n]) == sum, err
}

// begins reports whether src begins with all of the covered content.
func (t *fingerprint) begins(src io.Reader) (bool, error) {
	buf := make([]byte, blockSize)
	for offset := int64(0); offset < t.to; {
		n, err := io.ReadFull(src, buf[:min(t.to-offset, blockSize)])
		if err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				err = nil
			}
			return false, err
		}
		sum := crc32.ChecksumIEEE(buf[:n])
		if offset == 0 && sum != t.head || offset >= t.from && sum != t.sums[(offset-t.from)/blockSize] {
			return false, nil
		}
		offset += int64(n)
	}
	return true, nil
}

// readUpTo fills buf from offset on, up to the offset to or the end of src.
func readUpTo(src io.ReaderAt, buf []byte, offset, to int64) (int, error) {
	n, err := src.ReadAt(buf[:min(to-offset, int64(len(buf)))], offset)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

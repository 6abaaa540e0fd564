package history

import (
	"errors"
	"hash/crc32"
	"io"
	"slices"
)

const (
	trailBlock = 4096
	// trailBlocks is how many blocks are remembered, those that were read last:
	// 16 MiB of a file, in 16 KiB.
	trailBlocks = 4096
)

// trail is what is remembered of the part of a growing file that was read: a
// checksum of each block. So a file that was truncated, and has perhaps grown
// beyond that place since, is not read on in the middle of something else, and
// a copy of the file is known. The zero value remembers nothing.
type fingerprint struct {
	to   int64    // end of what is remembered
	head uint32   // checksum of the first block, up to the end of it
	from int64    // beginning of sums, where a block begins
	sums []uint32 // of the blocks from from on; the last one may be shorter
}

// extend remembers src up to the offset to. At the end of src it stops, and
// t.to is less than to.
func (t *fingerprint) extend(src io.ReaderAt, to int64) error {
	if to < t.to {
		*t = fingerprint{}
	}
	if to == t.to {
		return nil
	}
	t.sums = slices.Clone(t.sums) // copies of t keep theirs
	buf := make([]byte, trailBlock)
	if t.to < trailBlock {
		n, err := readUpTo(src, buf, 0, to)
		if err != nil {
			return err
		}
		t.head = crc32.ChecksumIEEE(buf[:n])
	}
	if earliest := (to - trailBlocks*trailBlock) &^ (trailBlock - 1); earliest > t.to {
		t.from, t.to, t.sums = earliest, earliest, nil
	}
	if rest := t.to % trailBlock; rest > 0 {
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
		if n < trailBlock {
			break
		}
	}
	if more := len(t.sums) - trailBlocks; more > trailBlocks/4 { // not one by one
		t.sums = append(t.sums[:0], t.sums[more:]...)
		t.from += int64(more) * trailBlock
	}
	return nil
}

// agrees returns up to where src holds what is remembered: t.to if it holds
// all of it, else the beginning of the first block that differs. With all, it
// looks at every block, else first at the ends only.
func (t *fingerprint) agrees(src io.ReaderAt) (int64, error) {
	if t.to == 0 {
		return 0, nil
	}
	buf := make([]byte, trailBlock)
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
				return 0, nil // of what is before it nothing is known
			}
			return t.block(i), nil
		}
	}
	return t.to, nil
}

// block returns where the block of t.sums[i] begins.
func (t *fingerprint) block(i int) int64 { return t.from + int64(i)*trailBlock }

// same reports whether the block of src at offset has the checksum.
func (t *fingerprint) same(src io.ReaderAt, buf []byte, offset int64, sum uint32) (bool, error) {
	n, err := readUpTo(src, buf, offset, t.to)
	return err == nil && int64(n) == min(t.to-offset, trailBlock) && crc32.ChecksumIEEE(buf[:n]) == sum, err
}

// begins reports whether src begins with all that is remembered.
func (t *fingerprint) begins(src io.Reader) (bool, error) {
	buf := make([]byte, trailBlock)
	for offset := int64(0); offset < t.to; {
		n, err := io.ReadFull(src, buf[:min(t.to-offset, trailBlock)])
		if err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				err = nil
			}
			return false, err
		}
		sum := crc32.ChecksumIEEE(buf[:n])
		if offset == 0 && sum != t.head || offset >= t.from && sum != t.sums[(offset-t.from)/trailBlock] {
			return false, nil
		}
		offset += int64(n)
	}
	return true, nil
}

// readUpTo fills buf from offset on, but not beyond to or the end of src.
func readUpTo(src io.ReaderAt, buf []byte, offset, to int64) (int, error) {
	n, err := src.ReadAt(buf[:min(to-offset, int64(len(buf)))], offset)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

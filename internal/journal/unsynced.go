package journal

import "slices"

// unsynced holds the bytes that this Log wrote to the active file and that no fsync
// covers yet, with their offsets. The kernel may drop them after a failed fsync; this is
// the copy that a repair writes again.
//
// Lines are copied here first and written from here.
type unsynced struct {
	buf     []byte
	chunks  []chunk
	discard bool // keep the offsets only

	peak int // the largest size of buf since the last shrink
}

// chunk is the bytes of one write.
type chunk struct {
	offset     int64 // in the file
	start, end int   // in unsynced.buf
	last       int64 // the number of its last line
}

func (u *unsynced) size() int     { return len(u.buf) }
func (u *unsynced) grow(n int)    { u.buf = slices.Grow(u.buf, n) }
func (u *unsynced) put(b []byte)  { u.buf = append(u.buf, b...) }
func (u *unsynced) cut(start int) { u.buf = u.buf[:start] }

// markWritten records that the n bytes from start on are in the file at offset, and that
// the bytes after them are not. last is the number of their last line.
func (u *unsynced) markWritten(start, n int, offset, last int64) {
	if !u.discard {
		u.buf = u.buf[:start+n]
		if n > 0 {
			u.chunks = append(u.chunks, chunk{offset: offset, start: start, end: start + n, last: last})
		}
		return
	}
	u.buf = u.buf[:0]
	if n == 0 {
		return
	}
	if len(u.chunks) == 0 {
		u.chunks = append(u.chunks, chunk{offset: offset})
	}
	u.chunks[0].last = last
}

// forget drops the lines up to number synced.
func (u *unsynced) forget(synced int64) {
	n := 0
	for n < len(u.chunks) && u.chunks[n].last <= synced {
		n++
	}
	if n == 0 {
		return
	}
	u.chunks = u.chunks[:copy(u.chunks, u.chunks[n:])]
	if len(u.chunks) == 0 {
		u.clear()
		return
	}
	if dead := u.chunks[0].start; dead > len(u.buf)/2 {
		u.buf = u.buf[:copy(u.buf, u.buf[dead:])]
		for i := range u.chunks {
			u.chunks[i].start -= dead
			u.chunks[i].end -= dead
		}
	}
}

// clear drops everything. It keeps the memory until shrink: a commit of much memory
// costs more to allocate than to write.
func (u *unsynced) clear() {
	u.peak = max(u.peak, len(u.buf))
	u.chunks = u.chunks[:0]
	u.buf = u.buf[:0]
}

// minShrink is the capacity in bytes up to which shrink keeps the memory.
const minShrink = 1 << 20

// shrink frees memory if little of it was used since the last call.
func (u *unsynced) shrink() {
	if u.peak = max(u.peak, len(u.buf)); cap(u.buf) > minShrink && cap(u.buf) > 4*u.peak {
		u.buf = slices.Clone(u.buf)
	}
	u.peak = 0
}

// from returns the offset in the file of the first byte, or size if there is none.
func (u *unsynced) from(size int64) int64 {
	if len(u.chunks) == 0 {
		return size
	}
	return min(size, u.chunks[0].offset)
}

// truncated drops the chunks that begin at the new end of the file or after it.
func (u *unsynced) truncated(size int64) {
	n := len(u.chunks)
	for n > 0 && u.chunks[n-1].offset >= size {
		n--
	}
	u.chunks = u.chunks[:n]
	if n == 0 {
		u.clear()
	}
}

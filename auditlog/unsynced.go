package auditlog

import "slices"

// unsynced holds the bytes that this Log wrote to the active file and that no
// fsync covers yet, with their places in the file. After a failed fsync they
// are the only copy of which it is known that the kernel did not drop it.
//
// Lines are put here first and written from here, so that this costs no copy.
type unsynced struct {
	buf     []byte
	chunks  []chunk
	discard bool // keep the places only

	peak int // the most bytes since shrink
}

// chunk is what one write wrote.
type chunk struct {
	offset     int64 // in the file
	start, end int   // in unsynced.buf
	last       int64 // the running number of its last line
}

func (u *unsynced) size() int     { return len(u.buf) }
func (u *unsynced) grow(n int)    { u.buf = slices.Grow(u.buf, n) }
func (u *unsynced) put(b []byte)  { u.buf = append(u.buf, b...) }
func (u *unsynced) cut(start int) { u.buf = u.buf[:start] }

// wrote tells that the n bytes from start on are in the file at offset, the
// last of their lines being number last, and that what is behind them is not.
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

// forget lets go of the lines up to number synced.
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

// clear lets go of everything. It keeps the memory, until shrink: to get much of
// that anew for each commit costs more than to write it.
func (u *unsynced) clear() {
	u.peak = max(u.peak, len(u.buf))
	u.chunks = u.chunks[:0]
	u.buf = u.buf[:0]
}

// shrink gives back memory of which little was used since the last call.
func (u *unsynced) shrink() {
	if u.peak = max(u.peak, len(u.buf)); cap(u.buf) > maxPooledBytes && cap(u.buf) > 4*u.peak {
		u.buf = slices.Clone(u.buf)
	}
	u.peak = 0
}

// from returns the offset of the first byte, or size if there is none.
func (u *unsynced) from(size int64) int64 {
	if len(u.chunks) == 0 {
		return size
	}
	return min(size, u.chunks[0].offset)
}

// truncated lets go of what lay behind the new end of the file.
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

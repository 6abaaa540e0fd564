package auditlog

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"time"

	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// archiveSummary says what a compressed archive holds, so that a reader with a
// bound of time need not uncompress what cannot match. It stands in an extra
// field of the gzip header (RFC 1952, section 2.3.1.1), which every other
// program passes over, under the identification oa. FORMAT.md section 1 has
// its layout.
//
// A reader believes it only if it fits the file: see readSummary.
type archiveSummary struct {
	events, damaged int64 // number of events, and of damaged lines
	untimed         int64 // number of events without a readable ts
	bytes           int64 // uncompressed
	compressed      int64 // bytes of the whole file
	checksum        uint32
	// timed tells whether any event has a readable ts; then oldest and newest are
	// the smallest and the largest.
	timed          bool
	oldest, newest time.Time
}

const (
	summaryID1, summaryID2 = 'o', 'a'
	summaryVersion         = 2 // 1 took fewer forms of ts for readable
	summarySize            = 76
	summaryTimed           = 1 // flag
	// summaryOffset is where the field's data is in an archive that this
	// package writes: behind the fixed header, the length of the extra field
	// and the head of the subfield.
	summaryOffset = gzipHeaderSize + 2 + 4
	// maxExtra bounds the extra field of other writers that is searched.
	maxExtra = 1024

	gzipHeaderSize  = 10
	gzipTrailerSize = 8
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// summarize reads the archive plain, before it is compressed, as readers do.
func summarize(path string, plain io.ReaderAt, size int64, longest int) (archiveSummary, error) {
	sum := archiveSummary{bytes: size}
	content32 := crc32.NewIEEE()
	src := &ioReader{r: io.TeeReader(io.NewSectionReader(plain, 0, sum.bytes), content32)}
	c := &content{path: path, io: src, reader: src}
	scan := newFileScan(c, Cursor{}, longest, func(*DamageError) { sum.damaged++ })
	err := scan.all(context.Background(), func(s *fileScan) bool {
		sum.events++
		t, ok := jsonline.ParseTime(s.fields[fieldTime])
		if !ok {
			sum.untimed++
			return true
		}
		if !sum.timed || t.Before(sum.oldest) {
			sum.oldest = t
		}
		if !sum.timed || t.After(sum.newest) {
			sum.newest = t
		}
		sum.timed = true
		return true
	})
	sum.checksum = content32.Sum32()
	return sum, errors.Join(err, scan.Close())
}

// extra returns the extra field that says s.
func (s archiveSummary) extra() ([]byte, error) {
	data, err := s.encode()
	if err != nil {
		return nil, err
	}
	head := binary.LittleEndian.AppendUint16([]byte{summaryID1, summaryID2}, summarySize)
	return append(head, data...), nil
}

// encodedSummary is the data of the subfield, little-endian.
type encodedSummary struct {
	Version, Flags               uint8
	_                            [2]uint8
	Sum                          uint32 // CRC-32C of all this, with Sum as 0
	Events, Damaged, Bytes       int64
	OldestSeconds, NewestSeconds int64 // since 1970
	OldestNanos, NewestNanos     int32
	Checksum                     uint32
	Untimed                      int64
	Compressed                   int64
}

// encode returns the data of the subfield.
func (s archiveSummary) encode() ([]byte, error) {
	e := encodedSummary{
		Version: summaryVersion,
		Events:  s.events, Damaged: s.damaged, Bytes: s.bytes,
		Checksum: s.checksum, Untimed: s.untimed, Compressed: s.compressed,
	}
	if s.timed {
		e.Flags = summaryTimed
		e.OldestSeconds, e.OldestNanos = s.oldest.Unix(), int32(s.oldest.Nanosecond()) //nolint:gosec // below 10^9
		e.NewestSeconds, e.NewestNanos = s.newest.Unix(), int32(s.newest.Nanosecond()) //nolint:gosec // below 10^9
	}
	b, err := binary.Append(nil, binary.LittleEndian, e)
	if err != nil {
		return nil, err
	}
	e.Sum = crc32.Checksum(b, castagnoli)
	return binary.Append(b[:0], binary.LittleEndian, e)
}

// decodeSummary reverses encode. It reports false for what encode does not
// write.
func decodeSummary(b []byte) (s archiveSummary, ok bool) {
	var e encodedSummary
	if n, err := binary.Decode(b, binary.LittleEndian, &e); err != nil || n != len(b) {
		return s, false
	}
	s = archiveSummary{
		events: e.Events, damaged: e.Damaged, bytes: e.Bytes, checksum: e.Checksum,
		untimed: e.Untimed, compressed: e.Compressed, timed: e.Flags&summaryTimed != 0,
		oldest: time.Unix(e.OldestSeconds, int64(e.OldestNanos)).UTC(),
		newest: time.Unix(e.NewestSeconds, int64(e.NewestNanos)).UTC(),
	}
	again, err := s.encode()
	return s, err == nil && bytes.Equal(b, again)
}

// gzipTrailer is the end of a gzip file: what it holds, uncompressed. Of a file
// of several members it is that of the last one.
type gzipTrailer struct {
	checksum uint32
	size     uint32 // modulo 2^32
}

// readTrailer returns none of a file without room for it.
func readTrailer(f io.ReaderAt, size int64) (gzipTrailer, error) {
	if size < gzipHeaderSize+gzipTrailerSize {
		return gzipTrailer{}, nil
	}
	var b [gzipTrailerSize]byte
	if _, err := f.ReadAt(b[:], size-gzipTrailerSize); err != nil && !errors.Is(err, io.EOF) {
		return gzipTrailer{}, err
	}
	return gzipTrailer{binary.LittleEndian.Uint32(b[:]), binary.LittleEndian.Uint32(b[4:])}, nil
}

// readSummary returns the summary of the gzip file f, false if there is none or
// if it does not fit the file. It fits if
//
//   - it has its own checksum, so that no part of it is damaged,
//   - the file has the length that it says, so that nothing was added or cut off,
//   - the trailer has the checksum and the size of the content that it says, so
//     that it was not copied from elsewhere.
//
// What is between is not looked at: a damage there is found by who reads it,
// [Reader.Verify] for example. It is a cache and no seal: whoever may write the file
// can make a summary that fits.
func readSummary(f *os.File) (archiveSummary, bool, error) {
	head := make([]byte, gzipHeaderSize+2+maxExtra)
	n, err := f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return archiveSummary{}, false, err
	}
	summary, ok := decodeSummary(findSummary(head[:n]))
	if !ok {
		return archiveSummary{}, false, nil
	}
	info, err := f.Stat()
	if err != nil {
		return archiveSummary{}, false, err
	}
	trailer, err := readTrailer(f, info.Size())
	fits := info.Size() == summary.compressed && trailer.checksum == summary.checksum &&
		trailer.size == uint32(summary.bytes) //nolint:gosec // modulo 2^32, as RFC 1952 says
	return summary, err == nil && fits, err
}

// findSummary returns the data of the subfield in the beginning of a gzip file,
// nil if it is not there.
func findSummary(head []byte) []byte {
	const hasExtra = 1 << 2
	if len(head) < gzipHeaderSize+2 || head[0] != 0x1f || head[1] != 0x8b || head[2] != 8 || head[3]&hasExtra == 0 {
		return nil
	}
	extra := head[gzipHeaderSize+2:]
	extra = extra[:min(len(extra), int(binary.LittleEndian.Uint16(head[gzipHeaderSize:])))]
	for len(extra) >= 4 {
		id1, id2, n := extra[0], extra[1], int(binary.LittleEndian.Uint16(extra[2:]))
		if extra = extra[4:]; len(extra) < n {
			return nil
		}
		if id1 == summaryID1 && id2 == summaryID2 {
			return extra[:n]
		}
		extra = extra[n:]
	}
	return nil
}

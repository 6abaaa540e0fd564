package archive

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"time"
)

// Summary describes the content of a compressed archive, so that a reader with a
// bound of time skips archives that cannot match. It stands in an extra
// field of the gzip header (RFC 1952, section 2.3.1.1), which every other
// program passes over, under the identification oa. FORMAT.md section 1 has
// its layout.
//
// A reader believes it only if it fits the file: see [ReadSummary].
type Summary struct {
	Events, Damaged int64  // number of events, and of damaged lines
	Untimed         int64  // number of events without a readable ts
	Bytes           int64  // uncompressed
	Compressed      int64  // bytes of the whole file
	Checksum        uint32 // CRC-32 (IEEE) of the content
	// Timed reports whether an event has a readable ts. Oldest and Newest are
	// then the smallest and the largest ts.
	Timed          bool
	Oldest, Newest time.Time
}

const (
	summaryID1, summaryID2 = 'o', 'a'
	summaryVersion         = 2 // 1 took fewer forms of ts for readable
	summaryTimed           = 1 // flag
	// SummarySize is the size in bytes of the result of Encode.
	SummarySize = 76
	// SummaryOffset is the offset of the summary in an archive that a Log writes:
	// after the fixed header, the length of the extra field and the subfield's head.
	SummaryOffset = HeaderSize + 2 + 4
	// maxExtra bounds the extra field of other writers that is searched.
	maxExtra = 1024

	// HeaderSize is the size in bytes of a gzip header without optional fields.
	HeaderSize = 10
	// TrailerSize is the size in bytes of a gzip trailer.
	TrailerSize = 8
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Extra returns the extra field of a gzip header that holds s.
func (s Summary) Extra() ([]byte, error) {
	data, err := s.Encode()
	if err != nil {
		return nil, err
	}
	head := binary.LittleEndian.AppendUint16([]byte{summaryID1, summaryID2}, SummarySize)
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

// Encode returns the data of the subfield.
func (s Summary) Encode() ([]byte, error) {
	e := encodedSummary{
		Version: summaryVersion,
		Events:  s.Events, Damaged: s.Damaged, Bytes: s.Bytes,
		Checksum: s.Checksum, Untimed: s.Untimed, Compressed: s.Compressed,
	}
	if s.Timed {
		e.Flags = summaryTimed
		e.OldestSeconds, e.OldestNanos = s.Oldest.Unix(), int32(s.Oldest.Nanosecond()) //nolint:gosec // below 10^9
		e.NewestSeconds, e.NewestNanos = s.Newest.Unix(), int32(s.Newest.Nanosecond()) //nolint:gosec // below 10^9
	}
	b, err := binary.Append(nil, binary.LittleEndian, e)
	if err != nil {
		return nil, err
	}
	e.Sum = crc32.Checksum(b, castagnoli)
	return binary.Append(b[:0], binary.LittleEndian, e)
}

// decodeSummary reverses Encode. It reports false for data that Encode does not
// write.
func decodeSummary(b []byte) (s Summary, ok bool) {
	var e encodedSummary
	if n, err := binary.Decode(b, binary.LittleEndian, &e); err != nil || n != len(b) {
		return s, false
	}
	s = Summary{
		Events: e.Events, Damaged: e.Damaged, Bytes: e.Bytes, Checksum: e.Checksum,
		Untimed: e.Untimed, Compressed: e.Compressed, Timed: e.Flags&summaryTimed != 0,
		Oldest: time.Unix(e.OldestSeconds, int64(e.OldestNanos)).UTC(),
		Newest: time.Unix(e.NewestSeconds, int64(e.NewestNanos)).UTC(),
	}
	again, err := s.Encode()
	return s, err == nil && bytes.Equal(b, again)
}

// Trailer is the end of a gzip file: checksum and size of the uncompressed content
// of its last member.
type Trailer struct {
	Checksum uint32
	Size     uint32 // modulo 2^32
}

// ReadTrailer returns the trailer of the gzip file f of size bytes, and the zero
// Trailer of a file that is too short for one.
func ReadTrailer(f io.ReaderAt, size int64) (Trailer, error) {
	if size < HeaderSize+TrailerSize {
		return Trailer{}, nil
	}
	var b [TrailerSize]byte
	if _, err := f.ReadAt(b[:], size-TrailerSize); err != nil && !errors.Is(err, io.EOF) {
		return Trailer{}, err
	}
	return Trailer{binary.LittleEndian.Uint32(b[:]), binary.LittleEndian.Uint32(b[4:])}, nil
}

// Holds reports whether the gzip file z of zSize bytes holds the first size bytes of
// plain: their size and their checksum are those in its trailer.
func Holds(z io.ReaderAt, zSize int64, plain io.ReaderAt, size int64) (bool, error) {
	trailer, err := ReadTrailer(z, zSize)
	if err != nil || trailer.Size != uint32(size) { //nolint:gosec // modulo 2^32, as RFC 1952 says
		return false, err
	}
	sum := crc32.NewIEEE()
	if _, err := io.Copy(sum, io.NewSectionReader(plain, 0, size)); err != nil {
		return false, err
	}
	return sum.Sum32() == trailer.Checksum, nil
}

// ReadSummary returns the summary of the gzip file f, false if there is none or
// if it does not fit the file. It fits if
//
//   - it has its own checksum, so that no part of it is damaged,
//   - the file has the length that it says, so that nothing was added or cut off,
//   - the trailer has the checksum and the size of the content that it says, so
//     that it was not copied from elsewhere.
//
// ReadSummary does not read the content: damage there shows when the content is
// read. A summary is a cache and no seal: a process that may write the file can
// make a summary that fits.
func ReadSummary(f *os.File) (Summary, bool, error) {
	head := make([]byte, HeaderSize+2+maxExtra)
	n, err := f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return Summary{}, false, err
	}
	summary, ok := decodeSummary(findSummary(head[:n]))
	if !ok {
		return Summary{}, false, nil
	}
	info, err := f.Stat()
	if err != nil {
		return Summary{}, false, err
	}
	trailer, err := ReadTrailer(f, info.Size())
	fits := info.Size() == summary.Compressed && trailer.Checksum == summary.Checksum &&
		trailer.Size == uint32(summary.Bytes) //nolint:gosec // modulo 2^32, as RFC 1952 says
	return summary, err == nil && fits, err
}

// findSummary returns the data of the subfield in the beginning of a gzip file,
// nil if it is not there.
func findSummary(head []byte) []byte {
	const hasExtra = 1 << 2
	if len(head) < HeaderSize+2 || head[0] != 0x1f || head[1] != 0x8b || head[2] != 8 || head[3]&hasExtra == 0 {
		return nil
	}
	extra := head[HeaderSize+2:]
	extra = extra[:min(len(extra), int(binary.LittleEndian.Uint16(head[HeaderSize:])))]
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

package scan

import (
	"context"
	"errors"
	"hash/crc32"
	"io"

	"github.com/otelaudit/otelaudit/internal/archive"
	"github.com/otelaudit/otelaudit/internal/jsonline"
)

// Summarize reads an archive before it is compressed, as readers do, and returns what its
// header says.
func Summarize(path string, plain io.ReaderAt, size int64, longest int) (archive.Summary, error) {
	sum := archive.Summary{Bytes: size}
	content32 := crc32.NewIEEE()
	src := &ioReader{r: io.TeeReader(io.NewSectionReader(plain, 0, sum.Bytes), content32)}
	c := &Content{path: path, io: src, reader: src}
	scan := newScanner(c, Cursor{}, longest, func(*DamageError) { sum.Damaged++ })
	err := scan.All(context.Background(), func(s *Scanner) bool {
		sum.Events++
		t, ok := jsonline.ParseTime(s.Fields[FieldTime])
		if !ok {
			sum.Untimed++
			return true
		}
		if !sum.Timed || t.Before(sum.Oldest) {
			sum.Oldest = t
		}
		if !sum.Timed || t.After(sum.Newest) {
			sum.Newest = t
		}
		sum.Timed = true
		return true
	})
	sum.Checksum = content32.Sum32()
	return sum, errors.Join(err, scan.Close())
}

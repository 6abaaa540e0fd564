package journal

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"

	"github.com/otelaudit/otelaudit/internal/archive"
	"github.com/otelaudit/otelaudit/internal/vfs"
	"github.com/otelaudit/otelaudit/internal/vfs/memfs"
)

const (
	plainArchive = "/log/audit_20260213_163022.jsonl"
	gzipArchive  = plainArchive + ".gz"
)

var archived100 = bytes.Repeat([]byte(`{"n":0}`+"\n"), 100)

// archiveOf returns a file system that holds a plain archive, durably.
func archiveOf(t *testing.T) *memfs.FS {
	t.Helper()
	fsys := memfs.New()
	f, err := fsys.Open(plainArchive, vfs.Create)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(archived100)
	err = errors.Join(err, f.Sync(), f.Close())
	folder, openErr := fsys.OpenFolder("/log")
	if err = errors.Join(err, openErr); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(folder.Sync(), folder.Close()); err != nil {
		t.Fatal(err)
	}
	return fsys
}

// compressIn has a compressor of its own compress the archive.
func compressIn(fsys vfs.FS) {
	c := compressor{
		fs: fsys, dir: "/log", logger: slog.New(slog.DiscardHandler),
		summarize: func(_ string, _ io.ReaderAt, size int64) (archive.Summary, error) {
			return archive.Summary{Bytes: size}, nil
		},
	}
	c.start(plainArchive)
	c.wait()
}

// TestACompressionThatFailsOrDiesAnywhereLosesNothing: a whole archive is there after a
// failure of each operation, and after a power cut at each, and the next attempt ends it.
func TestACompressionThatFailsOrDiesAnywhereLosesNothing(t *testing.T) {
	for _, fault := range []memfs.Fault{memfs.Refused, memfs.Applied, memfs.Short, memfs.Death} {
		for k, more := 0, true; more; k++ {
			fsys := archiveOf(t)
			first, failed := fsys.Ops(), ""
			fsys.Fault = func(n int, op, name string) memfs.Fault {
				if n-first == k {
					failed = op + " " + name
					return fault
				}
				return memfs.None
			}
			compressIn(fsys)
			more = failed != ""
			fsys.Fault = nil
			after := []*memfs.FS{fsys}
			if fault == memfs.Death {
				after = nil
				for seed := range uint64(4) {
					after = append(after, fsys.PowerCut(rand.New(rand.NewPCG(uint64(k), seed))))
				}
			}
			for _, fsys := range after {
				if !slices.ContainsFunc([]string{plainArchive, gzipArchive}, func(name string) bool {
					return bytes.Equal(contentOf(fsys, name), archived100)
				}) {
					t.Errorf("fault %d at %q: no archive is whole: %q", fault, failed, fsys.Names())
				}
				compressIn(fsys)
				if names := fsys.Names(); !bytes.Equal(contentOf(fsys, gzipArchive), archived100) ||
					slices.Contains(names, plainArchive) || slices.Contains(names, gzipArchive+archive.TempSuffix) {
					t.Errorf("fault %d at %q, and another attempt: %q", fault, failed, names)
				}
			}
		}
	}
}

// contentOf returns what the file at name holds, uncompressed; nil if that cannot be read.
func contentOf(fsys vfs.FS, name string) []byte {
	f, err := fsys.Open(name, vfs.Read)
	if err != nil {
		return nil
	}
	defer f.Close() //nolint:errcheck // read only
	info, err := f.Stat()
	if err != nil {
		return nil
	}
	var r io.Reader = io.NewSectionReader(f, 0, info.Size)
	if strings.HasSuffix(name, archive.GzipSuffix) {
		if r, err = gzip.NewReader(r); err != nil {
			return nil
		}
	}
	content, err := io.ReadAll(r)
	if err != nil {
		return nil
	}
	return content
}

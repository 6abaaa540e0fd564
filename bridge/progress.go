package bridge

import (
	"encoding/binary"
	"strings"

	"github.com/otelaudit/otelaudit/internal/scan"
)

// startProgress estimates what there is to do and reports the beginning.
func (r *run) startProgress(files []*scan.File) {
	if r.cfg.progress == nil {
		return
	}
	for _, f := range files {
		n, ok := r.contentSize(f.Path)
		if !ok {
			r.progress.TotalBytes = 0
			break
		}
		r.progress.TotalBytes += n
	}
	if r.progress.TotalBytes > 0 {
		r.progress.TotalBytes = max(0, r.progress.TotalBytes-r.place.at.Offset)
	}
	r.report()
}

func (r *run) report() {
	if r.cfg.progress == nil {
		return
	}
	if r.progress.TotalBytes > 0 {
		r.progress.TotalBytes = max(r.progress.TotalBytes, r.progress.Bytes)
	}
	r.cfg.progress(r.progress)
}

// contentSize returns the size of a file's uncompressed content. Of a gzip file
// it is what the trailer of the last member says (RFC 1952: ISIZE, modulo 2^32),
// right for the archives of auditlog, which have one member.
func (b *Bridge) contentSize(path string) (int64, bool) {
	f, err := b.beside.Open(path)
	if err != nil {
		return 0, false
	}
	defer func() { _ = f.Close() }() // nothing was written
	info, err := f.Stat()
	if err != nil {
		return 0, false
	}
	if !strings.HasSuffix(path, ".gz") {
		return info.Size(), true
	}
	var trailer [4]byte
	if _, err := f.ReadAt(trailer[:], info.Size()-4); err != nil {
		return 0, false
	}
	return int64(binary.LittleEndian.Uint32(trailer[:])), true
}

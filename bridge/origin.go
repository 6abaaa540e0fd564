package bridge

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/otelaudit/otelaudit/internal/history"
	"github.com/otelaudit/otelaudit/internal/scan"
)

// origin is what a checkpoint says of the file that it points into. It does not
// change: when there is more to say of a file, it gets another one.
type origin struct {
	path     string
	head     []byte  // the file's first bytes, headSize if it has that many
	previous *fileID // the nearest file before it that can be named
}

func (o *origin) name() string { return filepath.Base(o.path) }

// reaching returns an origin of the same file that knows its beginning as far
// as a checkpoint at offset needs it.
func (o *origin) reaching(ctx context.Context, offset int64, f *scan.File) (*origin, error) {
	if int64(len(o.head)) >= min(headSize, offset) {
		return o, nil
	}
	head, err := history.Head(ctx, f, headSize)
	if err != nil {
		return nil, fmt.Errorf("read the beginning of %s: %w", f.Path, err)
	}
	return &origin{path: o.path, head: head, previous: o.previous}, nil
}

// place is a position in the log, with what tells it from any other.
type place struct {
	origin *origin
	at     scan.Cursor
	tail   history.Span // the last line before it
}

// checkpoint returns what is saved of p.
func (p place) checkpoint(endpoint string) *checkpoint {
	cp := &checkpoint{
		Version:  checkpointVersion,
		Endpoint: endpoint,
		File:     p.origin.name(),
		Offset:   p.at.Offset,
		Line:     p.at.Line,
		Head:     history.SpanOf(0, p.origin.head[:min(int64(len(p.origin.head)), p.at.Offset)]),
		Tail:     p.tail,
		Previous: p.origin.previous,
	}
	if cp.Tail.SHA256 == "" {
		cp.Tail = history.SpanOf(0, nil) // no event yet, damaged lines only
	}
	return cp
}

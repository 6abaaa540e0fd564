package bridge

import (
	"bytes"

	"github.com/klauspost/compress/gzip"
)

// packer compresses one body after the other in the same memory.
type packer struct {
	gz  *gzip.Writer
	out bytes.Buffer
}

// pack returns body as a gzip file, valid until the next call. The fastest level
// takes a third of the time of the default one, and audit lines become a
// tenth of their size all the same.
func (p *packer) pack(body []byte) ([]byte, error) {
	p.out.Reset()
	if p.gz == nil {
		var err error
		if p.gz, err = gzip.NewWriterLevel(&p.out, gzip.BestSpeed); err != nil {
			return nil, err
		}
	} else {
		p.gz.Reset(&p.out)
	}
	if _, err := p.gz.Write(body); err != nil {
		return nil, err
	}
	if err := p.gz.Close(); err != nil {
		return nil, err
	}
	return p.out.Bytes(), nil
}

// letGo frees the memory of an unusually large body.
func (p *packer) letGo() {
	if p.out.Cap() > maxKeptBody {
		p.out = bytes.Buffer{}
	}
}

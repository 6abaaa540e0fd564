package otlpwire

import (
	"go.opentelemetry.io/otel/attribute"

	"github.com/otelaudit/otelaudit/internal/jsonline"
	"github.com/otelaudit/otelaudit/internal/otelline"
)

// Encoder collects lines and makes export requests of them. It keeps its
// memory from batch to batch. It is not safe for concurrent use; several can be
// used in parallel.
type Encoder struct {
	decoder *otelline.Decoder
	uid     otelline.ForeignUID
	extra   []attribute.KeyValue
	derived bool // fields are attributes under their own names
	origins origins

	tape    jsonline.Tape
	line    line   // the line that is being added
	scratch []byte // what a string stands for

	records     []record
	w           writer // the records, each of which begins before the one added before it
	originBytes int    // bytes of their scopes and resources
	batch       int64  // counts resets
	groups      groups // of the last request
}

// record is a LogRecord, without its tag and length. Its place is counted from
// the end of the writer's buffer, because that grows at its beginning.
type record struct {
	begin, end int // begin > end
	scope      int32
}

func (r record) size() int { return r.begin - r.end }

// NewEncoder returns an encoder without lines. cfg means what it means for the
// Decoder.
func NewEncoder(cfg otelline.DecoderConfig) *Encoder {
	return &Encoder{decoder: otelline.NewDecoder(cfg), derived: cfg.Derived, batch: 1}
}

// SetExtra sets attributes, of scalar types, that records added from now on get
// behind their own, each unless the record has one of that key.
func (e *Encoder) SetExtra(attrs ...attribute.KeyValue) { e.extra = attrs }

// Add adds the record of the line raw, which is a JSON object, without LF or
// CRLF. offset is that of its first byte in the uncompressed file. The encoder
// keeps nothing of raw.
//
// An error says why the line has no record, in the words of
// [otelline.Decoder.Decode]. Nothing is added then.
func (e *Encoder) Add(raw []byte, offset int64) error {
	end := e.w.size()
	scope, ok := e.addFast(raw, offset)
	if !ok {
		e.w.at = len(e.w.buf) - end // whatever was begun
		r, err := e.decoder.Decode(raw, offset)
		if err != nil {
			return err
		}
		scope = e.origins.of(r.InstrumentationScope(), r.Resource())
		e.w.record(&r, e.extra)
	}
	e.records = append(e.records, record{e.w.size(), end, scope})
	e.originBytes += e.origins.use(scope, e.batch)
	return nil
}

// Len returns the number of records.
func (e *Encoder) Len() int { return len(e.records) }

// Bytes returns the size of a request of all records, or a little more.
func (e *Encoder) Bytes() int {
	return e.w.size() + len(e.records)*maxHead + e.originBytes
}

// maxKept bounds the memory that is kept from batch to batch, in bytes.
const maxKept = 4 << 20

// Reset removes all records.
func (e *Encoder) Reset() {
	e.records = e.records[:0]
	e.originBytes = 0
	e.batch++
	e.origins.reset()
	e.w.at = len(e.w.buf)
	if len(e.w.buf) > maxKept {
		e.w = writer{}
	}
	if cap(e.scratch) > maxKept {
		e.scratch = nil
	}
	if cap(e.tape.Tokens)*16 > maxKept {
		e.tape.Tokens = nil
	}
	e.line.reset()
}

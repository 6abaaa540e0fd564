package otlpwire

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// writer writes protobuf from its end to its beginning. A message's length
// stands before it; written backwards it is known when its turn comes, without
// a pass that sizes everything first, and without moving what was written.
//
// So callers write the last field first. What is written is buf[at:].
type writer struct {
	buf []byte
	at  int
}

// Tags of the fields, number<<3 | type.
const (
	typeVarint  = 0
	typeFixed64 = 1
	typeBytes   = 2
	typeFixed32 = 5

	requestResourceLogs = 1<<3 | typeBytes

	resourceLogsResource  = 1<<3 | typeBytes
	resourceLogsScopeLogs = 2<<3 | typeBytes
	resourceLogsSchemaURL = 3<<3 | typeBytes

	resourceAttributes = 1<<3 | typeBytes

	scopeLogsScope      = 1<<3 | typeBytes
	scopeLogsLogRecords = 2<<3 | typeBytes
	scopeLogsSchemaURL  = 3<<3 | typeBytes

	scopeName       = 1<<3 | typeBytes
	scopeVersion    = 2<<3 | typeBytes
	scopeAttributes = 3<<3 | typeBytes

	recordTime         = 1<<3 | typeFixed64
	recordSeverity     = 2<<3 | typeVarint
	recordSeverityText = 3<<3 | typeBytes
	recordBody         = 5<<3 | typeBytes
	recordAttributes   = 6<<3 | typeBytes
	recordDropped      = 7<<3 | typeVarint
	recordFlags        = 8<<3 | typeFixed32
	recordTraceID      = 9<<3 | typeBytes
	recordSpanID       = 10<<3 | typeBytes
	recordObserved     = 11<<3 | typeFixed64
	recordEventName    = 12<<3 | typeBytes

	keyValueKey   = 1<<3 | typeBytes
	keyValueValue = 2<<3 | typeBytes

	anyString = 1<<3 | typeBytes
	anyBool   = 2<<3 | typeVarint
	anyInt    = 3<<3 | typeVarint
	anyDouble = 4<<3 | typeFixed64
	anyArray  = 5<<3 | typeBytes
	anyMap    = 6<<3 | typeBytes
	anyBytes  = 7<<3 | typeBytes

	listValues = 1<<3 | typeBytes // of an ArrayValue and of a KeyValueList
)

// size returns how much is written.
func (w *writer) size() int { return len(w.buf) - w.at }

// reserve makes room for n more bytes.
func (w *writer) reserve(n int) {
	if w.at < n {
		w.grow(n)
	}
}

func (w *writer) grow(n int) {
	written := w.buf[w.at:]
	bigger := make([]byte, max(2*len(w.buf), len(written)+n, 4096))
	w.at = len(bigger) - copy(bigger[len(bigger)-len(written):], written)
	w.buf = bigger
}

// varint writes n.
func (w *writer) varint(n uint64) {
	w.reserve(binary.MaxVarintLen64)
	if n < 0x80 {
		w.at--
		w.buf[w.at] = byte(n)
		return
	}
	w.at -= sizeVarint(n)
	binary.PutUvarint(w.buf[w.at:], n)
}

// sizeVarint returns how many bytes n takes.
func sizeVarint(n uint64) int { return (bits.Len64(n|1) + 6) / 7 }

// message ends the message, or text, that was begun when size was begun: it
// writes its length and the tag of its field.
func (w *writer) message(tag byte, begun int) {
	w.varint(uint64(w.size() - begun)) //nolint:gosec // never negative
	w.byte(tag)
}

func (w *writer) byte(b byte) {
	w.reserve(1)
	w.at--
	w.buf[w.at] = b
}

// text writes a field of type string or bytes. Protobuf leaves out an empty one,
// unless it is a choice of a oneof; that is up to the caller.
func (w *writer) text(tag byte, text []byte) {
	w.reserve(len(text) + 1 + binary.MaxVarintLen64)
	w.at -= len(text)
	copy(w.buf[w.at:], text)
	if len(text) < 0x80 {
		w.at -= 2
		w.buf[w.at], w.buf[w.at+1] = tag, byte(len(text)) //nolint:gosec // below 0x80
		return
	}
	w.varint(uint64(len(text)))
	w.byte(tag)
}

// nonEmpty writes a field of type string or bytes unless it is empty.
func (w *writer) nonEmpty(tag byte, text []byte) {
	if len(text) > 0 {
		w.text(tag, text)
	}
}

func (w *writer) number(tag byte, n uint64) {
	w.varint(n)
	w.byte(tag)
}

func (w *writer) fixed64(tag byte, n uint64) {
	w.reserve(9)
	w.at -= 9
	w.buf[w.at] = tag
	binary.LittleEndian.PutUint64(w.buf[w.at+1:], n)
}

func (w *writer) fixed32(tag byte, n uint32) {
	w.reserve(5)
	w.at -= 5
	w.buf[w.at] = tag
	binary.LittleEndian.PutUint32(w.buf[w.at+1:], n)
}

func (w *writer) double(tag byte, f float64) { w.fixed64(tag, math.Float64bits(f)) }

func (w *writer) bool(tag byte, b bool) {
	n := uint64(0)
	if b {
		n = 1
	}
	w.number(tag, n)
}

// written returns what is written.
func (w *writer) written() []byte { return w.buf[w.at:] }

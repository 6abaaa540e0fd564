package exporter

import "sync"

// keptEncoders are encoders of batches that wait for the next one, the last first.
// A sync.Pool loses them with each cycle of the garbage collector, which a
// collector of telemetry has many of in a second; then the buffer for some hundred
// lines grows again from nothing, which costs as much as half of the encoding.
type keptEncoders struct {
	mu    sync.Mutex
	free  []*encoder
	bytes int // that they hold, about
}

// maxKeptBytes bounds the memory that is kept when all batches are written. It is
// that of the batches of 512 records which some 50 senders send at once.
const maxKeptBytes = 32 << 20

func (k *keptEncoders) get(e *Exporter) *encoder {
	k.mu.Lock()
	defer k.mu.Unlock()
	last := len(k.free) - 1
	if last < 0 {
		return e.encoder()
	}
	enc := k.free[last]
	k.free[last] = nil
	k.free = k.free[:last]
	k.bytes -= enc.size()
	return enc
}

// size returns about how many bytes enc holds: its buffer, and what encoding a
// record of usual size needs.
func (enc *encoder) size() int { return enc.lines.Cap() + 16<<10 }

func (k *keptEncoders) put(enc *encoder) {
	if n := enc.lines.Len(); n > 0 {
		enc.lineSize.Store(int64(enc.lines.Size() / n))
	}
	enc.reset()
	k.mu.Lock()
	defer k.mu.Unlock()
	if size := enc.size(); k.bytes+size <= maxKeptBytes {
		k.free = append(k.free, enc)
		k.bytes += size
		return
	}
	// The garbage collector may have it when nobody asks for it.
	enc.encoders.Put(enc)
}

// maxExpected bounds the memory that is got for lines which are only expected.
const maxExpected = 16 << 20

// expect makes room for so many lines, of the size that the last batch had.
func (enc *encoder) expect(lines int) {
	size := enc.lineSize.Load()
	enc.lines.Grow(int(min(int64(lines)*(size+size/8), maxExpected)))
}

package bridge

import (
	"slices"

	"github.com/otelaudit/otelaudit/internal/history"
	"github.com/otelaudit/otelaudit/internal/scan"
)

// item is one line on its way.
type item struct {
	start, end int   // of the line in batch.text, without its line ending
	offset     int64 // in its file
	number     int64 // of the line, from 1
	behind     scan.Cursor
}

// batch is some lines of one file that go into one request, and what came of
// them. The reader fills it, a worker sends it, and the goroutine of Run
// settles it: one after the other, and nobody at the same time.
type batch struct {
	origin *origin
	start  scan.Cursor // behind what was passed before it
	text   []byte      // of all items, one line behind the other
	items  []item
	damage []*scan.DamageError // lines that are no event, in order
	// behind is what is passed once the batch is settled, and tail the last
	// line before that.
	behind scan.Cursor
	tail   history.Span
	// unfinished says that the active file ends in a line without line feed,
	// restarted that the reader did not find the place it looked for.
	unfinished, restarted bool
	gone                  int64 // archives that were removed before they were read

	parts   []part
	retried int64
	err     error         // why the parts do not cover all items
	done    chan struct{} // has room for one value, sent when the worker is done
}

// part is a range of items, and what the collector said to it.
type part struct {
	from, to int
	verdict  verdict
}

func newBatch() *batch { return &batch{done: make(chan struct{}, 1)} }

// raw returns the line of an item.
func (b *batch) raw(it item) []byte { return b.text[it.start:it.end] }

// isEmpty reports whether settling b would do nothing.
func (b *batch) isEmpty() bool { return b.behind == b.start && len(b.damage) == 0 && b.gone == 0 }

// takes reports whether a line of n bytes may join the batch. An empty batch
// takes any.
func (b *batch) takes(n, maxRecords int) bool {
	return len(b.items) == 0 || len(b.items) < maxRecords && len(b.text)+n <= maxBatchBytes
}

func (b *batch) add(e scan.Entry, behind scan.Cursor) {
	start := len(b.text)
	b.text = append(b.text, e.Raw...)
	b.items = append(b.items, item{start: start, end: len(b.text), offset: e.Offset, number: e.Line, behind: behind})
	b.behind = behind
}

// damaged moves an item that turned out to be no event to the damage.
func (b *batch) damaged(i int, reason string) {
	it := b.items[i]
	d := &scan.DamageError{
		File: b.origin.path, Line: it.number, Offset: it.offset, Length: int64(it.end - it.start), Reason: reason,
	}
	at, _ := slices.BinarySearchFunc(b.damage, d, func(a, b *scan.DamageError) int { return int(a.Line - b.Line) })
	b.damage = slices.Insert(b.damage, at, d)
	b.items = slices.Delete(b.items, i, i+1)
}

// reset makes b empty, for the next lines.
func (b *batch) reset() {
	clear(b.damage)
	clear(b.parts)
	*b = batch{
		text: b.text[:0], items: b.items[:0], damage: b.damage[:0], parts: b.parts[:0],
		done: b.done,
	}
	if cap(b.text) > 2*maxBatchBytes { // one huge line is no measure
		b.text = nil
	}
}

package report

import (
	"slices"
	"time"

	"github.com/otelaudit/otelaudit/internal/jsonline"
	"github.com/otelaudit/otelaudit/internal/spend"
)

// The texts of an event that a table shows, and where they are in a line.
const (
	textEvent = iota
	textSession
	textModel
	textReason
	textTrace
	textSpan
	textCount
)

var textKeys = [textCount]int{lineEvent, lineSession, lineModel, lineReason, lineTrace, lineSpan}

// entry is an event as a table shows it.
type entry struct {
	time         time.Time
	usage        spend.Usage
	ms           int64
	failed, stop bool
	texts        [textCount][]byte
}

// maxText is how much of a text is kept.
const maxText = 1 << 10

// ring holds the last events.
type ring struct {
	room    int
	entries []entry
	next    int // the oldest, once it is full
}

// add uses the memory of the entry that leaves: it is called for every event of
// a log.
func (r *ring) add(values [][]byte, t time.Time, u spend.Usage, ms int64, failed, stop bool) {
	if len(r.entries) < r.room {
		r.entries = append(r.entries, entry{})
		r.next = len(r.entries) - 1
	}
	e := &r.entries[r.next]
	r.next = (r.next + 1) % r.room
	e.time, e.usage, e.ms, e.failed, e.stop = t, u, ms, failed, stop
	for i, key := range textKeys {
		text := jsonline.AppendUnquoted(e.texts[i][:0], stringOf(values[key]))
		if len(text) > maxText {
			text = slices.Clone(text[:maxText])
		}
		e.texts[i] = text
	}
}

// newestFirst returns the entries in that order.
func (r *ring) newestFirst() []*entry {
	list := make([]*entry, 0, len(r.entries))
	for i := range r.entries {
		list = append(list, &r.entries[(r.next+len(r.entries)-1-i+len(r.entries))%len(r.entries)])
	}
	return list
}

package auditlog

import (
	"context"
	"errors"
	"slices"
)

// LastEvents returns the last n events, oldest first; with an event name, the
// last n of that name. Archives are opened only as far back as it takes.
func (r *Reader) LastEvents(ctx context.Context, n int, event string) (_ []Entry, err error) {
	snapshot, err := r.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	var newestFirst []Entry
	m := newMatcher(Filter{Event: event})
	for _, f := range slices.Backward(snapshot.Files()) {
		last := ring{room: n - len(newestFirst)}
		if last.room <= 0 {
			break
		}
		err := f.scan(ctx, Cursor{}, nil, func(s *fileScan) bool {
			if m.matches(&s.fields) {
				last.add(s.Entry)
			}
			return true
		})
		if err != nil {
			return nil, err
		}
		newestFirst = last.appendNewestFirst(newestFirst)
	}
	slices.Reverse(newestFirst)
	return newestFirst, nil
}

// ring keeps the last entries that were added to it. It uses the memory of
// those that it lets go of again.
type ring struct {
	room    int
	entries []Entry
	oldest  int
}

func (r *ring) add(e Entry) {
	if len(r.entries) < r.room {
		r.entries = append(r.entries, e.Clone())
		return
	}
	slot := &r.entries[r.oldest]
	e.Raw = append(slot.Raw[:0], e.Raw...)
	*slot = e
	r.oldest = (r.oldest + 1) % len(r.entries)
}

func (r *ring) appendNewestFirst(dst []Entry) []Entry {
	for i := range r.entries {
		dst = append(dst, r.entries[(r.oldest+len(r.entries)-1-i)%len(r.entries)])
	}
	return dst
}


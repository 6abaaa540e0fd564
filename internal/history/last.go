package history

import (
	"context"
	"errors"
	"slices"

	"github.com/otelaudit/otelaudit/internal/scan"
)

// Last returns the last n events that match, oldest first. It reads the files only as far
// back as it takes, so the Line of the entries is 0.
func (l *Log) Last(ctx context.Context, n int, filter scan.Filter) (_ []scan.Entry, err error) {
	snapshot, err := l.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	return snapshot.last(ctx, n, scan.NewMatcher(filter))
}

// last returns the last n events that match, oldest first.
func (s *Snapshot) last(ctx context.Context, n int, m *scan.Matcher) (_ []scan.Entry, err error) {
	completed := s.complete(ctx, m)
	defer func() { err = errors.Join(err, completed()) }()
	var newestFirst []scan.Entry
	for _, f := range slices.Backward(s.files) {
		if len(newestFirst) >= n {
			break
		}
		if newestFirst, err = f.AppendLast(ctx, newestFirst, n, m); err != nil {
			return nil, err
		}
	}
	slices.Reverse(newestFirst)
	return newestFirst, nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/otelaudit/otelaudit/benchmarks/internal/contest"
)

// timesKilled is how often each program is killed on its way through a log.
const timesKilled = 3

// kills kills each program with SIGKILL, starts it again, and counts what
// arrives twice or not at all.
func kills(dir string) ([]contest.Row, error) {
	us, err := otelaudit(dir)
	if err != nil {
		return nil, err
	}
	peer, err := filelog(dir, fastest, safest)
	if err != nil {
		return nil, err
	}
	path, err := makeLog(dir, shortLog, *lines, false)
	if err != nil {
		return nil, err
	}
	var twice, lost [2][]float64
	for range *contest.Turns {
		for i, p := range []program{us, peer} {
			t, l, err := survive(dir, p, path, *lines)
			if err != nil {
				return nil, err
			}
			twice[i], lost[i] = append(twice[i], float64(t)), append(lost[i], float64(l))
		}
	}
	what := fmt.Sprintf("killed %d times in %d lines", timesKilled, *lines)
	row := func(what string, counts [2][]float64, goal string) contest.Row {
		return contest.Row{
			What: what, Ours: fmt.Sprintf("%.0f", contest.Median(counts[0])),
			Peer: fmt.Sprintf("%s: %.0f", peer.name, contest.Median(counts[1])), Goal: goal,
		}
	}
	return []contest.Row{
		row(what+", records that arrive twice", twice, "a window for each kill"),
		row(what+", records that are lost", lost, "0"),
	}, nil
}

// survive lets p replay a log of n records and kills it when a quarter, a half
// and three quarters of them have arrived.
func survive(dir string, p program, path string, n int) (twice, lost int, err error) {
	state, err := os.MkdirTemp(dir, "state-")
	if err != nil {
		return 0, 0, err
	}
	seen := make([]bool, n)
	arrived, strange := 0, 0
	parts := make(chan struct{}, timesKilled) // one for each part that has arrived
	all := make(chan struct{})
	s, err := newSink(0, func(uid []byte, _ time.Time) {
		i, ok := eventOf(uid)
		switch {
		case !ok || i >= n:
			strange++
			return
		case seen[i]:
			twice++
			return
		}
		seen[i] = true
		arrived++
		if arrived == n {
			close(all)
		}
		for part := 1; part <= timesKilled; part++ {
			if arrived == n*part/(timesKilled+1) {
				parts <- struct{}{}
			}
		}
	})
	if err != nil {
		return 0, 0, err
	}
	closed := false
	defer func() {
		if !closed {
			err = errors.Join(err, s.close())
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), turnTime)
	defer cancel()
	for range timesKilled {
		run, err := p.start(ctx, path, state, s.url)
		if err != nil {
			return 0, 0, err
		}
		select {
		case <-parts:
		case <-ctx.Done():
		case <-run.exited:
		}
		if said := run.kill(); ctx.Err() != nil {
			return 0, 0, fmt.Errorf("%s: %w; it said:\n%s", p.name, ctx.Err(), said)
		}
	}
	run, err := p.start(ctx, path, state, s.url)
	if err != nil {
		return 0, 0, err
	}
	if s.waitFor(ctx, run, all); ctx.Err() != nil {
		return 0, 0, fmt.Errorf("%s: %w; it said:\n%s", p.name, ctx.Err(), run.kill())
	}
	if err := run.end(p); err != nil {
		return 0, 0, err
	}
	closed = true
	if err := s.close(); err != nil {
		return 0, 0, err
	}
	if strange > 0 {
		return 0, 0, fmt.Errorf("%s sent %d records that are not in the log", p.name, strange)
	}
	return twice, n - arrived, nil
}

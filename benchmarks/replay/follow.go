package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/benchmarks/internal/contest"
)

// follow measures how long after Append was called a record is accepted.
func follow(dir string) ([]contest.Row, error) {
	us, err := otelaudit(dir, "--follow")
	if err != nil {
		return nil, err
	}
	us.ends = false
	peer, err := filelog(dir, fastest)
	if err != nil {
		return nil, err
	}
	var rows []contest.Row
	for _, rate := range []int{1, 100, 10_000} {
		length := *seconds
		if rate == 1 {
			length *= 3
		}
		n := max(1, int(float64(rate)*length))
		var all [2][]time.Duration
		for i, p := range []program{us, peer} {
			if all[i], err = lag(dir, p, rate, n); err != nil {
				return nil, err
			}
		}
		row := func(percent int, goal string) contest.Row {
			of := func(all []time.Duration) float64 {
				return float64(all[min(len(all)-1, len(all)*percent/100)].Microseconds()) / 1e3
			}
			return contest.Row{
				What: fmt.Sprintf("from Append to acceptance, %d a second, p%d", rate, percent),
				Ours: fmt.Sprintf("%.0f ms", of(all[0])), Peer: fmt.Sprintf("%s: %.0f ms", peer.name, of(all[1])),
				Ratio: fmt.Sprintf("%.2f ×", of(all[0])/of(all[1])), Goal: goal,
			}
		}
		rows = append(rows, row(50, ""), row(99, "within 1 s"))
	}
	return rows, nil
}

// lag lets p follow a log and returns how long each of n events took, sorted.
func lag(dir string, p program, rate, n int) (_ []time.Duration, err error) {
	state, err := os.MkdirTemp(dir, "state-")
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp(dir, "log-")
	if err != nil {
		return nil, err
	}
	// Event 0 says that p is there. It is not measured.
	took := make([]time.Duration, n+1)
	appended := make([]time.Time, n+1)
	ready, all := make(chan struct{}), make(chan struct{})
	arrived := 0
	s, err := newSink(0, func(uid []byte, at time.Time) {
		i, ok := eventOf(uid)
		if !ok || i > n || took[i] > 0 {
			return // twice
		}
		took[i] = max(1, at.Sub(appended[i]))
		if i == 0 {
			close(ready)
		}
		if arrived++; arrived == n+1 {
			close(all)
		}
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	path := filepath.Join(folder, "audit.jsonl")
	log, err := auditlog.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	ctx, cancel := context.WithTimeout(context.Background(), turnTime)
	defer cancel()
	write := func(i int) error {
		s.mu.Lock()
		appended[i] = time.Now()
		s.mu.Unlock()
		return log.Append(ctx, auditlog.Event{Name: "llm.call", Cost: new(0.0041), Attributes: map[string]any{"log.record.uid": uid(i)}})
	}
	if err := write(0); err != nil {
		return nil, err
	}
	run, err := p.start(ctx, path, state, s.url)
	if err != nil {
		return nil, err
	}
	if err := run.wait(ctx, ready); err != nil {
		return nil, err
	}
	if err := paced(ctx, rate, n, write); err != nil {
		return nil, errors.Join(err, errors.New(run.kill()))
	}
	if err := run.wait(ctx, all); err != nil {
		return nil, err
	}
	if err := run.end(p); err != nil {
		return nil, err
	}
	return slices.Sorted(slices.Values(took[1:])), nil
}

// paced writes the events 1 to n at a rate per second, those that are due each
// millisecond.
func paced(ctx context.Context, rate, n int, write func(i int) error) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	began := time.Now()
	for i := 1; i <= n; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		due := min(n, int(time.Since(began).Seconds()*float64(rate))+1)
		for ; i <= due; i++ {
			if err := write(i); err != nil {
				return err
			}
		}
	}
	return nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/otelaudit/otelaudit/benchmarks/internal/contest"
)

// turnTime bounds a turn.
const turnTime = 10 * time.Minute

// score is what a program needed for a log.
type score struct {
	seconds float64 // from its start to the acceptance of the last record
	first   float64 // to that of the first, in ms
	cpu     float64 // seconds per million records
	peak    float64 // MiB of resident memory
}

// speedOf measures one kind of log.
func speedOf(what string, write writeLog, archives bool) func(dir string) ([]contest.Row, error) {
	return func(dir string) ([]contest.Row, error) {
		us, err := otelaudit(dir)
		if err != nil {
			return nil, err
		}
		peer, err := filelog(dir, fastest)
		if err != nil {
			return nil, err
		}
		path, err := makeLog(dir, write, *lines, archives)
		if err != nil {
			return nil, err
		}
		var all [2][]score
		for range *contest.Turns {
			for i, p := range []program{us, peer} {
				s, err := replay(dir, p, path, *lines)
				if err != nil {
					return nil, err
				}
				all[i] = append(all[i], s)
			}
		}
		return speedRows(what, peer.name, all[0], all[1]), nil
	}
}

// replay lets p replay a log of n records once.
func replay(dir string, p program, path string, n int) (_ score, err error) {
	state, err := os.MkdirTemp(dir, "state-")
	if err != nil {
		return score{}, err
	}
	s, err := newSink(n, nil)
	if err != nil {
		return score{}, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	ctx, cancel := context.WithTimeout(context.Background(), turnTime)
	defer cancel()
	run, err := p.start(ctx, path, state, s.url)
	if err != nil {
		return score{}, err
	}
	if s.waitFor(ctx, run, s.reached); ctx.Err() != nil || s.records.Load() < int64(n) {
		return score{}, fmt.Errorf("%s sent %d of %d records; it said:\n%s", p.name, s.records.Load(), n, run.kill())
	}
	if err := run.end(p); err != nil {
		return score{}, err
	}
	if got := s.records.Load(); got != int64(n) {
		return score{}, fmt.Errorf("%s sent %d records, want %d", p.name, got, n)
	}
	cpu, peak := run.used()
	since := func(ns int64) time.Duration { return time.Unix(0, ns).Sub(run.began) }
	return score{
		seconds: since(s.last.Load()).Seconds(), first: float64(since(s.first.Load()).Microseconds()) / 1e3,
		cpu: cpu / float64(n) * 1e6, peak: peak,
	}, nil
}

func speedRows(what, name string, ours, theirs []score) []contest.Row {
	row := func(what, format string, of func(score) float64, goal string) contest.Row {
		var us, them, ratios []float64
		for i := range ours {
			us, them = append(us, of(ours[i])), append(them, of(theirs[i]))
			ratios = append(ratios, of(ours[i])/of(theirs[i]))
		}
		return contest.Row{
			What: what, Ours: fmt.Sprintf(format, contest.Median(us)), Peer: fmt.Sprintf(name+": "+format, contest.Median(them)),
			Ratio: fmt.Sprintf("%.2f ×", contest.Median(ratios)), Goal: goal,
		}
	}
	n := float64(*lines)
	return []contest.Row{
		row(what, "%.0f lines/s", func(s score) float64 { return n / s.seconds }, "at least 4 ×"),
		row(what+", CPU per million", "%.1f s", func(s score) float64 { return s.cpu }, "at most 0.7 ×"),
		row(what+", peak memory", "%.0f MiB", func(s score) float64 { return s.peak }, "at most 64 MiB"),
		row(what+", first record", "%.0f ms", func(s score) float64 { return s.first }, "within 100 ms"),
	}
}

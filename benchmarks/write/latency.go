package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"gopkg.in/natefinch/lumberjack.v2"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/benchmarks/internal/contest"
)

// latencyLines fill a dozen files of 10 MiB.
const latencyLines = 400_000

// quantiles are of the time of single calls.
type quantiles struct{ p999, most []float64 }

// latency: how long a call takes while archives are compressed beside it.
func latency(dir string) ([]row, error) {
	off, sole := auditlog.WithoutCadenceSync(), auditlog.WithSoleOwner()
	kinds := []struct {
		name  string
		write func(path string, times []time.Duration) error
	}{
		{"sole owner", func(path string, times []time.Duration) error { return timeOurs(path, times, off, sole) }},
		{"ours without rotation", func(path string, times []time.Duration) error {
			return timeOurs(path, times, off, sole, auditlog.WithMaxFileSize(never))
		}},
		{"zerolog+lumberjack with Compress", timeLumberjack},
		{"shared", func(path string, times []time.Duration) error { return timeOurs(path, times, off) }},
	}
	found := make([]quantiles, len(kinds))
	times := make([]time.Duration, latencyLines)
	for range max(1, *contest.Turns/2) {
		for i, kind := range kinds {
			at, err := os.MkdirTemp(dir, "turn-")
			if err != nil {
				return nil, err
			}
			if err := kind.write(filepath.Join(at, "audit.jsonl"), times); err != nil {
				return nil, err
			}
			slices.Sort(times)
			found[i].p999 = append(found[i].p999, float64(times[latencyLines*999/1000]))
			found[i].most = append(found[i].most, float64(times[latencyLines-1]))
			if err := os.RemoveAll(at); err != nil {
				return nil, err
			}
		}
	}
	text := func(q quantiles) string {
		return fmt.Sprintf("%.0f µs (most: %.1f ms)", contest.Median(q.p999)/1e3, contest.Median(q.most)/1e6)
	}
	versus := func(what string, ours, theirs int) row {
		by := contest.Median(found[ours].p999) / contest.Median(found[theirs].p999)
		return row{What: what, Ours: text(found[ours]), Peer: kinds[theirs].name + ": " + text(found[theirs]), Ratio: fmt.Sprintf("%.2f ×", by)}
	}
	const what = "p99.9 of Append while 10 MiB archives are compressed, "
	return []row{
		versus(what+"sole owner", 0, 1),
		versus(what+"sole owner", 0, 2),
		versus(what+"shared", 3, 2),
	}, nil
}

func timeOurs(path string, times []time.Duration, opts ...auditlog.Option) error {
	log, err := auditlog.Open(path, opts...)
	if err != nil {
		return err
	}
	ctx, e := context.Background(), newEvent()
	err = timeEach(times, func(n int64) error {
		*e.InputTokens, *e.OutputTokens = n, n/2
		return log.Append(ctx, e)
	})
	return errors.Join(err, log.Close())
}

func timeLumberjack(path string, times []time.Duration) error {
	w := &lumberjack.Logger{Filename: path, MaxSize: 10, Compress: true}
	log := withZerolog(io.Writer(w))
	err := timeEach(times, func(n int64) error {
		log(n)
		return nil
	})
	return errors.Join(err, w.Close())
}

// timeEach makes len(times) calls and keeps how long each took.
func timeEach(times []time.Duration, call func(n int64) error) error {
	last := time.Now()
	for n := range times {
		if err := call(int64(n)); err != nil {
			return err
		}
		now := time.Now()
		times[n] = now.Sub(last)
		last = now
	}
	return nil
}

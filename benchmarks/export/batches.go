package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"testing"

	"go.opentelemetry.io/otel/exporters/stdout/stdoutlog"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/benchmarks/internal/contest"
	"github.com/otelaudit/otelaudit/exporter"
	"github.com/otelaudit/otelaudit/internal/recordtest"
)

// batches: records by 512, and nobody waits for the disk.
func batches(place, dir string) ([]contest.Row, error) {
	scores, err := contest.Race(dir, ours(), stdout(), zero())
	if err != nil {
		return nil, err
	}
	what := "Export of 512 on " + place
	return []contest.Row{
		faster(what, scores[0], "stdoutlog", scores[1], "at least 7 ×"),
		faster(what, scores[0], "zerolog+lumberjack", scores[2], "at least 1.3 ×"),
		{What: "allocations per batch of 512", Ours: strconv.FormatInt(scores[0].Allocs, 10),
			Peer: fmt.Sprintf("stdoutlog: %d", scores[1].Allocs), Goal: "0"},
	}, nil
}

func faster(what string, ours contest.Score, name string, theirs contest.Score, goal string) contest.Row {
	row := contest.Versus(what, ours, name, theirs, goal)
	row.Ratio = fmt.Sprintf("%.1f ×", contest.Ratio(theirs, ours))
	return row
}

func ours() contest.Contestant {
	return contest.Contestant{Name: "ours", Bench: func(b *testing.B, path string) error {
		log, err := auditlog.Open(path, auditlog.WithoutCadenceSync(), auditlog.WithMaxFileSize(never))
		if err != nil {
			return err
		}
		exp, err := exporter.New(log)
		if err == nil {
			err = export(b, exp)
		}
		return errors.Join(err, log.Close())
	}, Lines: batchSize}
}

func stdout() contest.Contestant {
	return contest.Contestant{Name: "stdoutlog", Bench: func(b *testing.B, path string) error {
		f, err := os.Create(path) //nolint:gosec // the path is made here
		if err != nil {
			return err
		}
		exp, err := stdoutlog.New(stdoutlog.WithWriter(f))
		if err == nil {
			err = export(b, exp)
		}
		return errors.Join(err, f.Close())
	}, Lines: batchSize}
}

func export(b *testing.B, exp sdklog.Exporter) (err error) {
	records := recordtest.ModelCalls(batchSize)
	for err == nil && b.Loop() {
		err = exp.Export(context.Background(), records)
	}
	b.StopTimer()
	return err
}

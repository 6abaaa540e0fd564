// Command export measures how fast package exporter writes log records, beside
// the SDK's stdoutlog exporter and zerolog, in the same run, on tmpfs and on a
// disk, and prints a Markdown table:
//
//	go run -C benchmarks ./export
//
// All of them write the same model calls of 12 attributes.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/stdout/stdoutlog"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"gopkg.in/natefinch/lumberjack.v2"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/benchmarks/internal/contest"
	"github.com/otelaudit/otelaudit/exporter"
	"github.com/otelaudit/otelaudit/internal/recordtest"
)

const (
	batchSize = 512
	tmpfs     = "/dev/shm"
	never     = 1 << 40 // bytes: no rotation
)

func main() {
	contest.Main("export", []contest.Case{
		{Name: "tmpfs", Rows: onTmpfs},
		{Name: "disk", Rows: func(dir string) ([]contest.Row, error) { return batches("disk", dir) }},
	})
}

// onTmpfs leaves the disk out of what is measured, where there is a tmpfs.
func onTmpfs(string) (_ []contest.Row, err error) {
	dir, err := os.MkdirTemp(tmpfs, "otelaudit-export-")
	if errors.Is(err, os.ErrNotExist) {
		fmt.Fprintf(os.Stderr, "there is no %s\n", tmpfs)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	return batches("tmpfs", dir)
}

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

// zero writes the attributes of the same records.
func zero() contest.Contestant {
	return contest.Contestant{Name: "zerolog+lumberjack", Bench: func(b *testing.B, path string) error {
		w := &lumberjack.Logger{Filename: path, MaxSize: never >> 20}
		l := zerolog.New(w)
		records := recordtest.ModelCalls(batchSize)
		for b.Loop() {
			for i := range records {
				e := l.Log().Timestamp()
				records[i].WalkAttributes(func(kv attribute.KeyValue) bool {
					switch kv.Value.Type() {
					case attribute.STRING:
						e.Str(string(kv.Key), kv.Value.AsString())
					case attribute.INT64:
						e.Int64(string(kv.Key), kv.Value.AsInt64())
					case attribute.FLOAT64:
						e.Float64(string(kv.Key), kv.Value.AsFloat64())
					case attribute.BOOL:
						e.Bool(string(kv.Key), kv.Value.AsBool())
					}
					return true
				})
				e.Send()
			}
		}
		b.StopTimer()
		return w.Close()
	}, Lines: batchSize}
}

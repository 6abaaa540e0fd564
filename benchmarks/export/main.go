// Command export measures how fast package exporter writes log records, beside
// the SDK's processors, its stdoutlog exporter and zerolog, in the same run, and
// prints a Markdown table:
//
//	go run -C benchmarks ./export
//
// All of them write model calls of the same 12 attributes.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/otelaudit/otelaudit/benchmarks/internal/contest"
)

const (
	batchSize = 512
	tmpfs     = "/dev/shm"
	never     = 1 << 40 // bytes: no rotation
)

func main() {
	contest.Main("export", []contest.Case{
		{Name: "tmpfs", Rows: onTmpfs(batches)},
		{Name: "disk", Rows: onDisk(batches)},
		{Name: "one by one on tmpfs", Rows: onTmpfs(oneByOne)},
		{Name: "one by one on disk", Rows: onDisk(oneByOne)},
		{Name: "wait for disk", Rows: waitForDisk},
		{Name: "burst", Rows: burst},
		{Name: "size", Rows: size},
	})
}

type measurement = func(place, dir string) ([]contest.Row, error)

func onDisk(measure measurement) func(dir string) ([]contest.Row, error) {
	return func(dir string) ([]contest.Row, error) { return measure("disk", dir) }
}

// onTmpfs leaves the disk out of what is measured, where there is a tmpfs.
func onTmpfs(measure measurement) func(dir string) ([]contest.Row, error) {
	return func(string) (_ []contest.Row, err error) {
		dir, err := os.MkdirTemp(tmpfs, "otelaudit-export-")
		if errors.Is(err, os.ErrNotExist) {
			fmt.Fprintf(os.Stderr, "there is no %s\n", tmpfs)
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		return measure("tmpfs", dir)
	}
}

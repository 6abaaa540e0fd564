package main

import (
	"context"
	"fmt"

	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/benchmarks/internal/contest"
)

const goroutines = 64

// nothing is the floor: an exporter that does nothing with a record.
type nothing struct{}

var _ sdklog.Exporter = nothing{}

func (nothing) Export(context.Context, []sdklog.Record) error { return nil }
func (nothing) Shutdown(context.Context) error                { return nil }
func (nothing) ForceFlush(context.Context) error              { return nil }

// oneByOne: one goroutine, a write for each record, and nobody waits for the disk.
func oneByOne(dir string) ([]contest.Row, error) {
	scores, err := contest.Race(dir, simpleUnsynced(), simpleNothing())
	if err != nil {
		return nil, err
	}
	return []contest.Row{contest.Versus("SimpleProcessor, sole owner, no fsync", scores[0],
		"SimpleProcessor + no-op exporter", scores[1], "at most 2 ×")}, nil
}

func simpleUnsynced() contest.Contestant {
	return emitting("SimpleProcessor", 1, func(path string) (*pipeline, error) {
		return openPipeline(path, simple, auditlog.WithSoleOwner(), auditlog.WithoutCadenceSync())
	})
}

func simpleNothing() contest.Contestant {
	return emitting("no-op exporter", 1, func(string) (*pipeline, error) {
		return newPipeline(sdklog.NewSimpleProcessor(nothing{})), nil
	})
}

// waitForDisk: many goroutines, and each record is on disk when Emit returns.
func waitForDisk(dir string) ([]contest.Row, error) {
	scores, err := contest.Race(dir, processorSynced(), simpleSynced())
	if err != nil {
		return nil, err
	}
	rate := func(s contest.Score) string { return fmt.Sprintf("%.0f records/s", 1e9/s.Median()) }
	return []contest.Row{{
		What:  fmt.Sprintf("Processor that waits for the disk, %d goroutines", goroutines),
		Ours:  rate(scores[0]),
		Peer:  "SimpleProcessor, fsync per record: " + rate(scores[1]),
		Ratio: fmt.Sprintf("%.1f ×", contest.Ratio(scores[1], scores[0])),
		Goal:  "at least 20 ×",
	}}, nil
}

func processorSynced() contest.Contestant {
	return emitting("Processor", goroutines, func(path string) (*pipeline, error) { return openPipeline(path, waiting) })
}

func simpleSynced() contest.Contestant {
	return emitting("SimpleProcessor", goroutines, func(path string) (*pipeline, error) {
		return openPipeline(path, simple, auditlog.WithSyncLines(1))
	})
}

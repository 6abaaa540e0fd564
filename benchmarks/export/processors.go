package main

import (
	"context"
	"fmt"
	"os"

	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/benchmarks/internal/contest"
	"github.com/otelaudit/otelaudit/internal/recordtest"
)

const goroutines = 64

// nothing is the floor: an exporter that does nothing with a record.
type nothing struct{}

var _ sdklog.Exporter = nothing{}

func (nothing) Export(context.Context, []sdklog.Record) error { return nil }
func (nothing) Shutdown(context.Context) error                { return nil }
func (nothing) ForceFlush(context.Context) error              { return nil }

// writing is the floor of a write for each record: its line is there already.
type writing struct {
	nothing
	f    *os.File
	line []byte
}

func (w *writing) Export(context.Context, []sdklog.Record) error {
	_, err := w.f.Write(w.line)
	return err
}

// Shutdown comes once, from the provider.
func (w *writing) Shutdown(context.Context) error { return w.f.Close() }

// oneByOne: one goroutine, a write for each record, and nobody waits for the disk.
func oneByOne(place, dir string) ([]contest.Row, error) {
	line, err := auditLines(dir, recordtest.ModelCalls(1))
	if err != nil {
		return nil, err
	}
	scores, err := contest.Race(dir, simpleUnsynced(), simpleNothing(), simpleWriting(line))
	if err != nil {
		return nil, err
	}
	what := "SimpleProcessor on " + place + ", sole owner, no fsync"
	return []contest.Row{
		contest.Versus(what, scores[0], "SimpleProcessor + no-op exporter", scores[1], "at most 2 ×"),
		contest.Versus(what, scores[0], "SimpleProcessor + bare write of an encoded line", scores[2], ""),
	}, nil
}

func simpleWriting(line []byte) contest.Contestant {
	return emitting("bare write", 1, func(path string) (*pipeline, error) {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600) //nolint:gosec // the path is made here
		if err != nil {
			return nil, err
		}
		return newPipeline(sdklog.NewSimpleProcessor(&writing{f: f, line: line})), nil
	})
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

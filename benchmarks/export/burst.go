package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otelaudit/otelaudit/benchmarks/internal/contest"
	"github.com/otelaudit/otelaudit/exporter"
)

// burstEach is the number of records of each goroutine of a burst.
const burstEach = 2000

// burst shows what is lost of as many records as the goroutines can emit.
func burst(dir string) ([]contest.Row, error) {
	var ours, theirs []float64
	for range *contest.Turns {
		for _, side := range []struct {
			lost         *[]float64
			newProcessor func(*exporter.Exporter) sdklog.Processor
		}{{&ours, waiting}, {&theirs, batch}} {
			written, err := burstInto(dir, side.newProcessor, burstEach)
			if err != nil {
				return nil, err
			}
			*side.lost = append(*side.lost, 1-float64(written)/(goroutines*burstEach))
		}
	}
	percent := func(lost []float64) string { return fmt.Sprintf("%.1f %%", 100*contest.Median(lost)) }
	return []contest.Row{{
		What: fmt.Sprintf("lost of a burst of %d × %d records", goroutines, burstEach),
		Ours: percent(ours), Peer: "BatchProcessor: " + percent(theirs), Goal: "0.0 %",
	}}, nil
}

// burstInto returns the number of records that are in the log after a burst of
// so many from each goroutine and an orderly end.
func burstInto(dir string, newProcessor func(*exporter.Exporter) sdklog.Processor, each int) (int, error) {
	at, err := os.MkdirTemp(dir, "burst-")
	if err != nil {
		return 0, err
	}
	path := filepath.Join(at, "audit.jsonl")
	p, err := openPipeline(path, newProcessor)
	if err != nil {
		return 0, err
	}
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			emit := p.emitter()
			for range each {
				emit()
			}
		})
	}
	wg.Wait()
	if err := p.close(); err != nil {
		return 0, err
	}
	text, err := os.ReadFile(path) //nolint:gosec // it was made here
	if err != nil {
		return 0, err
	}
	return bytes.Count(text, []byte("\n")), os.RemoveAll(at)
}

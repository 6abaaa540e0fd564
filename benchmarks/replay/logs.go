package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/otelaudit/otelaudit/auditlog"
	"github.com/otelaudit/otelaudit/exporter"
	"github.com/otelaudit/otelaudit/internal/recordtest"
)

const (
	never     = 1 << 40 // bytes: no rotation
	batchSize = 512
)

// writeLog appends n events to a log that is opened for it.
type writeLog func(ctx context.Context, log *auditlog.Log, n int) error

// makeLog makes a log of n lines in a new folder below dir: as one active file,
// or as archives beside an empty one.
func makeLog(dir string, write writeLog, n int, archives bool) (path string, err error) {
	if dir, err = os.MkdirTemp(dir, "log-"); err != nil {
		return "", err
	}
	path = filepath.Join(dir, "audit.jsonl")
	opts := []auditlog.Option{auditlog.WithoutCadenceSync()}
	if !archives {
		opts = append(opts, auditlog.WithMaxFileSize(never))
	}
	log, err := auditlog.Open(path, opts...)
	if err != nil {
		return "", err
	}
	ctx := context.Background()
	err = write(ctx, log, n)
	if archives {
		err = errors.Join(err, log.Rotate(ctx))
	}
	return path, errors.Join(err, log.Close()) // which waits for the compression
}

// shortLog writes lines of about 335 bytes, as programs append them that have no
// OpenTelemetry.
func shortLog(ctx context.Context, log *auditlog.Log, n int) error {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same lines each time
	at := time.Date(2026, 2, 13, 0, 0, 0, 0, time.UTC)
	events := make([]auditlog.Event, 0, batchSize)
	for i := range n {
		input, output := random.Int64N(20_000), random.Int64N(2_000)
		events = append(events, auditlog.Event{
			Time: at.Add(time.Duration(i) * time.Second), Name: []string{"llm.call", "nav", "brief"}[i%3],
			SessionID: fmt.Sprintf("3f0f9a1e-5f0b-4f5e-9d43-%012d", i/500),
			Cost:      new(float64(input*3+output*15) / 1e6), Model: "claude-sonnet-4-6",
			InputTokens: &input, OutputTokens: &output, Duration: new(time.Duration(random.IntN(9000)) * time.Millisecond),
			TraceID: fmt.Sprintf("%016x%016x", random.Uint64()|1, random.Uint64()), SpanID: fmt.Sprintf("%016x", random.Uint64()|1),
			TraceFlags: new(byte(1)), Attributes: map[string]any{"log.record.uid": uid(i)},
		})
		if len(events) == batchSize || i == n-1 {
			if err := log.Append(ctx, events...); err != nil {
				return err
			}
			events = events[:0]
		}
	}
	return nil
}

// fullLog writes lines of model calls with 12 attributes, as exporter makes them.
func fullLog(ctx context.Context, log *auditlog.Log, n int) error {
	exp, err := exporter.New(log)
	if err != nil {
		return err
	}
	records := recordtest.ModelCalls(batchSize)
	for ; n > 0; n -= batchSize {
		if err := exp.Export(ctx, records[:min(n, batchSize)]); err != nil {
			return err
		}
	}
	return nil
}

// uid is the log.record.uid of event i.
func uid(i int) string { return fmt.Sprintf("019c5a50-7b5e-7e58-8000-%012x", i) }

// eventOf is the other way round.
func eventOf(uid []byte) (i int, ok bool) {
	_, err := fmt.Sscanf(string(uid), "019c5a50-7b5e-7e58-8000-%012x", &i)
	return i, err == nil
}

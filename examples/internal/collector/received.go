package collector

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"os"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// Received is what a collector's file exporter wrote: everything that the
// collector accepted, in the order of the requests.
type Received struct {
	Logs   []plog.Logs
	Traces []ptrace.Traces
}

// Record is a received log record with where it came from.
type Record struct {
	Resource pcommon.Resource
	Scope    pcommon.InstrumentationScope
	plog.LogRecord
}

// Span is a received span with where it came from.
type Span struct {
	Resource pcommon.Resource
	Scope    pcommon.InstrumentationScope
	ptrace.Span
}

// ReadOutput reads an output file of a collector, OTLP JSON with one request per
// line. Read it after [Collector.Stop]: a running collector holds a second of it
// back, and a line that it wrote in part is an error.
func ReadOutput(path string) (Received, error) {
	content, err := os.ReadFile(path) //nolint:gosec // the caller's file
	if err != nil {
		return Received{}, fmt.Errorf("collector: read output: %w", err)
	}
	var received Received
	number := 0
	for line := range bytes.Lines(content) {
		number++
		if err := received.add(line); err != nil {
			return Received{}, fmt.Errorf("collector: read output %s, line %d: %w", path, number, err)
		}
	}
	return received, nil
}

func (r *Received) add(line []byte) error {
	var signal struct {
		ResourceLogs  json.RawMessage `json:"resourceLogs"`
		ResourceSpans json.RawMessage `json:"resourceSpans"`
	}
	if err := json.Unmarshal(line, &signal); err != nil {
		return err
	}
	switch {
	case signal.ResourceLogs != nil:
		logs, err := new(plog.JSONUnmarshaler).UnmarshalLogs(line)
		if err != nil {
			return fmt.Errorf("decode logs: %w", err)
		}
		r.Logs = append(r.Logs, logs)
	case signal.ResourceSpans != nil:
		traces, err := new(ptrace.JSONUnmarshaler).UnmarshalTraces(line)
		if err != nil {
			return fmt.Errorf("decode traces: %w", err)
		}
		r.Traces = append(r.Traces, traces)
	default:
		return fmt.Errorf("neither logs nor traces: %.80s", line)
	}
	return nil
}

// Records yields all log records.
func (r Received) Records() iter.Seq[Record] {
	return func(yield func(Record) bool) {
		for _, logs := range r.Logs {
			for _, resource := range logs.ResourceLogs().All() {
				for _, scope := range resource.ScopeLogs().All() {
					for _, record := range scope.LogRecords().All() {
						if !yield(Record{resource.Resource(), scope.Scope(), record}) {
							return
						}
					}
				}
			}
		}
	}
}

// Spans yields all spans.
func (r Received) Spans() iter.Seq[Span] {
	return func(yield func(Span) bool) {
		for _, traces := range r.Traces {
			for _, resource := range traces.ResourceSpans().All() {
				for _, scope := range resource.ScopeSpans().All() {
					for _, span := range scope.Spans().All() {
						if !yield(Span{resource.Resource(), scope.Scope(), span}) {
							return
						}
					}
				}
			}
		}
	}
}

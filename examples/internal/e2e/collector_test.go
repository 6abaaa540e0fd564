package e2e

import (
	"path/filepath"
	"testing"

	"go.opentelemetry.io/collector/pdata/plog"
	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	"google.golang.org/protobuf/proto"

	"github.com/otelaudit/otelaudit/examples/internal/collector"
)

// aCollector is a real one with the repository's configuration.
type aCollector struct {
	*collector.Collector
	output string
}

func startCollector(t *testing.T) aCollector {
	t.Helper()
	return startCollectorWith(t, "")
}

// startCollectorWith starts a collector with a configuration file.
func startCollectorWith(t *testing.T, file string) aCollector {
	t.Helper()
	dir := t.TempDir()
	output := filepath.Join(dir, "received.jsonl")
	c, err := collector.Start(t.Context(), collector.Config{File: file, Output: output, Log: filepath.Join(dir, "collector.log")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	return aCollector{c, output}
}

// received stops the collector and returns what its file exporter wrote.
func (c aCollector) received(t *testing.T) (requests []*collogspb.ExportLogsServiceRequest) {
	t.Helper()
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	received, err := collector.ReadOutput(c.output)
	if err != nil {
		t.Fatal(err)
	}
	for _, logs := range received.Logs {
		data, err := new(plog.ProtoMarshaler).MarshalLogs(logs)
		if err != nil {
			t.Fatal(err)
		}
		request := new(collogspb.ExportLogsServiceRequest)
		if err := proto.Unmarshal(data, request); err != nil {
			t.Fatal(err)
		}
		requests = append(requests, request)
	}
	return requests
}

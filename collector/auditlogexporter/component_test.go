package auditlogexporter

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap/confmaptest"
	collectorexporter "go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/goleak"

	"github.com/otelaudit/otelaudit/collector/auditlogexporter/internal/metadata"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The tests of this file are what mdatagen would generate.

func TestComponentFactoryType(t *testing.T) {
	if got := NewFactory().Type().String(); got != "auditlog" {
		t.Errorf("the type is %s, want auditlog", got)
	}
}

func TestComponentConfigStruct(t *testing.T) {
	if err := componenttest.CheckConfigStruct(NewFactory().CreateDefaultConfig()); err != nil {
		t.Error(err)
	}
}

// TestMetadataSaysTheSame holds internal/metadata to metadata.yaml.
func TestMetadataSaysTheSame(t *testing.T) {
	conf, err := confmaptest.LoadConf("metadata.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var said struct {
		Type      string `mapstructure:"type"`
		ScopeName string `mapstructure:"scope_name"`
		Status    struct {
			Class     string              `mapstructure:"class"`
			Stability map[string][]string `mapstructure:"stability"`
		} `mapstructure:"status"`
	}
	if err := conf.Unmarshal(&said, ignoreUnknown); err != nil {
		t.Fatal(err)
	}
	if said.Type != metadata.Type.String() || said.ScopeName != metadata.ScopeName || said.Status.Class != "exporter" {
		t.Errorf("got type %s, scope %s, class %s", said.Type, said.ScopeName, said.Status.Class)
	}
	levels := map[string]component.StabilityLevel{"logs": metadata.LogsStability, "traces": metadata.TracesStability, "metrics": metadata.MetricsStability}
	for level, signals := range said.Status.Stability {
		for _, signal := range signals {
			if got := levels[signal].String(); !regexp.MustCompile("(?i)^" + level + "$").MatchString(got) {
				t.Errorf("%s are %s, want %s", signal, got, level)
			}
			delete(levels, signal)
		}
	}
	if len(levels) != 0 {
		t.Errorf("metadata.yaml does not say the stability of %v", levels)
	}
}

// testConfig is the configuration of metadata.yaml, in a folder of its own.
func testConfig(t *testing.T) *Config {
	t.Helper()
	conf, err := confmaptest.LoadConf("metadata.yaml")
	if err != nil {
		t.Fatal(err)
	}
	sub, err := conf.Sub("tests::config")
	if err != nil {
		t.Fatal(err)
	}
	cfg := NewFactory().CreateDefaultConfig().(*Config)
	if err := sub.Unmarshal(cfg); err != nil {
		t.Fatal(err)
	}
	cfg.Path = filepath.Join(t.TempDir(), cfg.Path)
	return cfg
}

func TestComponentLifecycle(t *testing.T) {
	create := map[string]func(*testing.T, *Config) component.Component{
		"logs": func(t *testing.T, cfg *Config) component.Component {
			e, err := NewFactory().CreateLogs(t.Context(), exportertest.NewNopSettings(metadata.Type), cfg)
			if err != nil {
				t.Fatal(err)
			}
			return e
		},
		"traces": func(t *testing.T, cfg *Config) component.Component {
			e, err := NewFactory().CreateTraces(t.Context(), exportertest.NewNopSettings(metadata.Type), cfg)
			if err != nil {
				t.Fatal(err)
			}
			return e
		},
	}
	for signal, create := range create {
		t.Run(signal+"-shutdown", func(t *testing.T) {
			cfg := testConfig(t)
			stop(t, create(t, cfg))
			if _, err := os.Stat(cfg.Path); !os.IsNotExist(err) {
				t.Errorf("got %v, want no file before the start", err)
			}
		})
		t.Run(signal+"-lifecycle", func(t *testing.T) {
			cfg := testConfig(t)
			for range 2 { // it starts again where it stopped
				c := create(t, cfg)
				if err := c.Start(t.Context(), componenttest.NewNopHost()); err != nil {
					t.Fatal(err)
				}
				consume(t, c)
				stop(t, c)
				stop(t, c)
			}
			if lines := decodedLines(t, cfg.Path); len(lines) != 2 {
				t.Errorf("got %d lines, want 2", len(lines))
			}
			if len(exporters.byConfig) != 0 || len(logs.byPath) != 0 {
				t.Errorf("%d exporters and %d logs are kept", len(exporters.byConfig), len(logs.byPath))
			}
		})
	}
}

// consume gives a component one record or span that it may not change.
func consume(t *testing.T, c component.Component) {
	t.Helper()
	switch c := c.(type) {
	case collectorexporter.Logs:
		ld := events("nav")
		ld.MarkReadOnly()
		if c.Capabilities().MutatesData {
			t.Error("it says that it changes what it gets")
		}
		if err := c.ConsumeLogs(context.Background(), ld); err != nil {
			t.Error(err)
		}
	case collectorexporter.Traces:
		td := modelCalls("chat")
		td.MarkReadOnly()
		if c.Capabilities().MutatesData {
			t.Error("it says that it changes what it gets")
		}
		if err := c.ConsumeTraces(context.Background(), td); err != nil {
			t.Error(err)
		}
	}
}

// modelCalls returns traces with a span for each name, all of them calls of a
// model.
func modelCalls(names ...string) ptrace.Traces {
	td := ptrace.NewTraces()
	spans := td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans()
	for _, name := range names {
		s := spans.AppendEmpty()
		s.SetName(name)
		s.Attributes().PutStr("llm.request.type", "chat")
	}
	return td
}

package collector

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/exporter/fileexporter"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/envprovider"
	"go.opentelemetry.io/collector/confmap/provider/fileprovider"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/debugexporter"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/memorylimiterprocessor"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.opentelemetry.io/collector/service/telemetry/otelconftelemetry"
)

// ConfigFile is the name of the repository's collector configuration, and
// these are the variables that it reads.
const (
	ConfigFile  = "collector-config.yaml"
	envEndpoint = "OTELAUDIT_OTLP_ENDPOINT"
	envOutput   = "OTELAUDIT_COLLECTOR_OUTPUT"
	envLog      = "OTELAUDIT_COLLECTOR_LOG"
)

// lifecycle is held while a collector starts or stops: the file exporter keeps
// its instances in a map of the whole process, without a lock of its own.
var lifecycle sync.Mutex

// Config says how to run a collector.
type Config struct {
	// File is the configuration file. Empty: collector-config.yaml in the
	// working directory or the nearest folder above it.
	File string
	// Endpoint is the host:port to listen on. Empty: a free port of 127.0.0.1.
	Endpoint string
	// Output is the file that the file exporter appends to.
	Output string
	// Log is the file that the collector's own log is appended to.
	Log string
}

// Collector is a running collector.
type Collector struct {
	endpoint string
	col      *otelcol.Collector
	done     chan struct{}
	err      error // what ended it; valid when done is closed
}

// Start runs a collector and returns when it receives. ctx bounds the start
// only: the collector runs until [Collector.Stop].
func Start(ctx context.Context, cfg Config) (*Collector, error) {
	if cfg.File == "" {
		file, err := findConfig()
		if err != nil {
			return nil, fmt.Errorf("collector: %w", err)
		}
		cfg.File = file
	}
	if cfg.Output == "" || cfg.Log == "" {
		return nil, errors.New("collector: start: Output and Log must name files")
	}
	if cfg.Endpoint != "" {
		return start(ctx, cfg)
	}
	// Between the choice of a free port and its use, another process may take it.
	for attempt := 1; ; attempt++ {
		endpoint, err := freeEndpoint(ctx)
		if err != nil {
			return nil, fmt.Errorf("collector: %w", err)
		}
		cfg.Endpoint = endpoint
		c, err := start(ctx, cfg)
		if attempt < 5 && errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		return c, err
	}
}

// URL returns the base URL for OTLP over HTTP, without a path.
func (c *Collector) URL() string { return "http://" + c.endpoint }

// Stop ends the collector: what it accepted is in its output file afterwards.
// It returns what went wrong while it ran or stopped. Further calls return the
// same.
func (c *Collector) Stop() error {
	lifecycle.Lock()
	defer lifecycle.Unlock()
	return c.stop()
}

func (c *Collector) stop() error {
	c.col.Shutdown()
	<-c.done
	if c.err != nil {
		return fmt.Errorf("collector: run: %w", c.err)
	}
	return nil
}

func start(ctx context.Context, cfg Config) (*Collector, error) {
	col, err := otelcol.NewCollector(settings(cfg))
	if err != nil {
		return nil, fmt.Errorf("collector: configure: %w", err)
	}
	lifecycle.Lock()
	defer lifecycle.Unlock()
	c := &Collector{endpoint: cfg.Endpoint, col: col, done: make(chan struct{})}
	// The context of Run also ends a running collector, without flushing.
	runCtx := context.WithoutCancel(ctx)
	go func() {
		defer close(c.done)
		c.err = col.Run(runCtx)
	}()

	// The state can only be asked for.
	poll := time.NewTicker(2 * time.Millisecond)
	defer poll.Stop()
	for col.GetState() != otelcol.StateRunning {
		select {
		case <-c.done:
			if c.err == nil {
				return nil, errors.New("collector: start: it ended at once")
			}
			return nil, fmt.Errorf("collector: start with %s: %w", cfg.File, c.err)
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("collector: start: %w", context.Cause(ctx)), c.stop())
		case <-poll.C:
		}
	}
	return c, nil
}

func settings(cfg Config) otelcol.CollectorSettings {
	env := map[string]string{
		envEndpoint: cfg.Endpoint,
		envOutput:   cfg.Output,
		envLog:      cfg.Log,
	}
	return otelcol.CollectorSettings{
		BuildInfo: component.BuildInfo{
			Command:     "otelaudit-example-collector",
			Description: "OpenTelemetry Collector of the otelaudit examples",
			Version:     "devel",
		},
		Factories: sync.OnceValues(factories),
		ConfigProviderSettings: otelcol.ConfigProviderSettings{
			ResolverSettings: confmap.ResolverSettings{
				URIs:              []string{"file:" + cfg.File},
				ProviderFactories: []confmap.ProviderFactory{fileprovider.NewFactory(), newEnvFactory(env)},
				DefaultScheme:     "env",
			},
		},
		// The program that the collector is a part of decides about both.
		DisableGracefulShutdown: true,
		SkipSettingGRPCLogger:   true,
	}
}

func factories() (otelcol.Factories, error) {
	receivers, err := otelcol.MakeFactoryMap[receiver.Factory](otlpreceiver.NewFactory())
	if err != nil {
		return otelcol.Factories{}, fmt.Errorf("list receivers: %w", err)
	}
	exporters, err := otelcol.MakeFactoryMap[exporter.Factory](debugexporter.NewFactory(), fileexporter.NewFactory())
	if err != nil {
		return otelcol.Factories{}, fmt.Errorf("list exporters: %w", err)
	}
	processors, err := otelcol.MakeFactoryMap[processor.Factory](memorylimiterprocessor.NewFactory())
	if err != nil {
		return otelcol.Factories{}, fmt.Errorf("list processors: %w", err)
	}
	return otelcol.Factories{
		Receivers:  receivers,
		Processors: processors,
		Exporters:  exporters,
		Telemetry:  otelconftelemetry.NewFactory(),
	}, nil
}

// newEnvFactory makes the collector's ${env:…} see vars before the environment
// of the process, which belongs to the whole process: two collectors in it, or
// a test beside another one, would share it.
func newEnvFactory(vars map[string]string) confmap.ProviderFactory {
	return confmap.NewProviderFactory(func(set confmap.ProviderSettings) confmap.Provider {
		return &envProvider{Provider: envprovider.NewFactory().Create(set), vars: vars}
	})
}

type envProvider struct {
	confmap.Provider

	vars map[string]string
}

var _ confmap.Provider = (*envProvider)(nil)

func (p *envProvider) Retrieve(ctx context.Context, uri string, watch confmap.WatcherFunc) (*confmap.Retrieved, error) {
	if value, ok := p.vars[variable(uri)]; ok {
		return confmap.NewRetrieved(value)
	}
	return p.Provider.Retrieve(ctx, uri, watch)
}

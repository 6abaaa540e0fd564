// Package distribution is what the collector otelaudit-collector consists of.
package distribution

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/bearertokenauthextension"
	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/healthcheckextension"
	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/storage/filestorage"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/envprovider"
	"go.opentelemetry.io/collector/confmap/provider/fileprovider"
	"go.opentelemetry.io/collector/confmap/provider/yamlprovider"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/debugexporter"
	"go.opentelemetry.io/collector/exporter/nopexporter"
	"go.opentelemetry.io/collector/exporter/otlpexporter"
	"go.opentelemetry.io/collector/exporter/otlphttpexporter"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/batchprocessor"
	"go.opentelemetry.io/collector/processor/memorylimiterprocessor"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.opentelemetry.io/collector/service/telemetry/otelconftelemetry"

	"github.com/otelaudit/otelaudit/collector/auditlogexporter"
	"github.com/otelaudit/otelaudit/collector/otlprepairextension"
)

// Command is the name of the program.
const Command = "otelaudit-collector"

// Run is the collector as a program with these arguments, its own name not
// among them. more are exporters beside those of the distribution.
func Run(ctx context.Context, args []string, more ...exporter.Factory) error {
	cmd := otelcol.NewCommand(settings(more))
	cmd.SetArgs(args)
	return cmd.ExecuteContext(ctx)
}

func settings(more []exporter.Factory) otelcol.CollectorSettings {
	return otelcol.CollectorSettings{
		BuildInfo: component.BuildInfo{
			Command:     Command,
			Description: "OpenTelemetry Collector that writes audit logs",
			Version:     version(),
		},
		Factories: func() (otelcol.Factories, error) { return factories(more) },
		ConfigProviderSettings: otelcol.ConfigProviderSettings{ResolverSettings: confmap.ResolverSettings{
			ProviderFactories: []confmap.ProviderFactory{envprovider.NewFactory(), fileprovider.NewFactory(), yamlprovider.NewFactory()},
			DefaultScheme:     "env",
		}},
	}
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "devel"
}

func factories(more []exporter.Factory) (otelcol.Factories, error) {
	receivers, err := otelcol.MakeFactoryMap[receiver.Factory](otlpreceiver.NewFactory())
	if err != nil {
		return otelcol.Factories{}, fmt.Errorf("list receivers: %w", err)
	}
	processors, err := otelcol.MakeFactoryMap[processor.Factory](batchprocessor.NewFactory(), memorylimiterprocessor.NewFactory())
	if err != nil {
		return otelcol.Factories{}, fmt.Errorf("list processors: %w", err)
	}
	exporters, err := otelcol.MakeFactoryMap[exporter.Factory](append(more,
		auditlogexporter.NewFactory(),
		debugexporter.NewFactory(), nopexporter.NewFactory(), otlpexporter.NewFactory(), otlphttpexporter.NewFactory())...)
	if err != nil {
		return otelcol.Factories{}, fmt.Errorf("list exporters: %w", err)
	}
	extensions, err := otelcol.MakeFactoryMap[extension.Factory](
		otlprepairextension.NewFactory(),
		bearertokenauthextension.NewFactory(), filestorage.NewFactory(), healthcheckextension.NewFactory())
	if err != nil {
		return otelcol.Factories{}, fmt.Errorf("list extensions: %w", err)
	}
	return otelcol.Factories{
		Receivers: receivers, Processors: processors, Exporters: exporters, Extensions: extensions,
		Telemetry: otelconftelemetry.NewFactory(),
	}, nil
}

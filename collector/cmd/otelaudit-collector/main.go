// Command otelaudit-collector is an OpenTelemetry Collector that writes audit
// logs: the OTLP receiver, the exporters auditlog, otlp_grpc, otlp_http, debug
// and nop, the processors batch and memory_limiter, and the extensions
// otlp_repair, bearertokenauth, file_storage and health_check. Its configurations are in
// collector/config; components beside these are got by building a collector of
// one's own from collector/builder-config.yaml.
//
//	otelaudit-collector --config collector/config/gateway.yaml
package main

import (
	"context"
	"os"

	"github.com/otelaudit/otelaudit/collector/internal/distribution"
)

func main() {
	// The command has printed the error.
	if err := distribution.Run(context.Background(), os.Args[1:]); err != nil {
		os.Exit(1)
	}
}

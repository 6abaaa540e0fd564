// Package metadata is what metadata.yaml says, for the code. The generator of
// the OpenTelemetry Collector would make it; it is kept by hand, and
// TestMetadataSaysTheSame holds both together.
package metadata

import "go.opentelemetry.io/collector/component"

// Type is the name of the component in configurations.
var Type = component.MustNewType("auditlog")

// ScopeName is the name of the scope of the component's own telemetry.
const ScopeName = "github.com/otelaudit/otelaudit/collector/auditlogexporter"

// Stability of the component for each signal.
const (
	LogsStability    = component.StabilityLevelAlpha
	TracesStability  = component.StabilityLevelAlpha
	MetricsStability = component.StabilityLevelAlpha
)
